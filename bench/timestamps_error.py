"""The error of the times of lines, scopes and marks against an independent clock.

    python bench/timestamps_error.py

The cell reads CLOCK_MONOTONIC through the C library right before and right after each
event. The event's true time lies between the two readings; the error is how far the
recorded time can be from it: the larger of its distances to the two. It includes what
the readings themselves take, so it is an upper bound.
"""

from __future__ import annotations

import ast
import ctypes
import statistics
import sys
import time
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ipython_ext"))

import inferscope
from inferscope import _wire, statements
from inferscope.recorder import Recorder
from record import measure, percentile

# Far enough apart not to be taken for a hot loop.
CELL = """
for n in range(COUNT):
    a, b, c, d, e, f, g, h = refs[n]
    wait()
    read(1, a)
    x = 1; read(1, b)
    wait()
    read(1, c)
    with scope("s"): read(1, d); read(1, e)
    read(1, f)
    wait()
    read(1, g); mark_event("m"); read(1, h)
"""
LINE = 7
COUNT = 2000


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("ns", ctypes.c_long)]


# Not CDLL: it would give the interpreter's lock up and take it again around each reading.
_read = ctypes.PyDLL(None).clock_gettime


def wait() -> None:
    until = time.perf_counter_ns() + 300_000
    while time.perf_counter_ns() < until:
        pass


def columns(messages: list[_wire.Events], group: str, *fields: str) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in fields]
    for message in messages:
        for part in message.lines if group == "lines" else [getattr(message, group)]:
            for values, name in zip(out, fields, strict=True):
                values.extend(array("i" if name == "line" else "q", getattr(part, name)))
    return out


def errors(times: list[int], before: list[int], after: list[int]) -> list[int]:
    if len(times) != len(before):
        raise SystemExit(f"{len(times)} events were recorded, {len(before)} happened")
    outside = sum(not low <= at <= high for at, low, high in zip(times, before, after, strict=True))
    if outside:
        raise SystemExit(f"{outside} of {len(times)} times lie outside of their brackets")
    return [max(at - low, high - at) for at, low, high in zip(times, before, after, strict=True)]


def main() -> None:
    messages: list[_wire.Events] = []
    recorder = Recorder("c", messages.append, "", _wire.Options(sample_hz=499), False)
    readings = [[_Timespec() for _ in range(8)] for _ in range(COUNT)]
    namespace = {
        "COUNT": COUNT,
        "refs": [[ctypes.byref(one) for one in row] for row in readings],
        "read": _read,
        "wait": wait,
        "scope": inferscope.scope,
        "mark_event": inferscope.mark_event,
        "begin": lambda: recorder.start(sys._getframe(1)),
    }
    tree = ast.parse("begin()\n" + CELL)
    if sys.version_info < (3, 12):
        tree = ast.fix_missing_locations(statements.MarkStatements(lambda statement: True).visit(tree))
    for node in tree.body:
        exec(compile(ast.Module([node], []), "<cell>", "exec"), namespace)
    recorder.stop()
    times, line = columns(messages, "lines", "time", "line")
    start, end = columns(messages, "scopes", "start", "end")
    (mark,) = columns(messages, "marks", "time")
    assigned = [at for at, number in zip(times, line, strict=True) if number == LINE]
    if sys.version_info < (3, 12):  # both statements of the line have a marker
        assigned = assigned[::2]
    columns_read = [[one.seconds * 1_000_000_000 + one.ns for one in column] for column in zip(*readings, strict=True)]
    a, b, c, d, e, f, g, h = columns_read
    for what, found in (
        ("line", errors(assigned, a, b)),
        ("scope enter", errors(start, c, d)),
        ("scope exit", errors(end, e, f)),
        ("mark", errors(mark, g, h)),
    ):
        note = f"{len(found)} events, median {statistics.median(found) / 1e3:.2f} us, Python {sys.version.split()[0]}"
        measure(f"error of a {what}'s time, p99.9", percentile(found, 99.9) / 1e3, "us", "<= 100", note)
        measure(f"error of a {what}'s time, median", statistics.median(found) / 1e3, "us")


if __name__ == "__main__":
    main()
