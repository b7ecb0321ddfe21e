"""Loops of a cell whose length is known: how long they are, and how far they have come.

Nothing of the cell is changed or run for this. The length comes from the loop's head and from the values that its
names have, for the few kinds of which that can be read without running code of anybody's. How far a loop has come
is told by its own index where it has one, else by the lines that are recorded anyway.
"""

from __future__ import annotations

import array
import ast
import builtins
import collections
import linecache
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

# Longer cells are not looked through: finding their loops would delay them.
_MOST_TEXT = 200_000
# What a number in a head may be at most.
_LARGEST = 1 << 62

# Of these, and of types whose length C code tells, asking for the length runs nothing of the user's.
_SIZED: tuple[type, ...] = (
    *(list, tuple, dict, set, frozenset, range, str, bytes, bytearray, collections.deque, array.array),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
_SAME_LENGTH = frozenset({"reversed", "sorted", "list", "tuple", "iter"})


class _UnknownError(Exception):
    """What cannot be known without running code."""


@dataclass(frozen=True)
class Loop:
    """A `for` at the cell's top level.

    Attributes:
        line: The line of its head, in the cell's code.
        end: The last line of its body.
        head: Its syntax tree.
    """

    line: int
    end: int
    head: ast.For

    def length(self, names: Mapping[str, Any]) -> int | None:
        """How often it runs its body, from the values of now; None when that is not known.

        Args:
            names: The cell's namespace.
        """
        used = {node.id for node in ast.walk(self.head.iter) if isinstance(node, ast.Name)}
        if used & _stored([self.head.target, *self.head.body]):
            return None  # by now the names may mean something else than when the loop began
        try:
            return _length(self.head.iter, names)
        except Exception:  # _UnknownError, or an odd value's own
            return None

    def index(self, names: Mapping[str, Any]) -> int | None:
        """How many times the body has been run, by the loop's own index; None when it has none.

        Args:
            names: The cell's namespace.
        """
        call, target = self.head.iter, self.head.target
        if not isinstance(call, ast.Call) or call.keywords:
            return None
        try:
            if isinstance(target, ast.Name) and _is_builtin(call.func, "range", names):
                span = range(*(_integer(argument, names) for argument in call.args))
                place: ast.expr = target
            elif isinstance(target, ast.Tuple) and _is_builtin(call.func, "enumerate", names):
                start = _integer(call.args[1], names) if len(call.args) > 1 else 0
                span, place = range(start, _LARGEST), target.elts[0]
            else:
                return None
            if not isinstance(place, ast.Name) or place.id in _stored(self.head.body):
                return None
            return span.index(_exact(names[place.id]))
        except Exception:
            return None


class Turns:
    """Counts the turns of loops from the lines that their thread has executed.

    Args:
        loops: The loops to count.
        tid: The system's id of the thread whose lines count.
    """

    def __init__(self, loops: Sequence[Loop], tid: int) -> None:
        self.tid = tid
        self._ends = {sign * loop.line: loop.end for loop in loops for sign in (1, -1)}
        self._counted = dict.fromkeys((loop.line for loop in loops), 0)
        self._last = 0
        self._spoilt = False

    def add(self, lines: Sequence[int]) -> None:
        """Take lines that follow those before; their sign does not matter."""
        if self._ends and lines:
            for line in self._begun(lines):
                self._counted[line] += 1
            self._last = lines[-1]

    def spoil(self) -> None:
        """Some lines will be missing: nothing can be counted any more."""
        self._spoilt = True

    def of(self, line: int, following: Sequence[int]) -> int | None:
        """How often the body of a loop was begun.

        Args:
            line: The loop's.
            following: The lines after those that were added.
        """
        if self._spoilt:
            return None
        return self._counted.get(line, 0) + sum(one == line for one in self._begun(following))

    def _begun(self, lines: Sequence[int]) -> list[int]:
        """The loop's line for each step from a head into its body."""
        ends = self._ends
        steps = zip(chain((self._last,), lines), lines, strict=False)
        return [abs(a) for a, b in steps if a in ends and abs(a) < abs(b) <= ends[a]]


def find(file: str) -> list[Loop]:
    """The loops at the top level of a cell, in the order of their lines.

    Args:
        file: The file name of the cell's code, by which IPython keeps its text.
    """
    text = "".join(linecache.getlines(file))
    if len(text) > _MOST_TEXT or "for" not in text:
        return []
    try:
        return _find(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _find(statements: Sequence[ast.AST]) -> list[Loop]:
    found: list[Loop] = []
    for one in statements:
        if isinstance(one, ast.For):
            found.append(Loop(one.lineno, max(_last_line(part) for part in one.body), one))
        elif isinstance(one, ast.If | ast.With | ast.Try | ast.ExceptHandler):
            for name in ("body", "handlers", "orelse", "finalbody"):
                found += _find(getattr(one, name, []))
    return sorted(found, key=lambda loop: loop.line)


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _stored(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that code assigns to."""
    return {
        node.id
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }


def _length(node: ast.expr, names: Mapping[str, Any]) -> int:
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        if any(isinstance(element, ast.Starred) for element in node.elts):
            raise _UnknownError
        return len(node.elts)
    if isinstance(node, ast.Call):
        return _length_of_call(node, names)
    return _size(_value(node, names))


def _length_of_call(node: ast.Call, names: Mapping[str, Any]) -> int:
    function, arguments = node.func, node.args
    if isinstance(function, ast.Attribute) and function.attr in ("items", "keys", "values") and not arguments:
        value = _value(function.value, names)
        if type(value) is dict:
            return len(value)
    if isinstance(function, ast.Name) and arguments and not any(isinstance(a, ast.Starred) for a in arguments):
        name = function.id
        if _is_builtin(function, name, names) and not node.keywords:
            if name == "range":
                return len(range(*(_integer(argument, names) for argument in arguments)))
            if name == "zip":
                return min(_length(argument, names) for argument in arguments)
            if name == "enumerate" or (name in _SAME_LENGTH and len(arguments) == 1):
                return _length(arguments[0], names)
        elif _is_progress_bar(names.get(name)):
            return _length(arguments[0], names)
    raise _UnknownError


def _is_progress_bar(function: Any) -> bool:
    """Whether it hands on what it is given, with a bar."""
    module = getattr(function, "__module__", None) if isinstance(function, type | types.FunctionType) else None
    return isinstance(module, str) and module.partition(".")[0] == "tqdm"


def _is_builtin(function: ast.expr, name: str, names: Mapping[str, Any]) -> bool:
    return isinstance(function, ast.Name) and function.id == name and name not in names and hasattr(builtins, name)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """What an expression means, if finding out runs no code."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Attribute):
        return vars(_value(node.value, names))[node.attr]
    if isinstance(node, ast.Subscript):
        holder, key = _value(node.value, names), _value(node.slice, names)
        if type(holder) in (dict, list, tuple) and type(key) in (str, int):
            return holder[key]
    raise _UnknownError


def _integer(node: ast.expr, names: Mapping[str, Any]) -> int:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_integer(node.operand, names)
    if isinstance(node, ast.BinOp):
        left, right = _integer(node.left, names), _integer(node.right, names)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.FloorDiv):
            return left // right
        raise _UnknownError
    if isinstance(node, ast.Call) and _is_builtin(node.func, "len", names) and len(node.args) == 1:
        return _length(node.args[0], names)
    return _exact(_value(node, names))


def _exact(value: Any) -> int:
    if type(value) is not int or abs(value) > _LARGEST:
        raise _UnknownError
    return value


def _size(value: Any) -> int:
    kind = type(value)
    if kind in _SIZED:
        return len(value)
    module, name = kind.__module__, kind.__qualname__
    if (module, name) == ("torch.utils.data.dataloader", "DataLoader"):
        # It asks the dataset, as any progress bar around the loader would. That of a stream is a guess.
        if vars(value).get("_dataset_kind") != 0:
            raise _UnknownError
        return len(value)
    if (module, name) in (("numpy", "ndarray"), ("pandas.core.series", "Series")):
        return len(value)
    raise _UnknownError
