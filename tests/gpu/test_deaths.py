"""A process killed in the middle of a cell with GPU work: the cell is untouched, and nothing is left behind."""

from __future__ import annotations

import os
import signal

from kernels import Kernel

from .conftest import (
    HUNDRED,
    READY,
    gone,
    gpu_losses,
    kernels_of,
    memory_used,
    needs_gpu,
    shared_memory,
    sidecar_pid,
    wait_until,
)

pytestmark = needs_gpu

# What the driver may keep or give back meanwhile, in MiB; a CUDA context alone is several times as large.
DRIFT = 64


def test_sidecar_killed_in_the_middle_of_a_cell(gpu: Kernel) -> None:
    others = shared_memory()
    gpu.run(READY)
    gpu.run(HUNDRED)
    assert kernels_of(gpu) == 100, gpu_losses(gpu)
    rings = shared_memory() - others
    assert rings
    pid = sidecar_pid(gpu)
    reply = gpu.run(
        "%%inferscope -o kept\nimport os\nfor step in range(2000):\n    y = torch.add(x, step)\n"
        f"    if step == 1000:\n        os.kill({pid}, {int(signal.SIGKILL)})\nprint(float(y.sum()))"
    )
    assert (reply.status, reply.stdout) == ("ok", f"{2000 * 64 * 64}.0\n"), reply.traceback
    assert reply.reports == []
    assert len(reply.said) == 1 and "killed" in reply.said[0], reply.stderr
    assert gpu.value("'kept' in globals()") == "False"
    # The next cell has a sidecar of its own, which has removed what the killed one could not.
    reply = gpu.run(HUNDRED)
    assert (reply.status, len(reply.reports), reply.said) == ("ok", 1, [])
    assert kernels_of(gpu) == 100, gpu_losses(gpu)
    assert gpu.value("float(torch.add(x, 1).sum())") == f"{2 * 64 * 64}.0"
    assert not rings & shared_memory()
    replacement, rings = sidecar_pid(gpu), shared_memory() - others
    assert replacement != pid and gone(pid)
    gpu.manager.shutdown_kernel(now=True)
    wait_until(lambda: gone(replacement), "the sidecar outlived its kernel")
    wait_until(lambda: not rings & shared_memory(), "shared memory is left")


def test_kernel_killed_in_the_middle_of_a_cell(gpu: Kernel) -> None:
    others, held = shared_memory(), memory_used()
    gpu.run(READY)
    gpu.run(HUNDRED)
    pid = sidecar_pid(gpu)
    request = gpu.send("%%inferscope\nprint('working', flush=True)\nwhile True:\n    y = torch.add(x, 1)\n")
    gpu.receive(request, until="working")
    assert memory_used() > held + DRIFT
    rings = shared_memory() - others
    assert rings
    os.kill(gpu.pid, signal.SIGKILL)
    wait_until(lambda: gone(pid), "the sidecar outlived its kernel")
    wait_until(lambda: not rings & shared_memory(), "shared memory is left")
    wait_until(lambda: memory_used() <= held + DRIFT, f"device memory is still held; before there were {held} MiB")
