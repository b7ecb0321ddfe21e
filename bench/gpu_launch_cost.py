"""What capture costs a loop of nothing but launches, while it is on and after the cell. Needs a GPU and PyTorch.

The loop is the worst case: ``torch.add`` on 64 x 64 elements, some 10 us of host time a launch. Each round runs the
loop bare, with a capture, bare again, and with torch.profiler in a process of its own, since its residue would stay.
Times are CPU times of the launching thread; the ratio is against the mean of the bare loops around.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from record import measure

LAUNCHES, ROUNDS = 4000, 30
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


def ours() -> None:
    """Prints the ratios of our capture, and what beginning and ending cost."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ipython_ext"))
    from inferscope.gpu_capture import Capture

    for _ in range(3):
        loop()
    during, after, begins, ends = [], [], [], []
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as ring:
        ring.truncate(HEADER + CAPACITY)
        for _ in range(ROUNDS):
            before = loop()
            ring.seek(0)
            ring.write(struct.pack("<QIIQ", MAGIC, VERSION, HEADER, CAPACITY) + bytes(HEADER - 24))
            ring.flush()
            capture = Capture()
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
    note = f"median of {ROUNDS} rounds of {LAUNCHES} launches, quartiles "
    for what, values, budget in (
        ("a loop of launches while captured whole", during, "<= 1.25"),
        ("the same loop after the capture", after, "<= 1.01"),
    ):
        ordered = sorted(values)
        spread = f"{ordered[len(ordered) // 4]:.3f} to {ordered[3 * len(ordered) // 4]:.3f}"
        measure(what, median(values), "ratio", budget, note + spread)
    measure("beginning a capture", median(begins), "ms")
    measure("ending a capture of 4,000 launches", median(ends), "ms")


def peer() -> None:
    """Prints the ratios of torch.profiler; its residue is why it has a process of its own."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    for _ in range(3):
        loop()
    bare = median(loop() for _ in range(ROUNDS))
    during = []
    for _ in range(5):
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]):
            during.append(loop())
    after = median(loop() for _ in range(ROUNDS))
    measure(
        "beside it: the loop under torch.profiler (CPU and CUDA)", median(during) / bare, "ratio", "", torch.__version__
    )
    measure("beside it: the loop after torch.profiler", after / bare, "ratio", "", torch.__version__)


if __name__ == "__main__":
    if "--peer" in sys.argv:
        peer()
    else:
        ours()
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, "--peer"], check=True, env=os.environ)
