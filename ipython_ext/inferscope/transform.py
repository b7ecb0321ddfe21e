"""The input transformer: `%%inferscope` becomes one call on its own line.

The rest of the cell is left as it is, so IPython itself runs it: line numbers,
the last expression, top-level `await` and tracebacks are those of the cell
without the magic.

Everything here is pure. IPython transforms a cell more than once before it
runs it, and transforms text that never runs.
"""

from __future__ import annotations

import ast
import re

from IPython.core.inputtransformer2 import (
    cell_magic,
    classic_prompt,
    ipython_prompt,
    leading_indent,
)

_DIRECTIVE = re.compile(r"[ \t]*(%%?)inferscope(?=\s|$)(.*)", re.DOTALL)

# Cell magics that run their body as Python in the user's namespace and pass it
# through the transformers: the lines of the body are lines of the cell.
_TRANSPARENT = frozenset({"time", "capture"})
# The body runs as Python, but many times: profiled as a whole, not by line.
_REPEATING = frozenset({"timeit"})

_MODULE = "inferscope.cell"


def transform(lines: list[str]) -> list[str]:
    """Rewrite a cell whose first line of code is an InferScope directive.

    Args:
        lines: The cell's lines with their ends, as IPython's clean-up
            transformers hand them on.

    Returns:
        The lines of the cell to run. Lines keep their numbers. A cell without
        the directive comes back unchanged.
    """
    first = _next_code(lines, 0)
    if first is None:
        return lines
    directive = _DIRECTIVE.match(lines[first])
    if directive is None:
        return _transform_below(lines)
    above, line, between, rest = _split(lines, first)
    arguments = directive.group(2).strip()
    if asks_for_help(arguments):
        return [*above, f"get_ipython().run_line_magic('inferscope', '--help'){_end(line)}"]
    if not rest:
        if directive.group(1) == "%":
            return lines  # the line magic on its own: the status
        return [*above, _call("begin_empty", arguments) + _end(line), *between]
    function, skip = "begin", []
    if _DIRECTIVE.match(rest[0]):
        rest = transform(rest)
    elif rest[0].startswith("%%"):
        if _name(rest[0]) in _TRANSPARENT and _next_code(rest, 1) is not None:
            function, skip = "prepare", [len(between) + 1]
            rest.insert(1, f"%%inferscope {arguments}\n")
        rest = cell_magic(rest)
    return [*above, _call(function, arguments, *skip) + _end(line), *between, *rest]


def asks_for_help(arguments: str) -> bool:
    """Whether the options ask for the help text, in which case the cell is not to run."""
    return not {"-h", "--help"}.isdisjoint(arguments.split())


def directive_line(source: str) -> int:
    """The 1-based line on which `source` has its directive; 0 when it has none.

    The directive may stand below other cell magics.
    """
    for number, line in enumerate(source.splitlines(), 1):
        if _DIRECTIVE.match(line):
            return number
        if not _is_blank(line) and not line.lstrip().startswith("%%"):
            break
    return 0


def timed_offset(source: str) -> int:
    """How many lines of `source` the body that its last `%%time` runs leaves out above its first line.

    That is what a line of the body's code lacks of the line the user sees: the body has
    the directive, above the magic or below, and IPython strips blank lines above its code.
    """
    lines = source.splitlines()
    timed = directive = 0
    for number, line in enumerate(lines, 1):
        if _DIRECTIVE.match(line):
            directive = number
        elif line.startswith("%%") and _name(line) == "time":
            timed = number
        elif not _is_blank(line) and not line.startswith("%%"):
            break
    if directive <= timed:  # the directive is put on the line below the magic
        return max(timed - 1, 0)
    return timed + next((n for n, line in enumerate(lines[timed:]) if line.strip()), 0)


def is_begin(node: ast.stmt) -> bool:
    """Whether a statement of a transformed cell is the call that begins profiling."""
    return isinstance(node, ast.Expr) and ast.unparse(node.value).startswith(_call("begin", "")[:-3])


def _transform_below(lines: list[str]) -> list[str]:
    """Rewrite a cell whose directive stands below other cell magics.

    What we need from the user's options is read before those magics run, so
    that `%%capture` does not swallow what we say and `%%time` does not count it.
    """
    if not lines[0].startswith("%%") or _name(lines[0]) not in _TRANSPARENT | _REPEATING:
        return lines
    at = _next_code(lines, 1)
    while at is not None and lines[at].startswith("%%") and _name(lines[at]) in _TRANSPARENT:
        at = _next_code(lines, at + 1)
    directive = _DIRECTIVE.match(lines[at]) if at is not None else None
    if at is None or directive is None:
        return lines
    arguments = directive.group(2).strip()
    if asks_for_help(arguments):
        return [f"get_ipython().run_line_magic('inferscope', '--help'){_end(lines[0])}"]
    if _next_code(lines, at + 1) is None:
        return [_call("begin_empty", arguments) + _end(lines[0])]
    if _name(lines[0]) in _REPEATING:
        body = [*lines[:at], _end(lines[at]), *lines[at + 1 :]]
        return [_call("begin", arguments) + "; " + cell_magic(body)[0]]
    return [_call("prepare", arguments) + "; " + cell_magic(lines)[0]]


def _split(lines: list[str], at: int) -> tuple[list[str], str, list[str], list[str]]:
    """What is above line `at`, that line, the blank lines below it, and the code.

    The code is cleaned as IPython cleans the start of a cell, which it is once
    the directive is gone.
    """
    following = _next_code(lines, at + 1)
    if following is None:
        return lines[:at], lines[at], lines[at + 1 :], []
    rest = lines[following:]
    for clean in (leading_indent, classic_prompt, ipython_prompt):
        rest = list(clean(rest))
    return lines[:at], lines[at], lines[at + 1 : following], rest


def _next_code(lines: list[str], start: int) -> int | None:
    return next((n for n in range(start, len(lines)) if not _is_blank(lines[n])), None)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _name(line: str) -> str:
    return line[2:].rstrip().partition(" ")[0]


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :] or "\n"


def _call(function: str, arguments: str, *more: int) -> str:
    values = ", ".join([repr(arguments), *map(str, more)])
    return f"__import__({_MODULE!r}).cell.{function}({values})"
