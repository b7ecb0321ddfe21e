"""Throughput of a cell while its lines are recorded, relative to the same cell alone.

    python bench/lines_overhead.py [--pairs N] [--clock cpu]

The time is that of the cell's own code: from the end of our begin to the end of the last statement.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ipython_ext"))

from inferscope import _wire, statements
from inferscope.recorder import Recorder, RecorderSummary
from record import measure, percentile, say

Clock = Callable[[], int]
# The CPU time is that of all threads: what the recorder's own threads use counts in full.
CLOCKS: dict[str, Clock] = {"wall": time.monotonic_ns, "cpu": time.process_time_ns}

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
for x, y in batches(150):
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
x = work(4_000_000)
""",
    "loop-heavy at top level": """
n = total = 0
while n < 3_000_000:
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
x = work(3_000_000)
""",
    "exceptions of a library": """
import json
def work(n):
    for _ in range(n):
        try:
            json.loads("[1, 2")
        except ValueError:
            pass
work(60_000)
""",
}


def codes(source: str, marked: bool) -> list[CodeType]:
    """Each top-level statement by itself, as IPython compiles them."""
    tree = ast.parse("begin()\n" + source)
    if marked:
        tree = ast.fix_missing_locations(statements.MarkStatements(lambda statement: True).visit(tree))
    return [compile(ast.Module([node], []), "<cell>", "exec") for node in tree.body]


def run(source: str, recorder: Recorder | None, clock: Clock) -> float:
    """Nanoseconds that the cell's own code takes."""
    started = 0

    def begin() -> None:
        nonlocal started
        if recorder is not None:
            recorder.start(sys._getframe(1))
        started = clock()

    namespace = {"begin": begin, "__name__": "__main__"}
    for code in codes(source, recorder is not None and sys.version_info < (3, 12)):
        exec(code, namespace)
    return clock() - started


def compare(source: str, pairs: int, clock: Clock, **how: bool) -> tuple[list[float], RecorderSummary]:
    """Ratios of throughput, recorded to alone, and what the last recording said of itself."""
    ratios = []
    options = _wire.Options(sample_hz=499, functions=how.get("functions", False))
    for number in range(-1, pairs):
        times = {}
        order: list[Callable[[], None]] = []

        def alone(times: dict[str, float] = times) -> None:
            times["alone"] = run(source, None, clock)

        def recorded(times: dict[str, float] = times) -> None:
            nonlocal summary
            recorder = Recorder("c", lambda message: None, "", options, how.get("samples", False))
            times["recorded"] = run(source, recorder, clock)
            summary = recorder.stop()

        summary: RecorderSummary
        order = [alone, recorded] if number % 2 else [recorded, alone]
        for one in order:
            one()
        if number >= 0:
            ratios.append(times["alone"] / times["recorded"])
    return ratios, summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a machine that is busy")
    arguments = parser.parse_args()
    pairs, clock = arguments.pairs, CLOCKS[arguments.clock]
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    version = ".".join(map(str, sys.version_info[:2]))
    budgets = {"train-like": ">= 0.98"}
    # CPython 3.12 loses the super-instructions of code that ever had LINE events.
    if sys.version_info >= (3, 13):
        budgets |= {"loop-heavy": ">= 0.98", "loop-heavy at top level": ">= 0.98"}
    for name, source in CELLS.items():
        say(name)
        ratios, summary = compare(source, pairs, clock)
        note = (
            f"{pairs} pairs, middle half {percentile(ratios, 25):.3f} to {percentile(ratios, 75):.3f}; "
            f"own estimate {summary.in_process_ns / 1e6:.1f} ms"
        )
        measure(f"lines, {name}, Python {version}", statistics.median(ratios), "ratio", budgets.get(name, ""), note)
    for name in ("train-like", "loop-heavy"):
        say(f"{name} with samples")
        ratios, _ = compare(CELLS[name], pairs, clock, samples=True)
        note = f"{pairs} pairs, middle half {percentile(ratios, 25):.3f} to {percentile(ratios, 75):.3f}"
        what = f"lines and 499 samples a second, {name}, Python {version}"
        measure(what, statistics.median(ratios), "ratio", "", note)


if __name__ == "__main__":
    main()
