"""What the live line costs a cell that runs for some seconds: the cell profiled with it over the same cell without.

python bench/live_line.py [--pairs N]

Both are cells of a real kernel whose loop has a known length, so that its progress is worked out and shown. The line is
rewritten twice a second by a thread of the kernel's process: in a cell of pure Python it must take the GIL away, in one
of compiled code it finds it free. The time is that of the cell's own code, on the wall and of the CPU, of all threads
of the kernel, which has one thread for its matrices. What the line's own thread uses is measured beside it, exactly: it
is so little that a busy machine hides it in the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
from typing import NamedTuple

from kernel import Kernel
from record import estimate_ratio, measure, quartiles, say, spread

# A cell is as long as this on the machine that runs it, and so is shown some lines.
SECONDS = 3.5
CELLS = {
    "pure Python": "for step in range({steps}):\n    total = sum(value * value % 13 for value in range(20_000))",
    "compiled code": "for step in range({steps}):\n    product = matrix @ matrix",
}
SETUP = """\
import time
import numpy as np
matrix = np.random.default_rng(0).standard_normal((200, 200))
def _clocks():
    return time.perf_counter(), time.process_time()
_line = [0.0]
def _timed(run):
    def timed(strip):
        run(strip)
        _line[0] = time.thread_time()
    return timed
from inferscope.strip import Strip
Strip._run = _timed(Strip._run)
"""
MEASURED = """\
%%inferscope {option}
_line[0] = 0.0
_begin = _clocks()
{cell}
_took = [end - begin for begin, end in zip(_begin, _clocks())]
"""


def steps_of(kernel: Kernel, cell: str) -> int:
    """How many steps take so long as a cell shall."""
    steps = 50
    while True:
        kernel.run(f"_begin = _clocks()\n{cell.format(steps=steps)}\n_took = _clocks()[0] - _begin[0]")
        took = float(kernel.value("_took"))
        if took > SECONDS / 4:
            return round(steps * SECONDS / took)
        steps *= 2


class Run(NamedTuple):
    """A cell: seconds on the wall and of the CPU, those of the line's thread, and how often the line was rewritten."""

    wall: float
    cpu: float
    line: float
    updates: int


def run(kernel: Kernel, cell: str, live: bool) -> Run:
    """Runs a cell with the line or without.

    Raises:
        RuntimeError: The line was not there, or should not have been.
    """
    answer = kernel.run(MEASURED.format(option="--live" if live else "--no-live", cell=cell), timeout=120)
    if (answer.updates > 0) != live:
        raise RuntimeError(f"with live {live}, the line was written {answer.updates} times: {answer.stderr}")
    wall, cpu = kernel.value("_took")
    used = kernel.value("_line[0]")
    if (used > 0) != live:
        raise RuntimeError(f"with live {live}, the line's thread has used {used} s: has it ended?")
    return Run(wall, cpu, used, answer.updates)


def compare(kernel: Kernel, what: str, cell: str, pairs: int) -> None:
    """Measures both ratios over so many pairs, the first of each pair in turn."""
    say(what)
    cell = cell.format(steps=steps_of(kernel, cell))
    kept: list[tuple[Run, Run]] = []
    for number in range(-1, pairs):
        found = {live: run(kernel, cell, live) for live in ((False, True) if number % 2 else (True, False))}
        say(f"without {found[False]}, with {found[True]}")
        if number >= 0:
            kept.append((found[False], found[True]))
    walls, cpus = ([(getattr(a, name), getattr(b, name)) for a, b in kept] for name in ("wall", "cpu"))
    wall, cpu = estimate_ratio(walls), estimate_ratio(cpus)
    note = f"{wall}; {spread(walls)}, cells of {statistics.median(alone for alone, _ in walls):.1f} s"
    measure(f"a cell of {what} with the live line over without", wall.value, "ratio", "<= 1.01", note)
    measure(
        f"a cell of {what} with the live line over without, CPU time", cpu.value, "ratio", "", f"{cpu}; {spread(cpus)}"
    )
    shares = [100 * live.line / live.wall for _, live in kept]
    each = statistics.median(1e3 * live.line / live.updates for _, live in kept)
    times = statistics.median(live.updates for _, live in kept)
    note = f"median of {pairs}, {quartiles(shares)}; {each:.2f} ms each of {times:.0f} times"
    measure(
        f"what the line's thread uses in a cell of {what}, of its time", statistics.median(shares), "%", "<= 1", note
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=24, help="pairs of each cell")
    arguments = parser.parse_args()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with Kernel(quiet=True) as kernel:
        kernel.load()
        kernel.run(SETUP)
        for what, cell in CELLS.items():
            compare(kernel, what, cell, arguments.pairs)


if __name__ == "__main__":
    main()
