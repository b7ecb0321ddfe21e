"""What `inferscope doctor` says of CUPTI, with libraries that stand for the real ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = "import json; from inferscope import checks; print(json.dumps(checks._answer(checks._cupti)))"


def look(libraries: Path, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries), **environment},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_cupti_is_found(mocks: Path) -> None:
    answer = look(mocks, MOCK_CUPTI_VERSION="130001")
    assert answer == {"works": True, "detail": "libcupti.so.13, version 130001", "enable": ""}


def test_a_driver_without_cupti_names_the_package(mocks: Path, tmp_path: Path) -> None:
    shutil.copy(mocks / "libcuda.so.1", tmp_path)
    for version, package in ((12080, "nvidia-cuda-cupti-cu12"), (13000, "nvidia-cuda-cupti")):
        answer = look(tmp_path, MOCK_CUDA_VERSION=str(version))
        assert answer["works"] is False
        assert "libcupti.so.13" in answer["detail"]
        assert answer["enable"] == f"{sys.executable} -m pip install {package}"
