"""What capture costs a loop of nothing but launches, while it is on and after the cell. Needs a GPU and PyTorch.

The loop is the worst case: ``torch.add`` on 64 x 64 elements, some 10 us of host time a launch. Each round runs the
loop bare, with a capture, and bare twice again; a ratio is against the mean of the bare loops around. Other profilers
run beside it, each in a process of its own, since what they leave behind would stay. Times are CPU times of the
launching thread.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median

from record import measure, quartiles, say

LAUNCHES, ROUNDS, PEER_ROUNDS = 4000, 30, 5
PEER_SECONDS = 60
# The header of cupti/gpu_ring.h: magic, version, header's bytes, capacity.
MAGIC, VERSION, HEADER, CAPACITY = 0x474E525550474E49, 1, 4096, 32 << 20


def loop() -> float:
    """Seconds of CPU time of one loop."""
    import torch

    x = loop.__dict__.setdefault("x", torch.ones(64, 64, device="cuda"))
    torch.cuda.synchronize()
    started = time.thread_time()
    for _ in range(LAUNCHES):
        torch.add(x, 1)
    took = time.thread_time() - started
    torch.cuda.synchronize()
    return took


def warm() -> None:
    """Runs the loop until its first launches are past."""
    for _ in range(3):
        loop()


def ours() -> None:
    """Prints the ratios of our capture, and what beginning and ending cost."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ipython_ext"))
    from inferscope.gpu_capture import Capture

    warm()
    during, after, begins, ends = [], [], [], []
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as ring:
        ring.truncate(HEADER + CAPACITY)
        for _ in range(ROUNDS):
            before = loop()
            ring.seek(0)
            ring.write(struct.pack("<QIIQ", MAGIC, VERSION, HEADER, CAPACITY) + bytes(HEADER - 24))
            ring.flush()
            capture = Capture(budget=0)
            started = time.perf_counter()
            capture.begin(ring.name)
            begins.append((time.perf_counter() - started) * 1e3)
            captured = loop()
            started = time.perf_counter()
            summary = capture.end()
            ends.append((time.perf_counter() - started) * 1e3)
            if not summary.started or summary.records < 2 * LAUNCHES:
                raise SystemExit(f"the capture did not work: {summary}")
            left = loop()
            again = loop()
            during.append(captured / ((before + again) / 2))
            after.append(left / again)
    note = f"median of {ROUNDS} rounds of {LAUNCHES} launches, "
    measure("a loop of launches while captured whole", median(during), "ratio", "<= 1.25", note + quartiles(during))
    measure("the same loop after the capture", median(after), "ratio", "<= 1.01", note + quartiles(after))
    measure("beginning a capture", median(begins), "ms", "", quartiles(begins))
    measure("ending a capture of 4,000 launches", median(ends), "ms", "", quartiles(ends))


@contextmanager
def torch_profiler(*activities: str) -> Iterator[None]:
    """A session of torch.profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[getattr(ProfilerActivity, name) for name in activities]):
        yield


@contextmanager
def proton() -> Iterator[None]:
    """A session of Triton's profiler."""
    import triton.profiler

    with tempfile.TemporaryDirectory() as folder:
        triton.profiler.start(str(Path(folder) / "profile"))
        try:
            yield
        finally:
            triton.profiler.finalize()


PEERS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "torch.profiler (CUDA)": lambda: torch_profiler("CUDA"),
    "torch.profiler (CPU and CUDA)": lambda: torch_profiler("CPU", "CUDA"),
    "Proton": proton,
}


def peer(name: str) -> None:
    """Prints the ratios of another profiler."""
    import torch

    warm()
    bare = [loop() for _ in range(ROUNDS)]
    during = []
    for _ in range(PEER_ROUNDS):
        with PEERS[name]():
            during.append(loop() / median(bare))
    after = [loop() / median(bare) for _ in range(ROUNDS)]
    version = f"torch {torch.__version__}, "
    measure(f"beside it: the loop under {name}", median(during), "ratio", "", version + quartiles(during))
    measure(f"beside it: the loop after {name}", median(after), "ratio", "", version + quartiles(after))


def main() -> None:
    if len(sys.argv) > 1:
        peer(sys.argv[1])
        return
    ours()
    for name in PEERS:
        try:
            subprocess.run([sys.executable, __file__, name], check=True, timeout=PEER_SECONDS)
        except subprocess.SubprocessError as error:  # what another profiler cannot do is no failure of ours
            say(f"{name} could not be measured: {error}")


if __name__ == "__main__":
    main()
