"""What the tests on a real GPU share."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel, load

REPORTS = os.environ.get("GPU_REPORTS")

# A cell that makes PyTorch ready, and one of a hundred kernels.
READY = "import torch\nx = torch.ones(64, 64, device='cuda')\ny = torch.add(x, 1)\ntorch.cuda.synchronize()"
HUNDRED = "%%inferscope\nfor _ in range(100):\n    y = torch.add(x, 1)\n"


def has_gpu() -> bool:
    """Whether the driver shows a device."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


needs_gpu = pytest.mark.skipif(not has_gpu(), reason="there is no /dev/nvidia0")


@pytest.fixture
def gpu() -> Iterator[Kernel]:
    """A kernel of the test's own: what one framework leaves in a process does not reach the next test."""
    kernel = load(Kernel())
    yield kernel
    kernel.close()


def last_report(kernel: Kernel, part: str) -> Any:
    """A part of the last report. By way of stdout: IPython may shorten a result."""
    reply = kernel.run(f"print(__import__('json').dumps(__import__('inferscope').last().{part}))")
    assert reply.status == "ok", reply.traceback
    return json.loads(reply.stdout)


def summary_of(kernel: Kernel) -> dict[str, Any]:
    summary: dict[str, Any] = last_report(kernel, "summary")
    return summary


def gpu_losses(kernel: Kernel) -> list[str]:
    return [loss["reason"] for loss in summary_of(kernel)["losses"] if loss["source"] in ("cupti", "cudaprobe")]


def kernels_of(kernel: Kernel) -> int:
    """The kernels that the last report counts, on all devices; fails with the report's losses when it has no device."""
    summary = summary_of(kernel)
    assert summary["devices"], summary["losses"]
    return sum(device["kernels"] for device in summary["devices"])


def keep(name: str, kernel: Kernel) -> None:
    """Keep the report where a person can look at it."""
    if REPORTS:
        Path(REPORTS).mkdir(parents=True, exist_ok=True)
        page = f"<!doctype html><meta charset=utf-8><body>{last_report(kernel, 'html')}"
        (Path(REPORTS) / f"{name}.html").write_text(page)
        (Path(REPORTS) / f"{name}.txt").write_text(last_report(kernel, "text"))


def smi(*query: str) -> list[str]:
    """The lines that the driver's own tool prints."""
    return subprocess.run(["nvidia-smi", *query], capture_output=True, text=True, check=True).stdout.splitlines()


def memory_used() -> int:
    """MiB of device memory that anybody holds, on all devices."""
    return sum(int(line) for line in smi("--query-gpu=memory.used", "--format=csv,noheader,nounits"))


def shared_memory() -> set[Path]:
    """The directories of shared memory that sidecars have."""
    return set(Path("/dev/shm").glob("inferscope*"))


def sidecar_pid(kernel: Kernel) -> int:
    return int(kernel.value("__import__('inferscope.cell').cell._profiler._sidecar.pid"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what is promised within 2 s; a slow machine has more."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; it may still wait for its parent to notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except OSError:
        return True
