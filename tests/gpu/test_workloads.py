"""Each kind of GPU work, profiled in a real kernel on a real GPU, against counts that do not come from InferScope."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel

from .conftest import READY, keep, needs_gpu, summary_of

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("workloads", HERE / "workloads.py")
assert spec is not None and spec.loader is not None
workloads = importlib.util.module_from_spec(spec)
sys.modules["workloads"] = workloads
spec.loader.exec_module(workloads)

pytestmark = needs_gpu


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
    gpu.run(READY)
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
