"""What inferscope.scope and inferscope.mark_event cost while no cell is profiled, and while one is.

python bench/scope_idle_cost.py
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ipython_ext"))

import inferscope
from inferscope import _wire
from inferscope.recorder import Recorder
from record import measure

NUMBER = 50_000


class Empty:
    """What a context manager written in Python costs at least."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Empty:
        return self

    def __exit__(self, *error: object) -> None:
        return None


def nanoseconds(statement: str, names: Mapping[str, object]) -> float:
    empty = min(timeit.repeat("pass", number=NUMBER, repeat=7))
    best = min(timeit.repeat(statement, globals=dict(names), number=NUMBER, repeat=15))
    return (best - empty) / NUMBER * 1e9


def main() -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    names = {
        "scope": inferscope.scope,
        "mark_event": inferscope.mark_event,
        "one": inferscope.scope("s"),
        "Empty": Empty,
        "empty": Empty("s"),
    }
    note = f"best of 15 x {NUMBER}, Python {version}"
    statements = {
        "an empty context manager": "with empty: pass",
        "an empty context manager, made anew": "with Empty('s'): pass",
        "a scope": "with one: pass",
        "a scope, made anew": "with scope('s'): pass",
        "a mark": "mark_event('m')",
        "a mark with an attribute": "mark_event('m', n=1)",
    }
    for what, statement in statements.items():
        budget = "<= 80" if what == "a mark" else ""
        measure(f"{what}, no cell profiled", nanoseconds(statement, names), "ns", budget, note)
    for what in ("a scope", "a mark with an attribute"):
        recorder = Recorder("c", lambda message: None, "", _wire.Options(), False)
        recorder.start(None)
        measure(f"{what}, in a profiled cell", nanoseconds(statements[what], names), "ns", "", note)
        recorder.stop()


if __name__ == "__main__":
    main()
