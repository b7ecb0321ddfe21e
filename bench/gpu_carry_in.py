"""How long CUPTI's first call takes beside kernels that were queued before it. Needs a GPU and PyTorch.

CUPTI's first call in a process, and its first after ``cuptiFinalize``, waits for the device. A capture therefore waits
by itself before (``inferscope_capture_earlier``), where it can give up. The queue is of kernels that spin for a number
of the GPU's cycles; CUDA's events tell how long it was. Each process begins with a first call beside a queue; rounds of
first calls after ``cuptiFinalize`` follow, beside a queue, after a wait for one, and with nothing queued, in turn.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from record import measure, quartiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ipython_ext"))
from inferscope.gpu_capture import candidates, shim_path

PROCESSES, ROUNDS = 3, 5
KERNELS, KERNEL_MS = 10, 50.0
# How long the shim may wait, in ms: several times as long as the queue.
PATIENCE_MS = 10_000
CHILD = "--child"


class Call(NamedTuple):
    """One first call, in ms: how long it took, and how long what was queued then still went on."""

    took: float
    left: float


class Cupti:
    """CUPTI, of which nothing but a first call and the end is wanted: no activity is enabled."""

    def __init__(self) -> None:
        for path in candidates():
            try:
                self._library = ctypes.CDLL(path)
                break
            except OSError:
                continue
        else:
            raise SystemExit("no CUPTI library was found")
        # Never called, as no activity is enabled; CUPTI keeps their addresses.
        kind = ctypes.CFUNCTYPE(None)
        self._callbacks = kind(lambda: None), kind(lambda: None)

    def first_call(self) -> float:
        """ms that a first call takes."""
        started = time.perf_counter()
        error = self._library.cuptiActivityRegisterCallbacks(*self._callbacks)
        took = (time.perf_counter() - started) * 1e3
        if error != 0:
            raise SystemExit(f"cuptiActivityRegisterCallbacks: error {error}")
        return took

    def finalize(self) -> None:
        """Take CUPTI out, so that the next call is a first one."""
        error = self._library.cuptiFinalize()
        if error != 0:
            raise SystemExit(f"cuptiFinalize: error {error}")

    def version(self) -> int:
        """The version of its interface."""
        found = ctypes.c_uint32()
        self._library.cuptiGetVersion(ctypes.byref(found))
        return found.value


class Queue:
    """Kernels of a known length, one after the other on one stream."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda
        self._begin, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._cycles, self._started = 10_000_000, 0.0
        for _ in range(2):  # the first is slowed by what the device does once
            self.fill()
            self._cycles = int(self._cycles * KERNEL_MS * KERNELS / self.empty())

    def fill(self) -> None:
        """Launch the kernels, and return while they run."""
        self._started = time.perf_counter()
        self._begin.record()
        for _ in range(KERNELS):
            self._cuda._sleep(self._cycles)
        self._end.record()

    def age(self) -> float:
        """ms since the kernels were launched."""
        return (time.perf_counter() - self._started) * 1e3

    def empty(self) -> float:
        """Wait for the kernels; ms that they took."""
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end))


def beside(queue: Queue, cupti: Cupti) -> Call:
    """A first call beside the queue."""
    queue.fill()
    age = queue.age()
    took = cupti.first_call()
    return Call(took, queue.empty() - age)


def child() -> None:
    """Print what one process measured, as JSON."""
    queue, cupti = Queue(), Cupti()
    shim = ctypes.CDLL(str(shim_path()))
    shim.inferscope_capture_earlier.argtypes = (ctypes.c_uint32,)
    found: dict[str, Any] = {"first": [beside(queue, cupti)], "after": [], "idle": [], "waits": [], "waited": []}
    for _ in range(ROUNDS):
        cupti.finalize()
        found["after"].append(beside(queue, cupti))
        cupti.finalize()
        queue.fill()
        age, started = queue.age(), time.perf_counter()
        if not shim.inferscope_capture_earlier(PATIENCE_MS):
            raise SystemExit(f"the kernels still run after {PATIENCE_MS} ms")
        waited = (time.perf_counter() - started) * 1e3
        found["waited"].append(cupti.first_call())
        found["waits"].append(Call(waited, queue.empty() - age))
        cupti.finalize()
        found["idle"].append(cupti.first_call())
    found["version"] = cupti.version()
    print(json.dumps(found), flush=True)


def main() -> None:
    if sys.argv[1:] == [CHILD]:
        child()
        return
    runs = []
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, __file__, CHILD], stdout=subprocess.PIPE, check=True)
        runs.append(json.loads(done.stdout))
    pooled = {key: [row for run in runs for row in run[key]] for key in ("first", "after", "idle", "waits", "waited")}
    note = f"CUPTI {runs[0]['version']}, {PROCESSES} processes, "
    for key, what in (
        ("first", "CUPTI's first call of a process"),
        ("after", "CUPTI's first call after cuptiFinalize"),
        ("waits", "the shim's own wait"),
    ):
        took, left = [row[0] for row in pooled[key]], [row[1] for row in pooled[key]]
        ratios = [row[0] / row[1] for row in pooled[key]]
        queued = f"beside {median(left):.0f} ms of kernels under way; "
        measure(f"{what} beside a queue of kernels", median(took), "ms", note=note + queued + quartiles(took))
        measure(f"{what}: over what was left of the queue", median(ratios), "ratio", note=note + quartiles(ratios))
    for key, what in (
        ("waited", "CUPTI's first call once the shim has waited"),
        ("idle", "CUPTI's first call with nothing queued"),
    ):
        measure(what, median(pooled[key]), "ms", note=note + quartiles(pooled[key]))


if __name__ == "__main__":
    main()
