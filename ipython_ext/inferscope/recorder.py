"""Everything that is recorded inside the process around one cell.

A Recorder owns its parts (lines, scopes and marks, garbage collection, samples,
functions), one thread that sends what they have seen while the cell runs, and
takes all of it back at the end. It never raises into the cell: a part that cannot
begin is a loss.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Protocol

from . import _wire, api, lines, statements, threads
from .columns import Outbox, Send
from .functions import Functions
from .gc_events import GCEvents
from .sampling import Sampler

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .loops import Turns

_TICK_S = 0.05
# How long the end of a cell waits for a message that is being sent.
_SEND_TIMEOUT_S = 2.0

_MONITORING = sys.version_info >= (3, 12)
_FOREIGN: type[threading.Thread] | tuple[()] = getattr(threading, "_DummyThread", ())


@dataclass(frozen=True)
class RecorderSummary:
    """What a recording cost and missed.

    Attributes:
        in_process_ns: An estimate of the time that recording took from the cell.
        losses: What was not seen, or was dropped.
    """

    in_process_ns: int
    losses: list[_wire.Loss]


class _Part(Protocol):
    def stop(self) -> None: ...

    def disarm(self) -> None: ...

    def cost_ns(self) -> int: ...


class Recorder:
    """Records one cell, between `start` and `stop`, each called once.

    Args:
        cell_id: The cell's id in messages.
        send: Takes a message. It is called by a thread of the recorder while the
            cell runs, and by `stop`.
        source: The cell's text as the user sees it.
        options: The user's choices.
        need_samples: Sample the process's Python stacks from inside.
        line_offset: Added to each line of the cell's code to give the line the user sees.
        turns: Counts the turns of loops; None for nobody who asks.
    """

    def __init__(  # noqa: PLR0917 - what a cell is, in the order it becomes known
        self,
        cell_id: str,
        send: Send,
        source: str,
        options: _wire.Options,
        need_samples: bool,
        line_offset: int = 0,
        turns: Turns | None = None,
    ) -> None:
        self._options = options
        self._need_samples = need_samples
        self._offset = line_offset
        self._hz = options.sample_hz if options.sample_hz > 0 else 199
        self._outbox = Outbox(cell_id, send, 1_000_000_000 // self._hz, line_offset)
        self._outbox.turns = turns
        self._parts: list[_Part] = []
        self._lines: lines.MonitoredLines | statements.MarkedLines | None = None
        self._functions: Functions | None = None
        self._gc: GCEvents | None = None
        self._sampler: Sampler | None = None
        self._end = threading.Event()
        self._worker: threading.Thread | None = None
        self._losses: list[_wire.Loss] = []
        self._stopped = False

    def start(self, frame: FrameType | None, program: CodeType | None = None) -> None:
        """Begin; the last thing before the cell's code runs. Never raises.

        Args:
            frame: The cell's own frame, when the cell asked for this itself.
            program: Instead of a cell, the code of a program's main module, which may run already.
        """
        global _current
        _current = self
        code = frame.f_code if frame is not None else program
        cell_file = code.co_filename if code is not None else ""
        self._begin("sending", self._start_worker)
        self._begin("garbage collection", self._start_gc)
        self._begin("scopes and marks", self._start_listener)
        if self._need_samples:
            self._begin("samples", lambda: self._start_sampler(cell_file))
        if self._options.functions:
            self._begin("exact function events", lambda: self._start_functions(cell_file))
        self._begin("exact times of lines", lambda: self._start_lines(frame, program))

    def stop(self) -> RecorderSummary:
        """End, and send what is left. Leaves nothing behind; also ends what an interrupt left half done.

        Raises:
            KeyboardInterrupt: The user interrupted this; everything has ended all the same.
        """
        global _current
        if self._stopped:
            return RecorderSummary(0, [])
        self._stopped = True
        interrupt: BaseException | None = None
        self._end.set()
        for step in [*(part.stop for part in reversed(self._parts)), self._join, self._name_threads, self._flush]:
            try:
                step()
            except Exception as error:
                self._lose(f"recording ended with an error: {error!r}")
            except BaseException as error:
                interrupt = error
                for part in self._parts:
                    part.disarm()
        if _current is self:
            _current = None
        if interrupt is not None:
            raise interrupt
        for recording in (self._lines, self._functions, self._gc, self._sampler):
            if recording is not None:
                self._losses += recording.losses
        return RecorderSummary(sum(part.cost_ns() for part in self._parts), [*self._losses, *self._outbox.dropped()])

    def turns(self, line: int) -> int | None:
        """How often the body of the loop on a line of the cell's code was begun; None when that is not known."""
        turns, lines = self._outbox.turns, self._lines
        return None if turns is None or lines is None else turns.of(line, lines.pending(turns.tid))

    def disarm(self) -> None:
        """In a forked child: take everything back and send nothing."""
        self._stopped = True
        self._end.set()
        for part in self._parts:
            part.disarm()

    def _begin(self, what: str, begin: Callable[[], None]) -> None:
        try:
            begin()
        except Exception as error:
            self._lose(f"{what} could not be recorded: {error!r}")

    def _start_worker(self) -> None:
        self._worker = threads.start("recorder", self._run)

    def _start_gc(self) -> None:
        self._gc = GCEvents(self._outbox)
        self._parts.append(self._gc)
        self._gc.start()

    def _start_listener(self) -> None:
        listener = _ListenerPart(self._outbox)
        self._parts.append(listener)
        listener.start()

    def _start_sampler(self, cell_file: str) -> None:
        self._sampler = Sampler(self._outbox, self._hz, cell_file, self._offset)
        self._parts.append(self._sampler)
        self._sampler.start()

    def _start_functions(self, cell_file: str) -> None:
        self._functions = Functions(cell_file, self._offset)
        self._parts.append(self._functions)
        self._functions.start()

    def _start_lines(self, frame: FrameType | None, program: CodeType | None) -> None:
        event_ns = _event_ns()
        if _MONITORING:
            self._lines = lines.MonitoredLines(self._outbox, event_ns)
        else:
            self._lines = statements.MarkedLines(self._outbox, event_ns)
        self._parts.append(self._lines)
        if program is not None:
            self._lines.start_program(program)
        else:
            self._lines.start(frame)

    def _run(self) -> None:
        while not self._end.wait(_TICK_S):
            try:
                if self._sampler is not None:
                    self._sampler.take()
                if self._lines is not None:
                    self._lines.tick(monotonic_ns())
                self._name_threads()
                self._outbox.flush()
            except Exception as error:
                self._lose(f"recording went wrong: {error!r}")
                return

    def _name_threads(self) -> None:
        """Say what the threads are called: also those that run no code of the cell, or end before it does."""
        for thread in threading.enumerate():
            # One that Python did not start has a better name in the kernel than "Dummy-1".
            if thread.native_id is not None and not isinstance(thread, _FOREIGN):
                self._outbox.name_thread(thread.native_id, thread.name)

    def _join(self) -> None:
        if self._worker is not None:
            self._worker.join(_SEND_TIMEOUT_S)

    def _flush(self) -> None:
        if self._worker is not None and self._worker.is_alive():
            self._lose("the last events of the cell: the sidecar did not take them in time")
            return
        self._outbox.flush(everything=True, functions=self._functions.rows() if self._functions else ())

    def _lose(self, reason: str) -> None:
        self._losses.append(_wire.Loss(source="python", reason=reason))


class _ListenerPart(api.Listener):
    """Scopes and marks as a part: they cost only where the user put them."""

    def cost_ns(self) -> int:
        return 0


def prepare() -> None:
    """Measure what the first recording would otherwise measure."""
    _event_ns()


def install(shell: InteractiveShell) -> None:
    """Prepare a shell for profiled cells: before Python 3.12, its cells get markers."""
    prepare()
    if not _MONITORING:
        from .transform import is_begin

        statements.install(shell, is_begin)


def uninstall(shell: InteractiveShell) -> None:
    """Undo `install`."""
    statements.uninstall(shell)


_current: Recorder | None = None
_measured_event_ns = 0


def _event_ns() -> int:
    """What one line event costs in this process; measured once."""
    global _measured_event_ns
    if not _measured_event_ns:
        try:
            _measured_event_ns = lines.calibrate() if _MONITORING else statements.calibrate()
        except Exception:
            _measured_event_ns = lines.DEFAULT_EVENT_NS
    return _measured_event_ns


def _after_fork() -> None:
    global _current
    current, _current = _current, None
    api._after_fork()
    if current is not None:
        current.disarm()


os.register_at_fork(after_in_child=_after_fork)
