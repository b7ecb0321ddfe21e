"""The input transformer is pure, keeps lines where they are, and leaves other cells alone."""

from __future__ import annotations

import ast

import pytest

from inferscope.transform import directive_line, is_begin, timed_offset, transform

CELLS = [
    "%%inferscope\nx = 1\n",
    "# c\n\n%%inferscope -o a\n\nx = 1\n",
    "%%inferscope\r\nx = 1\r\n",
    "%%inferscope --hz 9 '\"\\\nx = 1\n",
    "%inferscope\nx = 1\n",
    "%%inferscope\n\n%%time\nx = 1\n",
    "%%inferscope\n%%bash\nls\n",
    "%%inferscope\n%%inferscope\nx = 1\n",
    "%%inferscope",
]
OTHERS = [
    "",
    "\n",
    "# %%inferscope\nx = 1\n",
    "x = 1\n%%inferscope\n",
    "%%inferscopes\nx\n",
    "%%inferscope?\n",
    "%inferscope\n",
    "%inferscope -q\n\n",
    "s = '''\n%%inferscope\n'''\n",
    "%%bash\n%%inferscope\nls\n",
    "%%time\nx = 1\n",
    "%%time\nx = 1\n%%inferscope\n",
    "%inferscope.last\nx\n",
]


def split(cell: str) -> list[str]:
    return cell.splitlines(keepends=True)


@pytest.mark.parametrize("cell", CELLS)
def test_pure_and_repeatable(cell):
    lines = split(cell)
    first = transform(lines)
    assert lines == split(cell)
    assert first != lines
    assert transform(lines) == first
    assert transform(first) == first


@pytest.mark.parametrize("cell", CELLS)
def test_one_call_on_the_line_of_the_directive(cell):
    out = transform(split(cell))
    number = directive_line(cell) or 3
    assert out[number - 1].startswith("__import__('inferscope.cell')")
    assert out[: number - 1] == split(cell)[: number - 1]
    ast.parse("".join(out))


@pytest.mark.parametrize("cell", OTHERS)
def test_other_cells_are_untouched(cell):
    assert transform(split(cell)) == split(cell)


def test_lines_below_keep_their_numbers_and_ends():
    assert transform(split("%%inferscope\r\na\r\n\r\n\tb\n"))[1:] == ["a\r\n", "\r\n", "\tb\n"]


def test_the_call_is_recognised():
    begin = ast.parse("".join(transform(split("%%inferscope -q\nx\n")))).body
    assert [is_begin(node) for node in begin] == [True, False]
    assert not is_begin(ast.parse("begin('')").body[0])


@pytest.mark.parametrize(
    ("cell", "offset"),
    [
        ("%%time\n%%inferscope\nx\n", 1),
        ("%%time\n\n \n%%inferscope\nx\n", 3),
        ("%%time\n\n# c\n\n%%inferscope\nx\n", 2),
        ("%%inferscope\n%%time\nx\n", 1),
        ("# c\n%%inferscope\n\n%%time\n\nx\n%%time\n", 3),
        ("%%capture\n%%time\n%%inferscope\nx\n", 2),
        ("%%capture\n%%inferscope\n%%time\nx\n", 2),
        ("%%inferscope\nx\n", 0),
        ("", 0),
    ],
)
def test_offset_of_a_timed_body(cell, offset):
    assert timed_offset(cell) == offset
