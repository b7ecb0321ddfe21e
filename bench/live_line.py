"""What the live line costs a cell that runs for some seconds: the cell profiled with it over the same cell without.

python bench/live_line.py [--pairs N]

Both are cells of a real kernel whose loop has a known length, so that its progress is worked out and shown. The line is
rewritten twice a second by a thread of the kernel's process: in a cell of pure Python it must take the GIL away, in one
of compiled code it finds it free. The time is that of the cell's own code, on the wall and of the CPU, of all threads
of the kernel, which has one thread for its matrices; the runs beside which the processor was quickest count (see
quiet.py). What the line's own thread uses is measured beside it, exactly: it is so little that a busy machine hides it.
"""

from __future__ import annotations

import argparse
import os
import statistics
from typing import NamedTuple

import quiet
from kernel import QUIET, Kernel
from record import measure, quartiles, say

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
    """How many steps take so long as a cell shall, by CPU time, which other work on the machine does not stretch."""
    steps = 50
    while True:
        kernel.run(f"_begin = _clocks()\n{cell.format(steps=steps)}\n_took = _clocks()[1] - _begin[1]")
        took = float(kernel.value("_took"))
        if took > SECONDS / 4:
            return round(steps * SECONDS / took)
        steps *= 2


class Run(NamedTuple):
    """A cell: its seconds on the wall and of the CPU, those of the line's thread, how often that was rewritten."""

    times: quiet.Run
    line: float
    updates: int


def run(kernel: Kernel, cell: str, live: bool) -> Run:
    """Runs a cell with the line or without.

    Raises:
        RuntimeError: The line was not there, or should not have been.
    """
    before = kernel.value("quiet.pin()")
    answer = kernel.run(MEASURED.format(option="--live" if live else "--no-live", cell=cell), timeout=120)
    after = kernel.value("quiet.speed()")
    if (answer.updates > 0) != live:
        raise RuntimeError(f"with live {live}, the line was written {answer.updates} times: {answer.stderr}")
    used = kernel.value("_line[0]")
    if (used > 0) != live:
        raise RuntimeError(f"with live {live}, the line's thread has used {used} s: has it ended?")
    return Run(quiet.Run(tuple(kernel.value("_took")), (before, after)), used, answer.updates)


def compare(kernel: Kernel, what: str, cell: str, pairs: int) -> None:
    """Measures both ratios over so many pairs, the first of each pair in turn."""
    say(what)
    cell = cell.format(steps=steps_of(kernel, cell))
    runs: dict[bool, list[Run]] = {False: [], True: []}
    for number in range(-1, pairs):
        for live in (False, True) if number % 2 else (True, False):
            found = run(kernel, cell, live)
            say(f"live {live}: {found}")
            if number >= 0:
                runs[live].append(found)
    plain, beside = ([one.times for one in runs[live]] for live in (False, True))
    wall, cpu = quiet.compare(plain, beside), quiet.compare(plain, beside, which=1)
    subject = f"a cell of {what} with the live line over without"
    measure(subject, wall.ratio, "ratio", "<= 1.01", f"cells of {wall.plain:.1f} s; {wall.note}")
    measure(f"{subject}, CPU time", cpu.ratio, "ratio", "", cpu.note)
    shares = [100 * one.line / one.times.took[0] for one in runs[True]]
    each = statistics.median(1e3 * one.line / one.updates for one in runs[True])
    times = statistics.median(one.updates for one in runs[True])
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
        kernel.run(SETUP + QUIET)
        for what, cell in CELLS.items():
            compare(kernel, what, cell, arguments.pairs)


if __name__ == "__main__":
    main()
