"""A script under `inferscope run` whose GPU work is what a recording holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .test_cell import LIBRARIES, gpu_losses


class Script:
    """Runs scripts that begin with the libraries that stand for CUDA."""

    def __init__(self, mocks: Path, recording: Path, folder: Path) -> None:
        self._folder = folder
        self._env = {**os.environ, "MOCKS": str(mocks), "MOCK_CUPTI_RECORDING": str(recording)}

    def run(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        (self._folder / "s.py").write_text(f"{LIBRARIES}\n{program}")
        return subprocess.run(
            [sys.executable, "-m", "inferscope", "run", "-o", "r.json", *options, "s.py"],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
        )

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / "r.json").read_text())
        return found

    def line(self, text: str) -> int:
        return (self._folder / "s.py").read_text().splitlines().index(text) + 1


@pytest.fixture
def script(mocks: Path, recordings: dict[str, Path], tmp_path: Path) -> Script:
    return Script(mocks, recordings["copies"], tmp_path)


def test_work_of_a_script_and_the_line_it_came_from(script: Script) -> None:
    done = script.run("def step():\n    work()\n\ncuda.cuInit(0)\nfor i in range(2):\n    step()\nprint('end')\n")
    assert (done.returncode, done.stdout) == (0, "end\n")
    found = script.summary()
    assert gpu_losses(found) == []
    assert [device["kernels"] for device in found["devices"]] == [40]
    # Those of the recorded program: the line of this one that was executing.
    launches = Counter({line["line"]: line["launches"] for line in found["host"]["lines"] if line["launches"]})
    body = script.line('    end = cupti.mock_cupti_replay(os.environ["MOCK_CUPTI_RECORDING"].encode(), times)')
    if sys.version_info >= (3, 12):
        assert set(launches) == {body}
    assert sum(launches.values()) > 0


def test_only_the_gpu_work_of_a_scope(script: Script) -> None:
    done = script.run(
        "import inferscope\ncuda.cuInit(0)\nwork()\nwith inferscope.scope('step'):\n    work()\nwork()\n",
        "--scope",
        "step",
    )
    assert done.returncode == 0
    found = script.summary()
    assert gpu_losses(found) == []
    assert [device["kernels"] for device in found["devices"]] == [20]


def test_gpu_switched_off(script: Script) -> None:
    script.run("cuda.cuInit(0)\nwork()\n", "--no-gpu")
    assert script.summary()["devices"] == []


def test_a_script_that_fails(script: Script) -> None:
    done = script.run("cuda.cuInit(0)\nwork()\n1 / 0\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n  File ")
    found = script.summary()
    assert (found["cell"]["outcome"], [device["kernels"] for device in found["devices"]]) == ("error", [20])


def test_a_script_that_is_terminated(script: Script) -> None:
    done = script.run("import signal\ncuda.cuInit(0)\nwork()\nos.kill(os.getpid(), signal.SIGTERM)\n")
    assert done.returncode == -15
    assert [device["kernels"] for device in script.summary()["devices"]] == [20]


def test_the_time_is_over_while_the_gpu_is_captured(script: Script) -> None:
    """CUPTI is taken out by the thread that uses it, once that comes round."""
    done = script.run(
        "import pathlib\ncuda.cuInit(0)\nwork()\nwhile not pathlib.Path('r.json').exists():\n    pass\nwork()\n",
        "--duration",
        "0.5",
    )
    assert done.returncode == 0
    found = script.summary()
    assert gpu_losses(found) == []
    assert [device["kernels"] for device in found["devices"]] == [20]
