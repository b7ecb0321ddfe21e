"""What %load_ext costs, and what %%inferscope adds to a trivial cell, in a real kernel.

python bench/cell_overhead.py [PAIRS]

Inside is measured around the code that the kernel runs, outside from the request to the idle status that answers it.
"""

from __future__ import annotations

import statistics
import sys

from kernel import Answer, Kernel
from record import measure, percentile

LOADS = 5
BODY = "x = 6 * 7"
LOAD = """\
import time
begin = time.perf_counter()
get_ipython().run_line_magic('load_ext', 'inferscope')
time.perf_counter() - begin
"""
# Around everything that IPython does for a cell, events of the extension included; the report is made, and shown when
# the outer cell ends.
MEASURED = """\
import time
def measured_run_cell(text):
    begin = time.perf_counter()
    get_ipython().run_cell(text)
    return time.perf_counter() - begin
"""


def run(kernel: Kernel, code: str) -> Answer:
    """Runs a cell that must show its reports and say nothing else."""
    answer = kernel.run(code)
    if answer.stdout or answer.stderr or len(answer.reports) != code.count("%%inferscope"):
        raise RuntimeError(f"{code!r} showed {answer}")
    return answer


def load_ms() -> list[float]:
    """What %load_ext took, measured inside kernels that were just started."""
    taken = []
    for _ in range(LOADS):
        with Kernel(quiet=True) as kernel:
            taken.append(1e3 * float(run(kernel, LOAD).result))
    return taken


def cell_ms(pairs: int) -> tuple[list[float], list[float]]:
    """The differences of profiled and plain trivial cells, from outside and inside, in alternating order."""
    outside, inside = [], []
    with Kernel(quiet=True) as kernel:
        run(kernel, "%load_ext inferscope")
        run(kernel, MEASURED)
        run(kernel, "%%inferscope\n" + BODY)
        for number in range(pairs):
            codes = ["%%inferscope\n" + BODY, BODY]
            order = codes if number % 2 else codes[::-1]
            seconds = {code: run(kernel, code).seconds for code in order}
            outside.append(1e3 * (seconds[codes[0]] - seconds[codes[1]]))
            seconds = {code: float(run(kernel, f"measured_run_cell({code!r})").result) for code in order}
            inside.append(1e3 * (seconds[codes[0]] - seconds[codes[1]]))
    return outside, inside


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    loads = load_ms()
    note = f"slowest of {LOADS} fresh kernels; median {statistics.median(loads):.1f} ms"
    measure("%load_ext inferscope", max(loads), "ms", "<= 150", note)
    outside, inside = cell_ms(pairs)
    for where, values in (("from request to idle", outside), ("inside the kernel", inside)):
        note = f"p95 of {pairs} pairs of `{BODY}` with and without; median {statistics.median(values):.1f} ms"
        measure(f"what %%inferscope adds to a trivial cell, {where}", percentile(values, 95), "ms", "<= 50", note)


if __name__ == "__main__":
    main()
