"""How soon nothing is left of a kernel that is killed inside a cell with GPU work. Needs a GPU and PyTorch."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from kernel import Kernel
from record import measure

ROUNDS, PATIENCE = 3, 15.0
# MiB of device memory that may come and go; a CUDA context alone is several times as large.
DRIFT = 64

SETUP = "import torch\nx = torch.ones(64, 64, device='cuda')\ntorch.cuda.synchronize()"
CELL = "%%inferscope\nprint('working', flush=True)\nwhile True:\n    torch.add(x, 1)\n"
SIDECAR = "__import__('inferscope.cell').cell._profiler._sidecar.pid"


def memory_used() -> int:
    """MiB of device memory that anybody holds."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return sum(int(line) for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def shared_memory() -> set[Path]:
    """The directories of shared memory that sidecars have."""
    return set(Path("/dev/shm").glob("inferscope*"))


def seconds_until(condition: Callable[[], bool], since: float, what: str) -> float:
    """How long after an instant a condition holds.

    Raises:
        RuntimeError: It did not within the patience.
    """
    while not condition():
        if time.monotonic() - since > PATIENCE:
            raise RuntimeError(f"{PATIENCE:.0f} s after the kernel was killed {what}")
        time.sleep(0.002)
    return time.monotonic() - since


def kill_one() -> tuple[float, float]:
    """Kills a kernel inside a cell; seconds until its sidecar and shared memory, then its device memory, are gone."""
    others, held = shared_memory(), memory_used()
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        kernel.run("%%inferscope --quiet\ntorch.add(x, 1)")
        sidecar = Path(f"/proc/{int(kernel.value(SIDECAR))}")
        kernel.client.execute(CELL, allow_stdin=False)
        while (message := kernel.client.get_iopub_msg(timeout=60))["msg_type"] != "stream":
            if message["msg_type"] == "error":
                raise RuntimeError(str(message["content"]))
        rings = shared_memory() - others
        if not rings or memory_used() <= held + DRIFT:
            raise RuntimeError("the cell holds nothing whose end could be seen")
        killed = time.monotonic()
        os.kill(kernel.pid, signal.SIGKILL)
        # Whoever inherits the sidecar may take its time to notice its end: its memory is gone then, its entry is not.
        gone = seconds_until(
            lambda: not (sidecar / "exe").exists() and not rings & shared_memory(),
            killed,
            "its sidecar or its shared memory was still there",
        )
        freed = seconds_until(lambda: memory_used() <= held + DRIFT, killed, "its device memory was still held")
    return gone, freed


def main() -> None:
    rounds = [kill_one() for _ in range(ROUNDS)]
    for values, what in (
        ([gone for gone, _ in rounds], "no sidecar and no shared memory is left"),
        ([freed for _, freed in rounds], "no device memory is held, as nvidia-smi sees it"),
    ):
        note = f"median of {ROUNDS} kernels, slowest {max(values):.2f}"
        measure(f"kernel killed in a GPU cell: until {what}", median(values), "s", "<= 2", note)


if __name__ == "__main__":
    main()
