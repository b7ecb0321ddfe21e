"""The shim in C, under the sanitizers, and its use from Python against libraries with CUDA's names made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, compile_c


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libcuda.so.1 and a libcupti.so.13 that stand for the names, not for the work."""
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "cuda.c").write_text("int inferscope_test_cuda;\n")
    (folder / "cupti.c").write_text("int cuptiGetVersion(unsigned *v) { *v = 130001; return 0; }\n")
    compile_c("-shared", "-fPIC", folder / "cuda.c", "-o", folder / "libcuda.so.1")
    compile_c("-shared", "-fPIC", "-Wno-missing-prototypes", folder / "cupti.c", "-o", folder / "libcupti.so.13")
    return folder


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shim") / "libinferscope_shim.so"
    compile_c("-shared", "-fPIC", "-fvisibility=hidden", ROOT / "cupti/inferscope_shim.c", "-o", path, "-ldl")
    return path


def test_under_sanitizers(libraries: Path, tmp_path: Path) -> None:
    program = tmp_path / "shim_test"
    compile_c(
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-I",
        ROOT / "cupti",
        ROOT / "cupti/inferscope_shim.c",
        Path(__file__).with_name("shim_test.c"),
        "-o",
        program,
        "-ldl",
        "-lpthread",
    )
    descriptors = tmp_path / "descriptors"
    descriptors.mkdir()
    done = subprocess.run([program, libraries, descriptors], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def probe_in_process(shim: Path, *loaded: Path, **environment: str) -> dict[str, object]:
    """The answer of ``gpu.probe`` in a fresh process that has loaded these libraries."""
    program = (
        "import ctypes, dataclasses, json, pathlib, sys; from inferscope import gpu\n"
        "kept = [ctypes.CDLL(path) for path in sys.argv[2:]]\n"
        "print(json.dumps(dataclasses.asdict(gpu.probe(pathlib.Path(sys.argv[1])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, shim, *loaded],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_nothing_loaded(shim: Path) -> None:
    answer = probe_in_process(shim)
    assert answer == {
        "known": True,
        "why": "",
        "loaded": False,
        "in_use": False,
        "libcuda": "",
        "cupti_loaded": False,
        "cupti_version": 0,
        "injected": False,
    }


def test_cuda_mapped_is_not_cuda_in_use(shim: Path, libraries: Path) -> None:
    answer = probe_in_process(shim, libraries / "libcuda.so.1")
    assert answer["loaded"] is True
    assert answer["in_use"] is False
    assert answer["libcuda"] == str(libraries / "libcuda.so.1")


def test_cupti_and_injection(shim: Path, libraries: Path) -> None:
    cupti = libraries / "libcupti.so.13"
    answer = probe_in_process(shim, cupti, CUDA_INJECTION64_PATH=str(cupti))
    assert (answer["cupti_loaded"], answer["cupti_version"], answer["injected"]) == (True, 130001, True)


def test_missing_shim_is_unknown_not_absent(tmp_path: Path) -> None:
    answer = probe_in_process(tmp_path / "libinferscope_shim.so")
    assert answer["known"] is False
    assert answer["loaded"] is False
    assert "libinferscope_shim.so" in str(answer["why"])


def test_other_version_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "old.c"
    source.write_text("unsigned inferscope_shim_version(void) { return 999; }\n")
    compile_c("-shared", "-fPIC", source, "-o", tmp_path / "old.so")
    assert probe_in_process(tmp_path / "old.so")["known"] is False
