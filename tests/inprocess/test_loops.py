"""Loops whose length is known: found, measured and followed without running anything of the cell's."""

from __future__ import annotations

import linecache
import types
from typing import Any

import pytest

from inferscope.loops import Loop, Turns, find

FILE = "<a cell of test_loops>"


def loops_of(text: str) -> list[Loop]:
    linecache.cache[FILE] = (len(text), None, text.splitlines(True), FILE)
    try:
        return find(FILE)
    finally:
        del linecache.cache[FILE]


def loop_of(text: str) -> Loop:
    (loop,) = loops_of(text)
    return loop


class Loud:
    """A container that must not be asked anything."""

    def __len__(self) -> int:
        raise AssertionError("asked for its length")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


NAMES: dict[str, Any] = {
    "n": 7,
    "xs": [1, 2, 3],
    "d": {"a": [1, 2], "b": 2},
    "args": types.SimpleNamespace(epochs=4),
    "loud": Loud(),
    "flag": True,
    "huge": 1 << 70,
}


@pytest.mark.parametrize(
    ("iterable", "length"),
    [
        ("range(10)", 10),
        ("range(2, n)", 5),
        ("range(10, 0, -3)", 4),
        ("range(len(xs) * 2 - 1)", 5),
        ("range(args.epochs)", 4),
        ("range(n // 2)", 3),
        ("range(n // 0)", None),
        ("range(huge)", None),
        ("range(flag)", None),
        ("range(f())", None),
        ("xs", 3),
        ("[1, n, 3]", 3),
        ("[1, *xs]", None),
        ("'abc'", 3),
        ("d", 2),
        ("d['a']", 2),
        ("d.items()", 2),
        ("enumerate(xs)", 3),
        ("enumerate(xs, 5)", 3),
        ("zip(xs, range(n), [1, 2])", 2),
        ("zip(xs, loud)", None),
        ("reversed(xs)", 3),
        ("sorted(xs, key=f)", None),
        ("loud", None),
        ("loud.xs", None),
        ("open('f')", None),
        ("nothing", None),
        ("(x for x in xs)", None),
    ],
)
def test_the_length_of_a_head(iterable: str, length: int | None) -> None:
    assert loop_of(f"for i in {iterable}:\n    pass").length(NAMES) == length


def test_a_name_of_the_users_own_is_no_builtin() -> None:
    loop = loop_of("for i in range(3):\n    pass")
    assert (loop.length({"range": lambda n: []}), loop.index({"range": print, "i": 1})) == (None, None)


def test_a_head_whose_names_change_in_the_body_is_not_measured() -> None:
    assert loop_of("for i in range(n):\n    n = n - 1").length(NAMES) is None
    assert loop_of("for xs in xs:\n    pass").length(NAMES) is None


@pytest.mark.parametrize(
    ("text", "value", "index"),
    [
        ("for i in range(5, 20, 5):\n    pass", 15, 2),
        ("for i in range(5):\n    pass", 5, None),
        ("for i in range(5):\n    i = 0", 3, None),
        ("for i in range(5):\n    pass", 3.0, None),
        ("for i, x in enumerate(xs, 10):\n    pass", 12, 2),
        ("for i, x in zip(xs, xs):\n    pass", 1, None),
        ("for i in xs:\n    pass", 1, None),
    ],
)
def test_the_index_tells_how_far_it_is(text: str, value: Any, index: int | None) -> None:
    assert loop_of(text).index({**NAMES, "i": value}) == index


def test_only_loops_at_the_top_level_are_found() -> None:
    found = loops_of(
        "with open('f') as f:\n    for a in f:\n        for b in a:\n            pass\n"
        "def g():\n    for c in x:\n        pass\n"
        "while True:\n    for d in x:\n        pass\n"
        "try:\n    pass\nexcept E:\n    for e in x:\n        pass\n"
    )
    assert [(loop.line, loop.end) for loop in found] == [(2, 4), (14, 15)]


@pytest.mark.parametrize("text", ["for", "for i in (", "for i in x:\n    pass\n" * 20_000, "for " + "(" * 10_000])
def test_text_that_is_no_cell_has_none(text: str) -> None:
    assert loops_of(text) == []


def test_turns_are_steps_from_the_head_into_the_body() -> None:
    turns = Turns([loop_of("\n\nfor i in x:\n    a\n    b\n")], 1)
    turns.add([1, 3, 4, 5])  # one turn
    turns.add([3, 1, 3, 4])  # code above the loop, called from its head, is none
    turns.add([-3])  # a head that calls hot code
    turns.add([4, 5, 3])
    assert turns.of(3, [4, 5, 3, 6]) == 4
    assert turns.of(3, []) == 3
    assert turns.of(9, [4]) == 0
    turns.spoil()
    assert turns.of(3, []) is None
