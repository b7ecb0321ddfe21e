"""What holds for every Python test: a clean environment, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["kernels", "unprivileged"]

# Folders whose tests do not depend on the Python or IPython version: run in one environment of the matrix.
SINGLE = {"browser", "cupti", "exports", "known_answers", "notebooks", "package"}

# Inherited by every kernel and sidecar of this run, so that they can be told from those of others.
RUN = uuid.uuid4().hex

# Not "inferscope-": sidecars sweep such folders.
_HOMES = tempfile.TemporaryDirectory(prefix="test-homes-")


def pytest_configure() -> None:
    """Runs before any test module is imported."""
    # An interrupt is one here and in every kernel, also where a shell in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("INFERSCOPE_")]:
        del os.environ[name]
    os.environ["INFERSCOPE_TEST_RUN"] = RUN
    # Neither the user's configuration nor what the user keeps is part of a test.
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "IPYTHONDIR"):
        os.environ[name] = _HOMES.name
    # Kernels that share a file of history disturb each other: one that finds it locked puts it away, under the others.
    profile = Path(_HOMES.name) / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text("get_config().HistoryManager.hist_file = ':memory:'\n")
    # The kernel of this environment, whatever the user has installed.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of the folders in ``SINGLE``."""
    root = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(root) and item.path.relative_to(root).parts[0] in SINGLE:
            item.add_marker(pytest.mark.single)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two pages."""
    place = tmp_path / "small disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        assert os.geteuid() != 0 or "permission denied" in mounted.stderr, mounted.stderr
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def sidecars_of_this_run() -> list[int]:
    """The sidecars that tests of this run started and that still live."""
    mark = f"INFERSCOPE_TEST_RUN={RUN}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if (process / "comm").read_bytes().startswith(b"inferscope-side") and mark in (
                process / "environ"
            ).read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue  # it ended, or is not ours to see
    return found


@pytest.fixture(scope="session", autouse=True)
def no_sidecar_is_left() -> Iterator[None]:
    """After the last test, every sidecar has gone with its kernel: 2 s are promised, a slow machine has more."""
    yield
    deadline = time.monotonic() + 10
    while (left := sidecars_of_this_run()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"sidecars outlived their kernels: {left}"
