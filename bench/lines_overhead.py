"""Throughput of a cell while its lines are recorded, relative to the same cell alone.

    python bench/lines_overhead.py [--seconds S] [CELL...]

The time is that of the cell's own code: from the end of our begin to the end of the last statement. Cells are short,
so that there are many pairs and the two of a pair are near each other in time; all runs are on one core, so that none
is moved to a cold one. Each note has the ratio by CPU time too, in which what the recorder's own threads use counts in
full.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ipython_ext"))

from inferscope import _settings, _wire, statements
from inferscope.recorder import Recorder, RecorderSummary
from record import estimate_ratio, measure, percentile, say, spread

CELLS = {
    "train-like": """
import numpy as np
rng = np.random.default_rng(0)
weights = [rng.standard_normal((256, 256)) * 0.05 for _ in range(3)]
def forward(x):
    kept = [x]
    for w in weights:
        x = np.tanh(x @ w)
        kept.append(x)
    return kept
def backward(kept, target):
    grad = kept[-1] - target
    grads = []
    for w, out, x in zip(reversed(weights), reversed(kept), reversed(kept[:-1])):
        grad = grad * (1 - out * out)
        grads.append(x.T @ grad)
        grad = grad @ w.T
    return grads[::-1]
def batches(n):
    for _ in range(n):
        yield rng.standard_normal((128, 256)), rng.standard_normal((128, 256))
losses = []
for x, y in batches(20):
    kept = forward(x)
    grads = backward(kept, y)
    for w, g in zip(weights, grads):
        w -= 0.01 * g
    losses.append(float(((kept[-1] - y) ** 2).mean()))
""",
    "loop-heavy": """
def work(n):
    total = 0
    while n:
        total += n * n
        n -= 1
    return total
x = work(800_000)
""",
    "loop-heavy at top level": """
n = total = 0
while n < 600_000:
    total += n * n
    n += 1
""",
    "call-heavy": """
def leaf(n):
    return n + 1
def work(n):
    total = 0
    for i in range(n):
        total += leaf(i)
    return total
x = work(600_000)
""",
    "exceptions of a library": """
import json
def work(n):
    for _ in range(n):
        try:
            json.loads("[1, 2")
        except ValueError:
            pass
work(15_000)
""",
}


def codes(source: str, marked: bool) -> list[CodeType]:
    """Each top-level statement by itself, as IPython compiles them."""
    tree = ast.parse("begin()\n" + source)
    if marked:
        tree = ast.fix_missing_locations(statements.MarkStatements(lambda statement: True).visit(tree))
    return [compile(ast.Module([node], []), "<cell>", "exec") for node in tree.body]


# Fewer say too little, however slow the machine.
LEAST_PAIRS = 20


class Times(NamedTuple):
    """How long a cell's own code took, in ns: on the clock on the wall, and of CPU time of the whole process."""

    wall: int
    cpu: int


def now() -> Times:
    return Times(time.monotonic_ns(), time.process_time_ns())


class Floor:
    """LINE events of a cell and its functions, with a callback that does nothing (Python 3.12 and later)."""

    def __init__(self, compiled: list[CodeType]) -> None:
        self._codes = list(compiled)
        for code in self._codes:
            self._codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]

    def start(self, frame: FrameType | None) -> None:
        """Switch the events on."""
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.PROFILER_ID, "floor")
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.LINE, lambda code, line: None)
        for code in self._codes:
            monitoring.set_local_events(monitoring.PROFILER_ID, code, monitoring.events.LINE)

    def stop(self) -> RecorderSummary:
        """Switch them off."""
        monitoring = sys.monitoring
        for code in self._codes:
            monitoring.set_local_events(monitoring.PROFILER_ID, code, 0)
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.LINE, None)
        monitoring.free_tool_id(monitoring.PROFILER_ID)
        return RecorderSummary(0, [])


def run(compiled: list[CodeType], recorder: Recorder | Floor | None) -> Times:
    """Runs a cell and says how long its own code took."""
    started = now()

    def begin() -> None:
        nonlocal started
        if recorder is not None:
            recorder.start(sys._getframe(1))
        started = now()

    namespace = {"begin": begin, "__name__": "__main__"}
    for code in compiled:
        exec(code, namespace)
    ended = now()
    return Times(ended.wall - started.wall, ended.cpu - started.cpu)


def compare(
    what: str, source: str, seconds: float, *, budget: str = "", samples: bool = False, floor: bool = False
) -> None:
    """Measures the ratio of throughput, recorded to alone, over pairs for so many seconds."""
    say(what)
    pairs: list[tuple[Times, Times]] = []
    own = []
    options = _wire.Options(sample_hz=_settings.HZ)
    number, until = -2, time.monotonic() + seconds
    while number < LEAST_PAIRS or time.monotonic() < until:
        found = {}
        for recorded in (False, True) if number % 2 else (True, False):
            # Compiled anew: code that once had line events stays slower.
            compiled = codes(source, recorded and sys.version_info < (3, 12))
            recorder: Recorder | Floor | None = None
            if recorded:
                recorder = Floor(compiled) if floor else Recorder("c", lambda message: None, "", options, samples)
            found[recorded] = run(compiled, recorder)
            if recorder is not None:
                own.append(recorder.stop().in_process_ns)
            del compiled
        if number >= 0:
            pairs.append((found[False], found[True]))
        number += 1
    # Throughput is the inverse of time.
    wall = [(recorded.wall, alone.wall) for alone, recorded in pairs]
    cpu = estimate_ratio([(recorded.cpu, alone.cpu) for alone, recorded in pairs])
    ratio = estimate_ratio(wall)
    length = percentile([alone.wall for alone, _ in pairs], 50) / 1e6
    note = (
        f"{ratio}; {spread(wall)}, cells of {length:.0f} ms on one core; by CPU time {cpu.value:.3f}, {cpu}; "
        f"own estimate {percentile(own, 50) / 1e6:.1f} ms"
    )
    measure(what, ratio.value, "ratio", budget, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", metavar="CELL", help=f"of: {', '.join(CELLS)}; all when none is named")
    parser.add_argument("--seconds", type=float, default=15, help="a number; one with a budget gets twice as many")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.cells if name not in CELLS]:
        parser.error(f"no cell {', '.join(unknown)}; there are: {', '.join(CELLS)}")
    chosen = arguments.cells or list(CELLS)
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    version = ".".join(map(str, sys.version_info[:2]))
    budgets = {"train-like": ">= 0.98"}
    # CPython 3.12 loses the super-instructions of code that ever had LINE events.
    if sys.version_info >= (3, 13):
        budgets |= {"loop-heavy": ">= 0.98", "loop-heavy at top level": ">= 0.98"}
    for name in chosen:
        budget = budgets.get(name, "")
        seconds = arguments.seconds * (2 if budget else 1)
        compare(f"lines, {name}, Python {version}", CELLS[name], seconds, budget=budget)
        if budget and sys.version_info >= (3, 12):
            what = f"the interpreter's LINE events alone, {name}, Python {version}"
            compare(what, CELLS[name], seconds, floor=True)
    for name in ("train-like", "loop-heavy"):
        if name in chosen:
            what = f"lines and {_settings.HZ} samples a second, {name}, Python {version}"
            compare(what, CELLS[name], arguments.seconds, samples=True)


if __name__ == "__main__":
    main()
