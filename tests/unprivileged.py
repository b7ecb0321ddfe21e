"""A kernel of a user without any privilege, for tests that run as root: a plugin with its fixture.

The interpreter that runs the tests may lie where only root may look. The kernel then gets a view of the file system of
its own (a mount namespace) in which the directories above it can be entered, and is otherwise the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import inferscope
from kernels import Kernel

NOBODY = 65534

# Run as root, in a mount namespace of its own: sh -c LAUNCH sh HOME CONNECTION_FILE COVER... -- COMMAND...
# COVER is a pair: a directory that others may not enter, and one below it that the kernel needs. The first is covered
# by an empty one that may be entered, in which the second appears again.
LAUNCH = f"""
set -eu
home=$1 connection=$2
shift 2
while [ "$1" != -- ]; do
    mkdir -p "$home/kept"
    mount --bind "$2" "$home/kept"
    mount -t tmpfs -o mode=755 tmpfs "$1"
    mkdir -p "$2"
    mount --move "$home/kept" "$2"
    shift 2
done
shift
chown {NOBODY}:{NOBODY} "$connection"
cd "$home"
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def _covers(needed: list[Path]) -> list[str]:
    """The pairs for LAUNCH: each outermost directory that others may not enter, and what is needed of it."""
    pairs: dict[Path, Path] = {}
    for path in needed:
        closed = next((d for d in [*reversed(path.parents), path] if d.is_dir() and not d.stat().st_mode & 0o001), None)
        if closed is None:
            continue
        kept = Path(*path.parts[: len(closed.parts) + 1])
        if pairs.setdefault(closed, kept) != kept or kept == closed:
            pytest.skip(f"{closed} is closed to others, and more than one thing in it is needed")
    return [str(path) for pair in pairs.items() for path in pair]


def _needed() -> list[Path]:
    executable = Path(sys.executable)
    return [executable.parent, executable.resolve().parent, Path(inferscope.__file__).resolve().parent]


@pytest.fixture
def unprivileged_kernel() -> Iterator[Kernel]:
    """A kernel of the user nobody, without the extension.

    Without root it is a kernel of the user that runs the tests, who has none of the privileges either: those that the
    sidecar's file may carry do not count under no_new_privs.
    """
    for program in ("unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        kernel = Kernel(launcher=["setpriv", "--no-new-privs"])
        yield kernel
        kernel.close()
        return
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no mount namespace of one's own here: {probe.stderr.strip()}")
    # Its path is short: a socket's must fit in 108 bytes.
    home = Path(tempfile.mkdtemp(prefix="nobody-"))
    try:
        os.chown(home, NOBODY, NOBODY)
        launcher = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            LAUNCH,
            "sh",
            str(home),
            "{connection_file}",
            *_covers(_needed()),
            "--",
        ]
        jupyter = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
        directories = ("HOME", "TMPDIR", *jupyter, "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")
        kernel = Kernel(
            env=dict.fromkeys(directories, str(home)),
            launcher=launcher,
            connection_file=str(home / "connection.json"),
        )
        yield kernel
        kernel.close()
    finally:
        shutil.rmtree(home)
