"""A cell in a real kernel whose GPU work is what a recording holds: the whole way from the shim to the report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel, Reply, load

from .conftest import HERE

LIBRARIES = """
import ctypes, os
folder = os.environ["MOCKS"]
cuda = ctypes.CDLL(folder + "/libcuda.so.1")
cuda.mock_cuda_busy_until.argtypes = (ctypes.c_uint64,)
cupti = ctypes.CDLL(folder + "/libcupti.so.13")
cupti.mock_cupti_replay.restype = ctypes.c_uint64
cupti.mock_cupti_replay.argtypes = (ctypes.c_char_p, ctypes.c_int)
def work(times=1):
    end = cupti.mock_cupti_replay(os.environ["MOCK_CUPTI_RECORDING"].encode(), times)
    cuda.mock_cuda_busy_until(end)
"""


class Notebook:
    """A kernel with the libraries that stand for CUDA."""

    def __init__(self, mocks: Path, recording: Path, folder: Path) -> None:
        self._summary = folder / "summary.json"
        self.name = recording.stem
        env = {"MOCKS": str(mocks), "MOCK_CUPTI_RECORDING": str(recording), "SUMMARY": str(self._summary)}
        self.kernel = Kernel(env=env)
        load(self.kernel)
        assert self.kernel.run(LIBRARIES).status == "ok"

    @classmethod
    def of(cls, kernel: Kernel, folder: Path) -> Notebook:
        """Another kernel, whose environment names the folder's file for summaries."""
        made = cls.__new__(cls)
        made.kernel, made._summary, made.name = kernel, folder / "summary.json", ""
        return made

    def profile(self, cell: str) -> Reply:
        reply = self.kernel.run("%%inferscope\n" + cell)
        assert len(reply.reports) == 1, reply
        assert reply.said == []
        return reply

    @property
    def summary(self) -> dict[str, Any]:
        """That of the last report. By way of a file: IPython shortens what it shows."""
        write = "import inferscope, json; json.dump(inferscope.last().summary, open(os.environ['SUMMARY'], 'w'))"
        reply = self.kernel.run(write)
        assert reply.status == "ok", reply.traceback
        found: dict[str, Any] = json.loads(self._summary.read_text())
        return found


@pytest.fixture(params=["copies", "graphs", "backward"])
def notebook(
    request: pytest.FixtureRequest, mocks: Path, recordings: dict[str, Path], tmp_path: Path
) -> Iterator[Notebook]:
    made = Notebook(mocks, recordings[request.param], tmp_path)
    yield made
    made.kernel.close()


@pytest.fixture
def copies(mocks: Path, recordings: dict[str, Path], tmp_path: Path) -> Iterator[Notebook]:
    made = Notebook(mocks, recordings["copies"], tmp_path)
    yield made
    made.kernel.close()


def gpu_losses(summary: dict[str, Any]) -> list[str]:
    return [loss["reason"] for loss in summary["losses"] if loss["source"] == "cupti"]


def test_devices_of_a_cell(notebook: Notebook) -> None:
    assert notebook.kernel.run("cuda.cuInit(0)").status == "ok"
    notebook.profile("x = 1\nwork()")
    summary = notebook.summary
    assert gpu_losses(summary) == []
    (device,) = summary["devices"]
    recorded = json.loads((HERE / "recordings/about.json").read_text())["recordings"][notebook.name]["torch.profiler"]
    counted = {"kernel": device["kernels"], "gpu_memcpy": device["memcpys"], "gpu_memset": device["memsets"]}
    assert counted == recorded
    assert device["name"] == "NVIDIA H100 80GB HBM3"
    assert device["busy_ns"] > 0
    launches = Counter({line["line"]: line["launches"] for line in summary["host"]["lines"]})
    assert launches[3] == sum(launches.values()) > 0  # all belong to the line that worked


def test_sides_of_copies(copies: Notebook) -> None:
    copies.kernel.run("cuda.cuInit(0)")
    copies.profile("work(2)")
    (device,) = copies.summary["devices"]
    sides = {(copy["kind"], copy["src"], copy["dst"]): (copy["count"], copy["bytes"]) for copy in device["copies"]}
    assert sides == {
        ("HtoD", "pageable", "device"): (20, 20 << 20),
        ("HtoD", "pinned", "device"): (20, 20 << 20),
        ("DtoH", "device", "pageable"): (20, 20 << 20),
        ("DtoH", "device", "pinned"): (20, 80),
    }


def test_cuda_begins_in_the_cell(copies: Notebook) -> None:
    copies.profile("cuda.cuInit(0)\nwork()")
    summary = copies.summary
    assert gpu_losses(summary) == []
    assert [device["kernels"] for device in summary["devices"]] == [20]
    assert copies.kernel.value("os.environ.get('CUDA_INJECTION64_PATH')") == "None"


def test_no_gpu_work_in_the_cell(copies: Notebook) -> None:
    copies.profile("6 * 7")
    assert copies.summary["devices"] == []
    assert gpu_losses(copies.summary) == []


def test_gpu_switched_off(copies: Notebook) -> None:
    copies.kernel.run("cuda.cuInit(0)")
    reply = copies.kernel.run("%%inferscope --no-gpu\nwork()")
    assert reply.said == []
    assert copies.summary["devices"] == []


def test_error_in_the_cell(copies: Notebook) -> None:
    copies.kernel.run("cuda.cuInit(0)")
    reply = copies.kernel.run("%%inferscope\nwork()\n1 / 0")
    assert reply.status == "error"
    assert [device["kernels"] for device in copies.summary["devices"]] == [20]
    # And the capture is over: the next cell has its own.
    copies.profile("work()")
    assert [device["kernels"] for device in copies.summary["devices"]] == [20]


def test_kernel_killed_in_the_cell_leaves_no_shared_memory(copies: Notebook) -> None:
    copies.kernel.run("cuda.cuInit(0)")
    request = copies.kernel.send("%%inferscope\nwork()\nprint('working', flush=True)\nimport time; time.sleep(600)")
    copies.kernel.receive(request, until="working")
    maps = Path(f"/proc/{copies.kernel.pid}/maps").read_text()
    rings = {line.split()[-1] for line in maps.splitlines() if "gpu-ring" in line}
    assert len(rings) == 1
    (ring,) = (Path(name) for name in rings)
    copies.kernel.manager.shutdown_kernel(now=True)
    wait_until(lambda: not ring.parent.exists())


def wait_until(condition: Any) -> None:
    import time

    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
