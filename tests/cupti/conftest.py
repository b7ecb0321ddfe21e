"""What stands for a GPU: libraries with CUDA's names that replay what a real one did."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror"]


def compile_c(*arguments: str | Path) -> None:
    subprocess.run([os.environ.get("CC", "cc"), *WARNINGS, *map(str, arguments)], check=True)


def build_mocks(folder: Path, *flags: str) -> Path:
    """libcuda.so.1 and libcupti.so.13 in a folder, made with these flags."""
    for sources, name in (
        (("mock_cuda.c", "mock_cuda_calls.c"), "libcuda.so.1"),
        (("mock_cupti.c",), "libcupti.so.13"),
    ):
        paths = [HERE / source for source in sources]
        compile_c("-shared", "-fPIC", "-g", "-O1", *flags, *paths, "-o", folder / name, "-lpthread")
    return folder


@pytest.fixture(scope="session")
def mocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mocks(tmp_path_factory.mktemp("mocks"))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The recordings, unpacked, by name."""
    folder = tmp_path_factory.mktemp("recordings")
    found = {}
    for packed in (HERE / "recordings").glob("*.cupti.gz"):
        name = packed.name.split(".")[0]
        found[name] = folder / f"{name}.cupti"
        found[name].write_bytes(gzip.decompress(packed.read_bytes()))
    assert len(found) >= 5
    return found
