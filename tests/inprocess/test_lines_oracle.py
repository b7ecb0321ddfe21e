"""Random programs: the rows agree with what `sys.settrace` says of the same program."""

from __future__ import annotations

import random
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")


class Program:
    """Writes a random program of functions that call, loop, raise, catch and yield."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.functions = 0

    def text(self) -> str:
        for _ in range(4):
            self.function()
        for n in range(3):
            self.lines += [
                "try:",
                f"    r{n} = list(f{self.random.randrange(self.functions)}(3))",
                f"    s{n} = {n}",
                "except ValueError:",
                f"    t{n} = {n}",
            ]
        return "\n".join(self.lines)

    def function(self) -> None:
        self.lines.append(f"def f{self.functions}(n):")
        for _ in range(self.random.randint(2, 4)):
            self.statement(1)
        if self.random.random() < 0.5:
            self.lines.append("    yield n")
        else:
            self.lines.append("    return [n]")
        self.functions += 1

    def statement(self, depth: int) -> None:
        pad = "    " * depth
        kind = self.random.choice(["assign", "call", "loop", "if", "try", "raise", "sort"])
        if depth > 2 and kind in ("loop", "try", "if"):
            kind = "assign"
        if self.functions == 0 and kind == "call":
            kind = "assign"
        if kind == "assign":
            self.lines.append(f"{pad}a = n * 2")
        elif kind == "call":
            self.lines.append(f"{pad}for v in f{self.random.randrange(self.functions)}(n - 1):")
            self.lines.append(f"{pad}    a = v")
        elif kind == "loop":
            self.lines.append(f"{pad}for i in range(2):")
            self.statement(depth + 1)
        elif kind == "if":
            self.lines.append(f"{pad}if n % 2:")
            self.statement(depth + 1)
        elif kind == "sort":
            self.lines.append(f"{pad}a = sorted([2, 1], key=lambda v: -v)")
        elif kind == "try":
            self.lines.append(f"{pad}try:")
            self.statement(depth + 1)
            self.lines += [f"{pad}except KeyError:", f"{pad}    a = 5"]
        else:
            self.lines += [f"{pad}if n < {self.random.randint(-1, 2)}:"]
            self.lines += [f"{pad}    raise {self.random.choice(['KeyError', 'ValueError'])}"]


def oracle(shell, text):
    """The deepest line of the cell over time, by settrace: (line) at each change."""
    stack: list[int] = []
    seen: list[int] = []

    def now():
        line = stack[-1] if stack else 0
        if not seen or seen[-1] != line:
            seen.append(line)

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith("<ipython-input"):
            return None
        if event == "call":
            # The frame of a generator that goes on is on its line at once; one that begins has a line event next.
            stack.append(frame.f_lineno if frame.f_lineno != frame.f_code.co_firstlineno else (stack or [0])[-1])
            now()
        elif event == "line":
            stack[-1] = frame.f_lineno
            now()
        elif event == "return":
            stack.pop()
            now()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = shell.run_cell("pass\n" + text)
    finally:
        sys.settrace(before)
    return [line for line in seen if line > 1], result


@pytest.mark.parametrize("seed", range(60))
def test_random_program(profile, shell, seed):
    text = Program(seed).text()
    want, plain = oracle(shell, text)
    recording = profile(text)
    assert recording.result.success == plain.success, textwrap.indent(text, "    ")
    got = []
    for _, line, _ in recording.rows():
        if line not in (0, 1) and (not got or got[-1] != line):
            got.append(line)
    if any(line < 0 for line in got):
        pytest.skip("the program is hot on this machine")
    collapsed = [line for at, line in enumerate(want) if at == 0 or line != want[at - 1]]
    assert got == collapsed, textwrap.indent(text, "    ")
