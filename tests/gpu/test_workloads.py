"""Each kind of GPU work, profiled in a real kernel on a real GPU, against counts that do not come from InferScope."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel, load

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("workloads", HERE / "workloads.py")
assert spec is not None and spec.loader is not None
workloads = importlib.util.module_from_spec(spec)
sys.modules["workloads"] = workloads
spec.loader.exec_module(workloads)

REPORTS = os.environ.get("GPU_REPORTS")


def has_gpu() -> bool:
    """Whether the driver shows a device."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


pytestmark = pytest.mark.skipif(not has_gpu(), reason="there is no /dev/nvidia0")


@pytest.fixture
def gpu() -> Iterator[Kernel]:
    """A kernel of the test's own: what one framework leaves in a process does not reach the next test."""
    kernel = load(Kernel())
    yield kernel
    kernel.close()


def summary_of(kernel: Kernel) -> dict[str, Any]:
    text = ast.literal_eval(kernel.value("__import__('json').dumps(__import__('inferscope').last().summary)"))
    summary: dict[str, Any] = json.loads(text)
    return summary


def keep(name: str, kernel: Kernel) -> None:
    """Keep the report where a person can look at it."""
    if REPORTS:
        html = ast.literal_eval(kernel.value("__import__('inferscope').last().html"))
        text = ast.literal_eval(kernel.value("__import__('inferscope').last().text"))
        Path(REPORTS).mkdir(parents=True, exist_ok=True)
        (Path(REPORTS) / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8><body>{html}")
        (Path(REPORTS) / f"{name}.txt").write_text(text)


@pytest.mark.parametrize("work", workloads.WORKLOADS, ids=lambda w: w.name)
def test_counts(gpu: Kernel, work: Any) -> None:
    if importlib.util.find_spec(work.module) is None:
        pytest.skip(f"{work.module} is not installed")
    count = subprocess.run(
        [sys.executable, str(HERE / "count.py"), work.name], capture_output=True, text=True, timeout=300, check=False
    )
    assert count.returncode == 0, count.stderr
    expected = json.loads(count.stdout.splitlines()[-1])
    assert gpu.run(work.setup, timeout=300).status == "ok"
    assert gpu.run(work.cell, timeout=300).status == "ok"
    reply = gpu.run("%%inferscope\n" + work.cell, timeout=300)
    assert reply.status == "ok", reply.traceback
    assert len(reply.reports) == 1, reply
    summary = summary_of(gpu)
    keep(work.name, gpu)
    device = summary["devices"][0]
    got = {kind: device[kind] for kind in expected}
    assert got == expected, summary["losses"]
    assert sum(c["ns"] for c in summary["idle"]["causes"]) == summary["idle"]["total_ns"]
    launched = sum(line["launches"] + line["copies"] for line in summary["host"]["lines"])
    assert launched > 0


def test_twenty_cells_without_a_corrupted_record(gpu: Kernel) -> None:
    gpu.run("import torch\nx = torch.ones(64, 64, device='cuda')\ntorch.add(x, 1)")
    for _ in range(20):
        reply = gpu.run("%%inferscope\nfor step in range(500):\n    y = torch.add(x, 1)\n")
        assert reply.status == "ok"
        summary = summary_of(gpu)
        assert summary["devices"][0]["kernels"] == 500
        assert not [loss for loss in summary["losses"] if loss["source"] == "cupti"], summary["losses"]


def test_first_use_of_cuda_inside_the_cell(gpu: Kernel) -> None:
    reply = gpu.run(
        "%%inferscope\nimport torch\nx = torch.ones(64, 64, device='cuda')\nfor _ in range(50):\n    x = x + 1\n",
        timeout=180,
    )
    assert reply.status == "ok"
    assert summary_of(gpu)["devices"][0]["kernels"] >= 50
    keep("first_use", gpu)


TORCH_PROFILER = """
with torch.profiler.profile() as p:
    torch.add(x, 1)
    torch.cuda.synchronize()
assert any('elementwise' in e.key for e in p.key_averages()), [e.key for e in p.key_averages()]
"""
PROTON = """
import tempfile, triton.profiler as proton
name = tempfile.mktemp()
proton.start(name)
torch.add(x, 1)
torch.cuda.synchronize()
proton.finalize()
assert 'elementwise' in open(name + '.hatchet').read()
"""
READY = "import torch\nx = torch.ones(64, 64, device='cuda')\ntorch.add(x, 1)"
HUNDRED = "%%inferscope\nfor _ in range(100):\n    y = torch.add(x, 1)\n"


def test_torch_profiler_works_after_a_cell_and_a_cell_after_it(gpu: Kernel) -> None:
    gpu.run(READY)
    assert gpu.run(HUNDRED).status == "ok"
    reply = gpu.run(TORCH_PROFILER, timeout=120)
    assert reply.status == "ok", reply.traceback
    for _ in range(2):
        gpu.run(HUNDRED)
        summary = summary_of(gpu)
        assert summary["devices"][0]["kernels"] == 100, summary["losses"]


def test_proton_works_after_a_cell_as_it_does_after_torch_profiler(gpu: Kernel) -> None:
    """Proton brings a CUPTI of its own, and CUPTI refuses a second copy once a first was active in a process."""
    control = load(Kernel())
    try:
        control.run(READY)
        assert control.run(TORCH_PROFILER, timeout=120).status == "ok"
        expected = control.run(PROTON, timeout=120)
    finally:
        control.close()
    gpu.run(READY)
    assert gpu.run(HUNDRED).status == "ok"
    reply = gpu.run(PROTON, timeout=120)
    assert reply.status == expected.status, (expected.traceback, reply.traceback)
    gpu.run(HUNDRED)
    assert summary_of(gpu)["devices"][0]["kernels"] == 100


def test_a_cell_inside_torch_profiler_names_the_holder(gpu: Kernel) -> None:
    gpu.run("import torch\nx = torch.ones(64, 64, device='cuda')\np = torch.profiler.profile()\np.__enter__()")
    reply = gpu.run("%%inferscope\nfor _ in range(100):\n    y = torch.add(x, 1)\n")
    assert reply.status == "ok"
    assert any("torch.profiler" in loss["reason"] for loss in summary_of(gpu)["losses"])
    assert gpu.run("p.__exit__(None, None, None)").status == "ok"


def test_spin_kernel_of_known_length(gpu: Kernel) -> None:
    """The device times are right: a kernel that spins, against CUDA events in the same cell."""
    gpu.run("import torch\ntorch.cuda._sleep(1000)\ntorch.cuda.synchronize()")  # the kernel is loaded at its first use
    reply = gpu.run(
        "%%inferscope\na, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)\n"
        "a.record()\ntorch.cuda._sleep(200_000_000)\nb.record()\ntorch.cuda.synchronize()\n"
        "measured = a.elapsed_time(b)\n"
    )
    assert reply.status == "ok", reply.traceback
    milliseconds = float(gpu.value("measured"))
    kernels = summary_of(gpu)["devices"][0]["top_kernels"]
    spin = max(k["ns"] for k in kernels) / 1e6
    assert abs(spin / milliseconds - 1) < 0.01, (spin, milliseconds)
