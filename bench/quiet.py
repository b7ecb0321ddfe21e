"""Finds a processor that nobody slows, and tells which runs were disturbed least.

On a virtual machine whose neighbours share its processors, the same work differs from one processor to the next and
changes within seconds: run by itself, this shows by how much on this machine. A benchmark moves its thread to the
quickest processor before each run and times a fixed piece of work before and after the run. Only the runs beside which
that took least count.

Imported by a benchmark and by the kernel that it drives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

# The fixed work: some 5 ms of bytecode, which no cache or library quickens.
_ROUNDS = 100_000
# Of so many runs one counts, and at least so many.
ONE_OF, FEWEST = 3, 3


def speed() -> float:
    """Seconds that the fixed work takes on this thread now; the least of three, since one may be interrupted."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        total = 0
        for i in range(_ROUNDS):
            total += i * i
        best = min(best, time.perf_counter() - started)
    return best


def pin(helpers: str = "") -> float:
    """Moves this thread to the quickest processor of those that the process may use.

    Args:
        helpers: Other threads of this process that belong to the work, by the beginning of their name: they get the
            second quickest together. Threads of neither kind stay where they are.

    Returns:
        What `speed` says there.
    """
    _allowed[:] = _allowed or sorted(os.sched_getaffinity(0))
    times = []
    for cpu in _allowed:
        os.sched_setaffinity(0, {cpu})
        times.append((speed(), cpu))
    times.sort()
    if helpers and len(times) > 1:
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):
                if (task / "comm").read_text().startswith(helpers):
                    os.sched_setaffinity(int(task.name), {times[1][1]})
    os.sched_setaffinity(0, {times[0][1]})
    return speed()


# The processors that the process had before the first pin.
_allowed: list[int] = []


@dataclass(frozen=True)
class Run:
    """One run of something.

    Attributes:
        took: What was measured of it, each a time.
        speeds: `speed` before and after it.
    """

    took: tuple[float, ...]
    speeds: tuple[float, float]


def quietest(runs: Sequence[Run]) -> list[Run]:
    """The third of the runs that was disturbed least, and at least three."""
    ordered = sorted(runs, key=lambda run: max(run.speeds))
    return ordered[: max(FEWEST, len(runs) // ONE_OF)]


@dataclass(frozen=True)
class Comparison:
    """The quietest runs of a subject against those of a baseline.

    Attributes:
        ratio: The quotient of their medians.
        plain: The baseline's median.
        note: How many runs there were of each, how far they lie apart, and how far the machine's speed does.
    """

    ratio: float
    plain: float
    note: str


def compare(baseline: Sequence[Run], subject: Sequence[Run], which: int = 0) -> Comparison:
    """Compares one of the times that runs took."""
    quiet = {name: quietest(runs) for name, runs in (("plain", baseline), ("beside", subject))}
    plain = median(run.took[which] for run in quiet["plain"])

    def about(name: str, runs: Sequence[Run]) -> str:
        times = [run.took[which] / plain for run in runs]
        return f"{len(times)} {name} {min(times):.4f} to {max(times):.4f}"

    speeds = [max(run.speeds) for runs in quiet.values() for run in runs]
    note = (
        f"the quietest of {len(baseline)} and {len(subject)} runs, over the plain median:"
        f" {', '.join(about(*each) for each in quiet.items())};"
        f" the processor's speed differed by {max(speeds) / min(speeds) - 1:.1%} between them"
    )
    return Comparison(median(run.took[which] for run in quiet["beside"]) / plain, plain, note)


def main() -> None:
    """Prints what the fixed work takes on each processor, several times."""
    for cpu in sorted(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, {cpu})
        print(f"processor {cpu}: {', '.join(f'{speed() * 1e3:.2f} ms' for _ in range(5))}")


if __name__ == "__main__":
    main()
