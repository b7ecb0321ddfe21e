"""The error of the times of lines, scopes and marks against an independent clock.

    python bench/timestamps_error.py

The cell reads CLOCK_MONOTONIC through the C library right before and right after each
event. The event's true time lies between the two readings; the error is how far the
recorded time can be from it: the larger of its distances to the two. It includes the
readings themselves, so it is an upper bound.
"""

from __future__ import annotations

import ast
import ctypes
import statistics
import sys
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ipython_ext"))

import inferscope
from inferscope import _wire, statements
from inferscope.recorder import Recorder
from record import measure, percentile

# Far enough apart not to be taken for a hot loop.
CELL = """
for n in range(2000):
    wait()
    before.append(clock())
    x = 1
    after.append(clock())
    wait()
    enter_before.append(clock())
    with scope("s"):
        enter_after.append(clock())
        leave_before.append(clock())
    leave_after.append(clock())
    wait()
    mark_before.append(clock())
    mark_event("m")
    mark_after.append(clock())
"""
LINE = 6


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("ns", ctypes.c_long)]


_gettime = ctypes.CDLL(None).clock_gettime
_now = _Timespec()
_where = ctypes.byref(_now)


def clock() -> int:
    _gettime(1, _where)
    return int(_now.seconds * 1_000_000_000 + _now.ns)


def wait() -> None:
    until = clock() + 300_000
    while clock() < until:
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
    lists: dict[str, list[int]] = {
        f"{name}{end}": [] for name in ("", "enter_", "leave_", "mark_") for end in ("before", "after")
    }
    namespace = {
        **lists,
        "clock": clock,
        "wait": wait,
        "scope": inferscope.scope,
        "mark_event": inferscope.mark_event,
        "begin": lambda: recorder.start(sys._getframe(1)),
    }
    tree = ast.parse("begin()\n" + CELL)
    if sys.version_info < (3, 12):
        tree = ast.fix_missing_locations(statements.mark(tree))
    for node in tree.body:
        exec(compile(ast.Module([node], []), "<cell>", "exec"), namespace)
    recorder.stop()
    time, line = columns(messages, "lines", "time", "line")
    start, end = columns(messages, "scopes", "start", "end")
    (mark,) = columns(messages, "marks", "time")
    assigned = [at for at, number in zip(time, line, strict=True) if number == LINE]
    for what, found in (
        ("line", errors(assigned, lists["before"], lists["after"])),
        ("scope enter", errors(start, lists["enter_before"], lists["enter_after"])),
        ("scope exit", errors(end, lists["leave_before"], lists["leave_after"])),
        ("mark", errors(mark, lists["mark_before"], lists["mark_after"])),
    ):
        note = f"{len(found)} events, median {statistics.median(found) / 1e3:.2f} us, Python {sys.version.split()[0]}"
        measure(f"error of a {what}'s time, p99.9", percentile(found, 99.9) / 1e3, "us", "<= 100", note)
        measure(f"error of a {what}'s time, median", statistics.median(found) / 1e3, "us")


if __name__ == "__main__":
    main()
