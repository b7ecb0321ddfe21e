"""Times of the statements of a cell before Python 3.12: markers in its syntax tree.

A transformer puts a call of a builtin in front of every statement at the cell's
top level and inside its top-level compound statements. Bodies of functions,
lambdas and classes stay as they are: they may be pickled to another process or
run long after the cell. What runs inside them is known from samples alone, so a
statement that may call into them is marked as sampled from its start.

The last expression, docstrings, `from __future__`, positions and names stay as
they were: a statement becomes the body of `if marker(line):`, an expression
becomes `marker(line) and expression`. When no cell is profiled the builtin is
`bool`.
"""

from __future__ import annotations

import ast
import builtins
import sys
import threading
import warnings
from collections.abc import Callable
from time import monotonic_ns
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, cast

from . import _wire
from .columns import CHUNK, SELF, Outbox
from .line_state import CALM_NS, FIRST_PAUSE_NS, LONGEST_PAUSE_NS, Budget

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MARKER = "__inferscope_line__"
# Called at the end of each top-level statement, also while the markers are off.
END = "__inferscope_statement_end__"
# The cost of one marker, before it has been measured.
DEFAULT_EVENT_NS = 250

_CALLING = (ast.Call, ast.Await, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith, ast.Delete, ast.Import, ast.ImportFrom)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


class MarkStatements(ast.NodeTransformer):
    """Puts markers into cells that begin with our call; for `shell.ast_transformers`.

    Args:
        is_begin: Tells our call from other statements.
    """

    def __init__(self, is_begin: Callable[[ast.stmt], bool]) -> None:
        self._is_begin = is_begin

    def visit(self, node: ast.AST) -> Any:
        """Return the tree with markers, or as it was when it is not ours."""
        if not isinstance(node, ast.Module) or not node.body or not self._is_begin(node.body[0]):
            return node
        try:
            marked = mark(node)
        except RecursionError:
            return node
        _install_noop()
        return marked


def mark(module: ast.Module) -> ast.Module:
    """A new tree of the module's top level with markers."""
    marks = _Marks(module)
    body: list[ast.stmt] = []
    for position, statement in enumerate(module.body):
        if position == len(module.body) - 1:
            # IPython shows the last expression or assignment, if it is one.
            body.append(marks.keep_kind(statement))
        else:
            body.append(marks.wrap(statement, closed=True))
    return ast.Module(body=body, type_ignores=module.type_ignores)


def compile_marked(text: str | bytes, plain: CodeType) -> CodeType:
    """Compile a program's main module once more, with markers.

    Args:
        text: Its text; as bytes, its encoding is what its first lines say.
        plain: Its code as it is, which has the file's name; also the result where no markers can be put.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when the plain code was compiled
            marked = ast.fix_missing_locations(mark(ast.parse(text, plain.co_filename)))
            code = compile(marked, plain.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return plain
    _install_noop()
    return code


class _Marks:
    """Marks the statements of one cell."""

    def __init__(self, module: ast.Module) -> None:
        nodes = list(ast.walk(module))
        self._classes = any(isinstance(node, ast.ClassDef) for node in nodes)
        # The innermost `for` around the statements at hand, whose head `continue` goes on with.
        self._loop: ast.stmt | None = None
        self._functions = self._classes or any(isinstance(node, (*_FUNCTIONS, ast.Lambda)) for node in nodes)

    def wrap(self, statement: ast.stmt, closed: bool = False) -> ast.stmt:
        """The statement behind its marker; `closed` also marks its end."""
        if _untouchable(statement):
            return statement
        inner = self._inside(statement)
        call = self._call(statement)
        body: list[ast.stmt] = [inner]
        if closed:
            body.append(_bare(_marker(0, statement, END), statement))
        return ast.copy_location(ast.If(test=call, body=body, orelse=[]), call)

    def keep_kind(self, statement: ast.stmt) -> ast.stmt:
        """The statement behind its marker, still of the same kind where the kind matters."""
        if _untouchable(statement):
            return statement
        if isinstance(statement, ast.Expr):
            return ast.copy_location(ast.Expr(value=self._both(statement, statement.value)), statement)
        if isinstance(statement, _ASSIGNMENTS) and statement.value is not None:
            copy: Any = _copy(statement)
            copy.value = self._both(statement, statement.value)
            return cast(ast.stmt, copy)
        return self.wrap(statement)

    def _inside(self, statement: ast.stmt) -> ast.stmt:
        """The statement with markers inside, if it is a compound one that runs in place."""
        if isinstance(statement, _FUNCTIONS):
            return statement
        copy: Any = _copy(statement)
        if isinstance(statement, ast.If):
            copy.body, copy.orelse = self._block(statement.body), self._alternative(statement.orelse)
        elif isinstance(statement, ast.While):
            copy.test = self._both(statement, statement.test)
            copy.body, copy.orelse = self._loop_body(statement.body, None), self._block(statement.orelse)
        elif isinstance(statement, ast.For | ast.AsyncFor):
            # The next item is taken after the body's end, on the line of the head.
            copy.body = [*self._loop_body(statement.body, statement), _bare(self._call(statement), statement)]
            copy.orelse = self._block(statement.orelse)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            copy.body = [*self._block(statement.body), _bare(self._call(statement), statement)]
        elif isinstance(statement, ast.Try) or type(statement).__name__ == "TryStar":
            copy.body = self._block(copy.body)
            copy.handlers = [self._holder(handler) for handler in copy.handlers]
            copy.orelse, copy.finalbody = self._block(copy.orelse), self._block(copy.finalbody)
        elif isinstance(statement, ast.Match):
            copy.cases = [self._holder(case) for case in statement.cases]
        return cast(ast.stmt, copy)

    def _holder(self, node: Any) -> Any:
        copy = _copy(node)
        copy.body = self._block(node.body)
        return copy

    def _alternative(self, orelse: list[ast.stmt]) -> list[ast.stmt]:
        if len(orelse) == 1 and isinstance(orelse[0], ast.If):  # elif
            inner: Any = self._inside(orelse[0])
            inner.test = self._both(orelse[0], orelse[0].test)
            return [inner]
        return self._block(orelse)

    def _loop_body(self, body: list[ast.stmt], loop: ast.stmt | None) -> list[ast.stmt]:
        around, self._loop = self._loop, loop
        marked = self._block(body)
        self._loop = around
        return marked

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        marked = []
        for statement in statements:
            if isinstance(statement, ast.Expr):
                marked.append(self.keep_kind(statement))
            elif isinstance(statement, ast.Continue) and self._loop is not None:
                marked += [_bare(self._call(self._loop), statement), statement]
            else:
                marked.append(self.wrap(statement))
        return marked

    def _both(self, statement: ast.stmt, value: ast.expr) -> ast.expr:
        call = self._call(statement)
        return ast.copy_location(ast.BoolOp(op=ast.And(), values=[call, value]), value)

    def _call(self, statement: ast.stmt) -> ast.Call:
        line = _first_line(statement)
        return _marker(-line if self._unsure(statement) else line, statement)

    def _unsure(self, statement: ast.stmt) -> bool:
        """Whether the statement may call functions whose lines are not marked."""
        if not self._functions:
            return False
        if self._classes or isinstance(statement, _CALLING):
            return True
        if isinstance(statement, _FUNCTIONS):
            return bool(statement.decorator_list)
        parts: list[ast.AST] = [statement]
        if isinstance(statement, ast.If | ast.While):
            parts = [statement.test]
        elif isinstance(statement, ast.Match):
            parts = [statement.subject]
        elif hasattr(statement, "handlers"):
            parts = []
        return any(isinstance(node, _CALLING) for part in parts for node in ast.walk(part))


class MarkedLines:
    """Records the marked statements of a cell, on the thread that runs it.

    Args:
        outbox: Takes the rows.
        event_ns: What one marker costs.
    """

    def __init__(self, outbox: Outbox, event_ns: int) -> None:
        self._outbox = outbox
        self._budget = Budget(event_ns)
        self._ident = threading.get_ident()
        self._tid = threading.get_native_id()
        self._times = [0] * CHUNK
        self._lines = [0] * CHUNK
        self._used = 0
        self._off_until = 0
        self._on_since = 0
        self._pause = FIRST_PAUSE_NS
        self._stopped = True
        # IPython compiles each statement by itself and drops its code afterwards. Kept
        # alive, its address is not given to the next one's: samples taken in the kernel
        # know code by its address.
        self._codes: list[CodeType] = []
        self._record = self._make_marker()
        self.losses: list[_wire.Loss] = []

    def start(self, frame: FrameType | None) -> None:
        """Begin. `frame` is the cell's frame that asks for it, if there is one."""
        self._stopped = False
        if frame is not None:
            self._codes.append(frame.f_code)
            self._record(frame.f_lineno)
        setattr(builtins, MARKER, self._record)
        setattr(builtins, END, self._end_statement)

    def start_program(self, code: CodeType) -> None:
        """Begin with a program instead of a cell. `code` is its main module's, with markers; it may run already."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        self._codes.append(code)
        self.start(frame)

    def stop(self) -> None:
        """End, and hand over what is there."""
        self.disarm()
        self._hand_over()

    def disarm(self) -> None:
        """Make the markers do nothing; also in a forked child."""
        self._stopped = True
        _install_noop()

    def tick(self, now: int) -> None:
        """Switch the markers on again where the pause is over."""
        if self._off_until and now >= self._off_until and not self._stopped:
            self._off_until = 0
            self._on_since = now
            self._pause = min(2 * self._pause, LONGEST_PAUSE_NS)
            setattr(builtins, MARKER, self._record)

    def pending(self, tid: int) -> list[int]:
        """The lines that a thread has executed since its last full chunk."""
        return self._lines[: self._used] if tid == self._tid else []

    def cost_ns(self) -> int:
        """About how much time the markers took."""
        return self._outbox.line_rows * self._budget.event_ns

    def _end_statement(self, line: int) -> bool:
        self._codes.append(sys._getframe(1).f_code)
        return bool(getattr(builtins, MARKER)(line))

    def _make_marker(self) -> Callable[[int], bool]:
        times, lines, now, get_ident, ident = (
            self._times,
            self._lines,
            monotonic_ns,
            threading.get_ident,
            self._ident,
        )

        def marker(line: int) -> bool:
            if get_ident() != ident:  # the cell's code run again by another thread
                return True
            row = self._used
            try:
                times[row] = now()
            except IndexError:
                at = now()
                if self._rotate():
                    line = -abs(line)
                row = 0
                times[0] = at
            lines[row] = line
            self._used = row + 1
            return True

        return marker

    def _rotate(self) -> bool:
        """Hand a full chunk over; whether the markers are now switched off."""
        now = self._times[-1]
        self._hand_over()
        if not self._budget.overspent(now):
            return False
        self._outbox.spoil_turns()
        if now - self._on_since > CALM_NS:
            self._pause = FIRST_PAUSE_NS
        self._off_until = now + self._pause
        setattr(builtins, MARKER, bool)
        return True

    def _hand_over(self) -> None:
        used, self._used = self._used, 0
        self._outbox.add_lines(self._tid, self._times[:used], self._lines[:used], [SELF] * used)


def install(shell: InteractiveShell, is_begin: Callable[[ast.stmt], bool]) -> None:
    """Have the shell put markers into the cells that begin with our call."""
    uninstall(shell)
    _install_noop()
    shell.ast_transformers.append(MarkStatements(is_begin))


def uninstall(shell: InteractiveShell) -> None:
    """Undo `install`. The builtin stays, as code with markers may still exist."""
    shell.ast_transformers[:] = [one for one in shell.ast_transformers if not isinstance(one, MarkStatements)]


def calibrate() -> int:
    """What one marker costs here, in ns."""
    lines = MarkedLines(Outbox("", lambda _: None, 0), DEFAULT_EVENT_NS)
    scope: dict[str, object] = {"marker": lines._record}
    code = compile("for _ in range(200):\n    marker(1)", "<inferscope calibration>", "exec")
    best = 1 << 60
    for _ in range(5):
        lines._used = 0
        begin = monotonic_ns()
        exec(code, scope)
        best = min(best, monotonic_ns() - begin)
    return max(20, best // 200)


def _install_noop() -> None:
    setattr(builtins, MARKER, bool)
    setattr(builtins, END, bool)


def _untouchable(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    # Takes no time; as the first of its code object a string is its docstring.
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return int(min([statement.lineno, *(one.lineno for one in decorators)]))


def _marker(line: int, at: ast.stmt, builtin: str = MARKER) -> ast.Call:
    name = ast.Name(id=builtin, ctx=ast.Load())
    call = ast.Call(func=name, args=[ast.Constant(value=line)], keywords=[])
    first = _first_line(at)
    for node in (call, name, call.args[0]):
        ast.copy_location(node, at)
        node.lineno = first
        # One column wide: a marker is never what a traceback points at.
        node.end_lineno, node.end_col_offset = first, node.col_offset
    return call


def _bare(call: ast.Call, at: ast.stmt) -> ast.stmt:
    """A statement that only marks. Not an expression: the shell may show those."""
    return ast.copy_location(ast.If(test=call, body=[ast.copy_location(ast.Pass(), call)], orelse=[]), call)


def _copy(node: Any) -> Any:
    copy = type(node)(**{name: getattr(node, name) for name in node._fields if hasattr(node, name)})
    return ast.copy_location(copy, node)
