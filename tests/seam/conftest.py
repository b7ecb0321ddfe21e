"""A sidecar whose handler is a stub: the real server, process and protocol, nothing collected."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferscope.client import Connection
from inferscope.sidecar import Sidecar

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub's binary, named as the real one is."""
    path = tmp_path_factory.mktemp("stub") / "inferscope-sidecar"
    go = os.environ.get("GO", "go")
    subprocess.run([go, "build", "-o", path, "./sidecar/internal/server/stubsidecar"], cwd=ROOT, check=True)
    return path


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of this test alone; whatever a sidecar leaves is found there.

    Its path is short, unlike tmp_path: a socket's must fit in 108 bytes.
    """
    path = Path("/tmp") / f"seam-{os.getpid()}"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr("tempfile.tempdir", str(path))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def sidecar(stub: Path, temporary: Path) -> Iterator[Sidecar]:
    """A sidecar of this test; after it nothing may be left."""
    sidecar = Sidecar(stub)
    yield sidecar
    sidecar.shutdown()
    assert list(temporary.iterdir()) == []


@pytest.fixture
def connection(sidecar: Sidecar) -> Connection:
    return sidecar.connection(PATIENCE)


def wait_gone(pid: int) -> None:
    """Waits until a process, ours or not, has ended (a zombie has)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(PATIENCE * 1000), f"process {pid} is still there"
    finally:
        os.close(descriptor)
