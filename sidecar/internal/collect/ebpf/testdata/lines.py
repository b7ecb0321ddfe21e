"""Prints code objects of the standard library: first line, line table, and the line of each instruction.

One code object a line: FIRST TABLE_IN_HEX UNIT:LINE,... where the line is 0 for none.
"""

import argparse
import ast
import asyncio.base_events
import inspect
import types


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


for module in (argparse, ast, asyncio.base_events, inspect):
    with open(module.__file__, encoding="utf-8") as f:
        for code in codes(compile(f.read(), module.__file__, "exec")):
            lines = [f"{start // 2}:{line or 0}" for start, end, line in code.co_lines() if end > start]
            print(code.co_firstlineno, code.co_linetable.hex() or "-", ",".join(lines))
