"""Begins and ends the profiling of a cell, around whatever IPython runs.

A transformed cell calls `begin`. Its end is IPython's `post_run_cell` event.
Cells nest (`%%capture` runs its body as a cell), so each thread has a stack of
the cells it is running, and a report waits until the outermost is done: then no
magic swallows it and it stands below the cell's own output.

Failures of ours are one sentence; the cell runs as it would have.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
import threading
import time
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from . import display, request, threads
from .errors import InferScopeError, OptionError, missing_module
from .options import CellOptions, parse
from .result import Result
from .transform import directive_line, timed_offset

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client import Connection
    from .collection import Collection
    from .sidecar import Sidecar

# How long a cell waits for a sidecar that is still starting.
_CONNECT_TIMEOUT = 5.0
# The file name that `%%time` gives to the code of its body.
_TIMED_FILE = "<timed exec>"

# What the transformer writes; a cell magic may follow on the same line.
_CALL = re.compile(rf"^__import__\('{re.escape(__name__)}'\)\.cell\.\w+\(.*?\)(; (?=get_ipython\(\))|$)", re.MULTILINE)

_UNPROFILED = "The cell runs without a profile."


def begin(arguments: str) -> None:
    """Begin profiling the cell whose code calls this.

    Args:
        arguments: The rest of the directive's line.

    Raises:
        UsageError: The options are wrong; the cell is not to run.
    """
    options = _parse(arguments)
    if _profiler is not None:
        _profiler.begin(options, arguments, sys._getframe(1))


def prepare(arguments: str, skip: int = 0) -> None:
    """Do what can be done before a cell magic runs the body that calls `begin`.

    Args:
        arguments: The rest of the directive's line.
        skip: How many lines below the directive the cell magic stands; 0 when it stands above.

    Raises:
        UsageError: The options are wrong; the cell is not to run.
    """
    options = _parse(arguments)
    if _profiler is not None:
        _profiler.prepare(options, skip)


def begin_empty(arguments: str) -> None:
    """Say that a cell with nothing but the directive has nothing to profile."""
    _parse(arguments)
    display.notice("There is no code below %%inferscope.", "Put the code to profile there.")


def last_result() -> Result:
    """The result of the last profiled cell.

    Raises:
        InferScopeError: No cell has been profiled yet.
    """
    if _last is None:
        raise InferScopeError("No cell has been profiled yet.", "Put %%inferscope on the first line of a cell.")
    return _last


@dataclass
class _RunningCell:
    """One cell between IPython's two events."""

    source: str
    collection: Collection | None = None


@dataclass
class _Thread:
    """What one thread is running. A subshell runs its cells on a thread of its own."""

    cells: list[_RunningCell] = field(default_factory=list)
    # What to show when the outermost cell is done: results, and sentences with their hints.
    pending: list[Result | tuple[str, str]] = field(default_factory=list)
    # The request that the outermost cell answers; None outside a kernel.
    request: str | None = None


class Profiler:
    """Profiles the cells of one shell, at most one cell at a time."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._sidecar: Sidecar | None = None
        self._lock = threading.Lock()
        self._threads = threading.local()
        self._active: Collection | None = None
        # The visible line on which the active cell's code will call `begin`.
        self._line = 0
        self._told: Collection | None = None
        self._recorder: ModuleType | None = None
        self._closed = False

    # Events of IPython.

    def pre_run_cell(self, info: Any) -> None:
        """Note that this thread begins to run a cell."""
        thread = self._thread()
        message = request.message_id(self._shell)
        if thread.cells and message != thread.request:
            # An interrupt between two event callbacks can lose the end of a cell.
            self._forget(thread)
        if not thread.cells:
            thread.request = message
        source = str(info.raw_cell or "")
        thread.cells.append(_RunningCell(source))
        if "inferscope" in source:
            self._ready_recorder()

    def post_run_cell(self, result: Any) -> None:
        """End the profile of the cell that this thread has run, and show what is due."""
        end = time.monotonic_ns()
        if result is not None and not str(result.info.raw_cell or "").strip():
            return  # IPython announces the end of an empty cell, but not its start
        error = None
        outcome = "interrupted" if result is None else "ok"
        if result is not None:
            error = result.error_before_exec or result.error_in_exec
        self._leave(end, outcome if error is None else _outcome(error), error)

    # The life of a cell.

    def begin(self, options: CellOptions, arguments: str, frame: FrameType) -> None:
        """Begin profiling the code of `frame`. Raises nothing but an interrupt."""
        _show_directive(frame, arguments)
        collection = self._prepared()
        if collection is None:
            collection = self._claim(options, 0)
        if collection is None:
            return
        with self._failures_are_sentences(collection):
            from .strip import for_cell

            self._own(collection)
            line = self._line or frame.f_lineno
            strip = for_cell(self._shell, options, frame, line - frame.f_lineno, collection.source)
            collection.attach(self._connect(), frame, line, strip)

    def prepare(self, options: CellOptions, skip: int) -> None:
        """Start collecting for a body that a cell magic will run. Raises nothing but an interrupt."""
        if self._prepared() is not None:
            self._line += skip
            return
        collection = self._claim(options, skip)
        if collection is None:
            return
        with self._failures_are_sentences(collection):
            self._own(collection)
            collection.start(self._connect(), _TIMED_FILE, timed_offset(collection.source))

    def restore_history(self, arguments: str) -> None:
        """Let `In` hold the directive that the user typed, not the call that replaced it."""
        inputs = self._shell.history_manager.input_hist_parsed
        if inputs:
            inputs[-1] = _CALL.sub(lambda call: "" if call[1] else f"%%inferscope {arguments}".rstrip(), inputs[-1], 1)

    @contextmanager
    def running(self, source: str) -> Iterator[None]:
        """Run a block as a cell of its own: what it begins ends with it."""
        self._ready_recorder()
        thread = self._thread()
        thread.cells.append(_RunningCell(source))
        error: BaseException | None = None
        try:
            yield
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._leave(time.monotonic_ns(), "ok" if error is None else _outcome(error), error)

    # The sidecar.

    def start(self) -> None:
        """Start the sidecar, and get ready in the background for the first cell; returns at once."""
        threads.start("warm", self._warm)

    def status(self) -> str:
        """The text of `%inferscope` on its own."""
        try:
            return self._status()
        except InferScopeError as error:
            return f"InferScope cannot collect here. {error}"

    def compare(self, arguments: str) -> None:
        """Show what changed between runs. Raises UsageError for options that are wrong."""
        from .comparison import show

        show(self._shell, self._connect, arguments)

    def close(self) -> None:
        """End what runs: the collection, then the sidecar."""
        collection, self._active = self._active, None
        if collection is not None:
            collection.cancel()
            display.notice("The cell's profile ended because InferScope was unloaded.")
        if self._recorder is not None:
            self._recorder.uninstall(self._shell)
        with self._lock:
            self._closed = True
            sidecar = self._sidecar
        if sidecar is not None:
            sidecar.shutdown()

    def after_fork(self) -> None:
        """In a forked child: the cell, its collection and the sidecar are the parent's."""
        if self._active is not None:
            self._active.abandon()
        self._active = None
        self._sidecar = None
        self._lock = threading.Lock()
        self._threads = threading.local()

    def _thread(self) -> _Thread:
        thread: _Thread | None = getattr(self._threads, "state", None)
        if thread is None:
            thread = self._threads.state = _Thread()
        return thread

    def _prepared(self) -> Collection | None:
        """The collection that waits for this thread's cell to call `begin`."""
        active = self._active
        if active is None or active.attached or active.thread != threading.get_ident():
            return None
        return active

    def _claim(self, options: CellOptions, skip: int) -> Collection | None:
        """Become the one profiled cell; None when that cannot be, which is then said."""
        cells = self._thread().cells
        if not cells:
            return None  # a silent cell has no events, so no end
        try:
            from .collection import Collection
        except ImportError as error:
            display.notice(str(missing_module(error)), _UNPROFILED)
            return None
        source = _visible_source(cells)
        count = self._shell.execution_count
        name = request.cell_name(self._shell)
        collection = Collection(options, source, f"In [{count}]", execution_count=count, notebook_cell=name)
        with self._lock:
            active = self._active
            if active is None:
                self._active = collection
        if active is not None:
            self._explain_busy(active)
            return None
        self._line = directive_line(source) + skip
        return collection

    def _own(self, collection: Collection) -> None:
        """Make the innermost running cell the one whose end is the collection's."""
        cells = self._thread().cells
        for cell in cells:
            if cell.collection is collection:
                cell.collection = None
        cells[-1].collection = collection

    def _leave(self, end: int, outcome: str, error: BaseException | None) -> None:
        thread = self._thread()
        cell = thread.cells.pop() if thread.cells else None
        collection = cell.collection if cell is not None else None
        if collection is not None and collection is self._active:
            try:
                self._finish(thread, collection, end, outcome, "" if error is None else type(error).__name__)
            finally:
                self._active = None
        if not thread.cells:
            self._show(thread)

    def _finish(self, thread: _Thread, collection: Collection, end: int, outcome: str, error_name: str) -> None:
        global _last
        if collection.note:
            thread.pending.append((collection.note, ""))
        try:
            result = collection.finish(end, outcome, error_name)
        except KeyboardInterrupt:
            collection.cancel()
            thread.pending.append(("The report was cut short by the interrupt.", ""))
            return
        except InferScopeError as failure:
            thread.pending.append((failure.sentence, failure.hint or "The cell itself ran as it would have."))
            return
        except Exception as failure:
            thread.pending.append((f"There is no report: {failure!r}.", "The cell itself ran as it would have."))
            return
        _last = result
        if collection.options.output is not None:
            self._shell.push({collection.options.output: result})
        if not collection.options.quiet:
            thread.pending.append(result)

    def _show(self, thread: _Thread) -> None:
        pending, thread.pending = thread.pending, []
        for item in pending:
            try:
                if isinstance(item, Result):
                    display.show_result(self._shell, item)
                else:
                    display.notice(*item)
            except Exception as failure:
                display.notice(f"The report could not be shown: {failure!r}.", "inferscope.last() has it.")

    def _forget(self, thread: _Thread) -> None:
        for cell in thread.cells:
            if cell.collection is not None and cell.collection is self._active:
                self._active = None
                cell.collection.cancel()
        thread.cells.clear()
        thread.pending.clear()

    @contextmanager
    def _failures_are_sentences(self, collection: Collection) -> Iterator[None]:
        """Turn a failure to begin into one sentence; let an interrupt through."""
        try:
            yield
        except BaseException as failure:
            self._active = None
            collection.cancel()
            if isinstance(failure, InferScopeError):
                display.notice(failure.sentence, f"{failure.hint} {_UNPROFILED}".strip())
            elif isinstance(failure, Exception):
                display.notice(f"Profiling failed to begin: {failure!r}.", _UNPROFILED)
            else:
                raise

    def _explain_busy(self, collection: Collection) -> None:
        if collection.thread != threading.get_ident():
            display.notice("Another cell is being profiled.", _UNPROFILED)
        elif self._told is not collection:
            self._told = collection
            display.notice("This cell is already being profiled; the %%inferscope inside it changes nothing.")

    def _connect(self) -> Connection:
        if sys.platform != "linux":
            raise InferScopeError("InferScope collects on Linux only.")
        try:
            from . import client  # noqa: F401 - the sidecar imports it where nobody sees the failure
        except ImportError as error:
            raise missing_module(error) from error
        return self._started_sidecar().connection(_CONNECT_TIMEOUT)

    def _started_sidecar(self) -> Sidecar:
        from .sidecar import Sidecar

        with self._lock:
            if self._closed:
                raise InferScopeError("InferScope was unloaded.", "%load_ext inferscope loads it again.")
            if self._sidecar is None:
                self._sidecar = Sidecar()
                self._sidecar.start()
            return self._sidecar

    def _warm(self) -> None:
        """Do what the first cell would otherwise wait for. What fails here is said when a cell asks for it."""
        if sys.platform != "linux":
            return
        with suppress(Exception):
            self._started_sidecar()
            from . import collection, gpu  # noqa: F401
            from .calibrate import calibration

            gpu.probe()
            calibration()

    def _ready_recorder(self) -> None:
        """Before Python 3.12 the recorder must be there when a cell is compiled."""
        if self._recorder is None:
            with suppress(ImportError):  # said when the cell begins
                from . import recorder

                recorder.install(self._shell)
                self._recorder = recorder

    def _status(self) -> str:
        try:
            from . import _wire
        except ImportError as error:
            raise missing_module(error) from error
        status = self._connect().request(_wire.StatusRequest(), _CONNECT_TIMEOUT)
        cells = "1 cell" if status.cells_profiled == 1 else f"{status.cells_profiled} cells"
        heading = f"InferScope {status.sidecar_version}: the sidecar runs (process {status.pid}, {cells} profiled)."
        return display.status_text(heading, [*status.collectors, status.history])


def install(profiler: Profiler | None) -> Profiler | None:
    """Make `profiler` the one that cells use; returns the one before."""
    global _profiler
    before, _profiler = _profiler, profiler
    return before


_profiler: Profiler | None = None
_last: Result | None = None


def _after_fork() -> None:
    if _profiler is not None:
        _profiler.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _parse(arguments: str) -> CellOptions:
    from IPython.core.error import UsageError

    if _profiler is not None:
        _profiler.restore_history(arguments)
    try:
        return parse(arguments)
    except OptionError as error:
        raise UsageError(f"%%inferscope: {error}") from None


def _outcome(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | CancelledError):
        return "interrupted"
    return "exit" if isinstance(error, SystemExit) else "error"


def _visible_source(cells: list[_RunningCell]) -> str:
    """The text the user sees of the innermost cell.

    A cell magic runs its body as a cell; then that body is the end of the text
    of the cell around it.
    """
    source = cells[-1].source
    for outer in reversed(cells[:-1]):
        if not outer.source.rstrip().endswith(source.rstrip()):
            break
        source = outer.source
    return source


def _show_directive(frame: FrameType, arguments: str) -> None:
    """Let tracebacks show the user's first line, not the call that replaced it."""
    name, number = frame.f_code.co_filename, frame.f_lineno
    for cache in (linecache.cache, getattr(linecache, "_ipython_cache", {})):
        entry = cache.get(name)
        if not isinstance(entry, tuple) or len(entry) != 4:
            continue
        size, changed, lines, path = entry
        if 0 < number <= len(lines) and lines[number - 1].startswith(f"__import__({__name__!r})"):
            shown = list(lines)
            shown[number - 1] = f"# %%inferscope {arguments}".rstrip() + "\n"
            cache[name] = (size, changed, shown, path)
