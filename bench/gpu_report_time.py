"""How long after a cell of 100,000 kernel launches its report is there. Needs a GPU and PyTorch.

From the end of the cell's last statement to the report's arrival at a front end, in a real kernel; both ends read
CLOCK_MONOTONIC. Beside it, in a process of its own: what torch.profiler takes to stop and to build its table of the
same loop.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from kernel import Kernel
from record import measure, quartiles, say

LAUNCHES, CELLS = 100_000, 7
PEER_SECONDS = 90

SETUP = "import time, torch\nx = torch.ones(64, 64, device='cuda')\nfor _ in range(1000):\n    torch.add(x, 1)"
CELL = f"""\
%%inferscope OPTIONS
for _ in range({LAUNCHES}):
    torch.add(x, 1)
torch.cuda.synchronize()
ended = time.monotonic_ns()
"""


def ours() -> None:
    """Prints the time to our report."""
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        cell = CELL.replace("OPTIONS", "--full" if kernel.offers("--full") else "")
        seconds = []
        for number in range(-1, CELLS):
            answer = kernel.run(cell)
            if len(answer.reports) != 1 or answer.said:
                raise RuntimeError(f"the cell showed {len(answer.reports)} reports and said {answer.said}")
            device = kernel.device()
            if device["kernels"] != LAUNCHES:
                raise RuntimeError(f"{device['kernels']} kernels; losses: {kernel.summary()['losses']}")
            if number >= 0:
                seconds.append((answer.reports[0] - int(kernel.value("ended"))) / 1e9)
    note = f"median of {CELLS} cells, {quartiles(seconds)}, slowest {max(seconds):.3f}"
    measure("from the end of 100,000 launches to the report", median(seconds), "s", "<= 0.25", note)


def peer() -> None:
    """Prints the time to torch.profiler's table."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    x = torch.ones(64, 64, device="cuda")
    for count in (1000, LAUNCHES):
        session = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
        session.start()
        for _ in range(count):
            torch.add(x, 1)
        torch.cuda.synchronize()
        ended = time.perf_counter()
        session.stop()
        stopped = time.perf_counter()
        session.key_averages()
        done = time.perf_counter()
    note = f"torch {torch.__version__}, one run; stop took {stopped - ended:.2f} s"
    measure("beside it: torch.profiler, stop and key_averages", done - ended, "s", "", note)


def main() -> None:
    if sys.argv[1:] == ["--peer"]:
        peer()
        return
    ours()
    try:
        subprocess.run([sys.executable, __file__, "--peer"], check=True, timeout=PEER_SECONDS)
    except subprocess.SubprocessError as error:  # what another profiler cannot do is no failure of ours
        say(f"torch.profiler could not be measured: {error}")


if __name__ == "__main__":
    main()
