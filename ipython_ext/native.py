"""Builds what the package carries besides Python: the sidecar (Go) and the shim (C), into ``inferscope/_bin``.

Run by the wheel's build hook and by ``make build``: ``python ipython_ext/native.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "ipython_ext" / "inferscope" / "_bin"
SIDECAR = "inferscope-sidecar"
SHIM = "libinferscope_shim.so"


class BuildError(Exception):
    """The build cannot go on; the message is a sentence for whoever installs the package."""


def version() -> str:
    """The one version number, read without importing the package."""
    text = (ROOT / "ipython_ext" / "inferscope" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise BuildError('ipython_ext/inferscope/_version.py has no line __version__ = "...".')
    return found.group(1)


def build(output: Path = OUTPUT) -> list[Path]:
    """Builds the sidecar and the shim into ``output`` and returns their paths.

    Raises:
        BuildError: A tool is missing or failed.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError(f"InferScope measures with Linux kernel interfaces and cannot be built on {sys.platform}.")
    go = _go()
    cc = _tool(os.environ.get("CC", "cc"), "A C compiler", "on Debian: apt-get install gcc libc6-dev")
    output.mkdir(parents=True, exist_ok=True)
    # Each is written beside and renamed: a running sidecar or kernel keeps the old one.
    sidecar, shim = output / SIDECAR, output / SHIM
    fresh = output / f".new-{os.getpid()}"
    # The shim first: where the C compiler does not work, its own words are the clearest.
    c_flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,relro,-z,now"]
    sources = [str(source) for source in sorted((ROOT / "cupti").glob("*.c"))]
    _run("the shim", *cc, *c_flags, "-o", str(fresh), *sources, "-ldl", "-lpthread")
    fresh.replace(shim)
    _build_sidecar(go, fresh)
    fresh.replace(sidecar)
    return [sidecar, shim]


def build_sidecar(path: Path) -> None:
    """Builds the sidecar alone, into the file ``path``.

    Raises:
        BuildError: Go is missing or failed.
    """
    _build_sidecar(_go(), path)


def _build_sidecar(go: list[str], path: Path) -> None:
    flags = f"-s -w -X main.version={version()}"
    package = "./sidecar/cmd/inferscope-sidecar"
    _run("the sidecar", *go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(path), package)


def _go() -> list[str]:
    return _tool(os.environ.get("GO", "go"), "Go", "see https://go.dev/doc/install")


def _tool(command: str, what: str, hint: str) -> list[str]:
    words = command.split()
    if not words or shutil.which(words[0]) is None:
        raise BuildError(f"{what} is needed to build InferScope and `{command}` was not found ({hint}).")
    return words


def _run(what: str, *command: str) -> None:
    # NVML's library is opened at run time through cgo: its functions must be bound lazily, also where the linker's
    # default is not to. go-nvml still offers what NVML has deprecated, which gcc tells.
    environment = {
        **os.environ,
        "CGO_ENABLED": "1",
        "CGO_CFLAGS": f"{os.environ.get('CGO_CFLAGS', '-O2 -g')} -Wno-deprecated-declarations",
        "CGO_LDFLAGS": f"{os.environ.get('CGO_LDFLAGS', '-O2 -g')} -Wl,-z,lazy",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"Building {what} failed: {' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    try:
        for path in build():
            print(os.path.relpath(path, ROOT))
    except BuildError as error:
        sys.exit(str(error))
