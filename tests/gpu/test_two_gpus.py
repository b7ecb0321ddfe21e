"""A machine with several GPUs: a cell that uses one is profiled, a cell that uses two only when that is allowed."""

from __future__ import annotations

import re

import pytest

from kernels import Kernel

from .conftest import has_gpu, smi, summary_of


def gpus() -> int:
    """How many GPUs the driver's tool lists."""
    return len([line for line in smi("-L") if line.startswith("GPU ")]) if has_gpu() else 0


pytestmark = pytest.mark.skipif(gpus() < 2, reason=f"{gpus()} GPUs, and these tests need two")

SETUP = """
import torch
a, b = (torch.ones(64, 64, device=f'cuda:{index}') for index in range(2))
for one in (a, b):
    print(float((one + 1).sum()))
"""
ONE = """
for _ in range(50):
    c = a + 1
torch.cuda.synchronize()
"""
BOTH = """
for _ in range(50):
    c, d = a + 1, b + 2
for index in range(2):
    torch.cuda.synchronize(index)
print(c.sum().item(), d.sum().item())
"""
ANSWER = f"{2 * 64 * 64}.0 {3 * 64 * 64}.0\n"


@pytest.fixture
def two(gpu: Kernel) -> Kernel:
    """A kernel in which PyTorch has used both GPUs."""
    reply = gpu.run(SETUP, timeout=120)
    assert reply.status == "ok", reply.traceback
    assert gpu.run(BOTH).status == "ok"
    return gpu


def test_a_cell_on_one_of_them_is_profiled(two: Kernel) -> None:
    reply = two.run("%%inferscope" + ONE)
    assert (reply.status, len(reply.reports), reply.said) == ("ok", 1, []), reply
    (device,) = (device for device in summary_of(two)["devices"] if device["kernels"])
    assert (device["index"], device["kernels"]) == (0, 50)


def test_a_cell_on_both_is_stopped_by_default(two: Kernel) -> None:
    # Far more steps than there is patience for: it is the error that ends them.
    reply = two.run("%%inferscope\nfor _ in range(10**9):\n    c, d = a + 1, b + 2\n", timeout=120)
    assert (reply.status, reply.content["ename"]) == ("error", "MultiGpuError"), reply
    sentence = reply.content["evalue"]
    assert 'multi_gpu = "allow"' in sentence
    assert re.search(r"\b0\b.* and 1\b", sentence), sentence
    assert two.run(BOTH).stdout == ANSWER
    reply = two.run("%%inferscope" + ONE)
    assert (reply.status, len(reply.reports), reply.said) == ("ok", 1, []), reply


def test_a_cell_on_both_is_profiled_where_that_is_allowed(two: Kernel) -> None:
    reply = two.run("%%inferscope --multi-gpu allow" + BOTH)
    assert (reply.status, reply.stdout, len(reply.reports), reply.said) == ("ok", ANSWER, 1, []), reply
    devices = {device["index"]: device for device in summary_of(two)["devices"]}
    assert set(devices) == {0, 1}
    for device in devices.values():
        assert device["kernels"] >= 50  # and those of the sum
        assert 0 < device["busy_ns"] <= device["window_ns"]
