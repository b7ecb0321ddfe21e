"""Cells in a real kernel whose GPU work CUPTI cannot show: what the probes on the driver's library say in its place."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel, load
from privileges import need_ebpf

from .test_cell import LIBRARIES, Notebook

HOLD = """
import sys, types
held = types.SimpleNamespace(_profiler_enabled=lambda: True)
sys.modules["torch"] = types.SimpleNamespace(_C=types.SimpleNamespace(_autograd=held))
"""
HELPERS = """
import threading, time
def probed():  # a breakpoint of the kernel's stands where a probe is
    return ctypes.string_at(ctypes.cast(cuda.cuLaunchKernel, ctypes.c_void_p).value, 1) == bytes([0xCC])
"""
CELL = """
for _ in range(30):
    cuda.cuLaunchKernel(1, 2)
cuda.cuMemcpyHtoDAsync_v2(1, 2, 4096, None)
cuda.mock_cuda_busy_until(time.monotonic_ns() + 300_000_000)
cuda.cuStreamSynchronize(None)
seen = probed()
"""
# Lines as the reader sees them: the directive is the first, an empty one the second.
LAUNCHES, COPY, WAIT = 4, 5, 7


@pytest.fixture
def notebook(mocks: Path, recordings: dict[str, Path], tmp_path: Path) -> Iterator[Notebook]:
    made = Notebook(mocks, recordings["copies"], tmp_path)
    assert made.kernel.run(HELPERS + "cuda.cuInit(0)").status == "ok"
    yield made
    made.kernel.close()


def losses(summary: dict[str, Any], source: str) -> list[str]:
    return [loss["reason"] for loss in summary["losses"] if loss["source"] == source]


def check_calls(notebook: Notebook, why: str) -> None:
    """The report of CELL: the calls, that kernels are missing, and why."""
    summary = notebook.summary
    lines = {line["line"]: line for line in summary["host"]["lines"]}
    assert {number: line["launches"] for number, line in lines.items() if line["launches"]} == {LAUNCHES: 30}
    assert summary["devices"] == []
    assert losses(summary, "cupti") == []
    (loss, *others) = losses(summary, "cudaprobe")
    assert loss.startswith("kernels were not seen, only the CUDA calls that launch them: ")
    assert why in loss
    assert all("the kernel cannot step over" in other for other in others)  # the stand-in has such functions
    assert summary["verdict"]["class"] == "unknown"
    assert summary["verdict"]["sentence"].startswith("The GPU side was not captured")
    assert f"waiting in the GPU driver on line {WAIT}" in summary["verdict"]["sentence"]
    assert any("30 launches" in note and "1 copy or set of 4.0 KiB" in note for note in summary["notes"])


def test_another_profiler_holds_cupti(notebook: Notebook) -> None:
    need_ebpf()
    assert notebook.kernel.run(HOLD).status == "ok"
    reply = notebook.profile(CELL)
    assert reply.status == "ok"
    check_calls(notebook, "torch.profiler is active; end its session before the cell to see GPU work")
    if platform.machine() == "x86_64":
        assert notebook.kernel.value("seen") == "True"
    assert notebook.kernel.value("probed()") == "False"
    # Once CUPTI is free, it captures, and no probe is attached.
    assert notebook.kernel.run("del sys.modules['torch']").status == "ok"
    notebook.profile("work()\nseen = probed()")
    assert [device["kernels"] for device in notebook.summary["devices"]] == [20]
    assert losses(notebook.summary, "cudaprobe") == []
    assert notebook.kernel.value("seen") == "False"


def test_only_trying_shows_that_cupti_is_held(notebook: Notebook) -> None:
    need_ebpf()
    assert notebook.kernel.run("os.environ['MOCK_CUPTI_ENABLE'] = '39'").status == "ok"
    reply = notebook.profile(CELL)
    assert reply.status == "ok"
    check_calls(notebook, "another profiler holds CUPTI in this process; end its session to see GPU work")


def test_the_library_of_cupti_is_missing(mocks: Path, tmp_path: Path) -> None:
    need_ebpf()
    kernel = Kernel(env={"MOCKS": str(mocks), "SUMMARY": str(tmp_path / "summary.json")})
    try:
        load(kernel)
        libraries = LIBRARIES.split("cupti = ")[0]
        assert kernel.run(libraries + HELPERS + "cuda.cuInit(0)").status == "ok"
        found = kernel.value("[m for m in open('/proc/self/maps') if 'libcupti' in m]")
        assert found == "[]"
        notebook = Notebook.of(kernel, tmp_path)
        assert notebook.profile(CELL).status == "ok"
        check_calls(notebook, "no CUPTI library was found; inferscope doctor tells how to install it")
    finally:
        kernel.close()


def test_no_calls_in_the_cell(notebook: Notebook) -> None:
    assert notebook.kernel.run(HOLD).status == "ok"
    notebook.profile("6 * 7")
    assert losses(notebook.summary, "cudaprobe") == [] or os.geteuid() != 0
    assert not notebook.summary["verdict"]["sentence"].startswith("The GPU side")


def test_switched_off(notebook: Notebook) -> None:
    assert notebook.kernel.run(HOLD).status == "ok"
    reply = notebook.kernel.run("%%inferscope --no-gpu" + CELL)
    assert reply.status == "ok"
    assert losses(notebook.summary, "cudaprobe") == []
    assert notebook.kernel.value("seen") == "False"


def test_status_tells_of_the_probes(notebook: Notebook) -> None:
    need_ebpf()
    reply = notebook.kernel.run("%inferscope")
    assert "cudaprobe" in reply.stdout + str(reply.outputs)
    assert "in cells where CUPTI cannot be used" in reply.stdout + str(reply.outputs)
