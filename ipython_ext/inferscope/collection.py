"""One collection, of a cell or of a program: from the request that starts it to the report."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING

from . import _wire, configuration, gpu
from .errors import InferScopeError
from .gpu_capture import Capture, CaptureSummary, foreseen
from .options import CellOptions
from .progress import Progress, of_status
from .recorder import Recorder
from .result import Loss, Result, parse_summary

if TYPE_CHECKING:
    from .client import Connection
    from .loops import Turns
    from .strip import Strip

_START_TIMEOUT = 5.0
_CANCEL_TIMEOUT = 1.0
_STATUS_TIMEOUT = 1.0
# The analysis of the largest trace that is kept takes a few seconds.
_STOP_TIMEOUT = 60.0


class Collection:
    """Collects around one cell, or one program.

    `start`, then `attach` (`attach_program` for a program) as the last thing before the code runs, then
    either `finish` or `cancel`. All on the thread that runs the cell.

    Args:
        options: The user's choices.
        source: The cell's text as the user sees it.
        name: The title of the report.
        execution_count: The notebook's; 0 where there is none.
        notebook_cell: What the front end calls the cell; empty when it does not tell.
        trace: The folder that is made for the trace; None for the history.
        terminal: The columns that the report's text may have, 0 for 80, and whether it may have colours.
        kind: `KIND_CELL`, or `KIND_SCRIPT` for a whole program, whose main module is the cell.

    Attributes:
        options: The user's choices; once `start` has returned, over what is configured.
        note: What is wrong in the configuration, a sentence; empty when nothing is.
        source: The cell's text as the user sees it.
        attached: Whether `attach` was called: the cell's own code runs.
        thread: The identity of the thread that runs the cell.
    """

    def __init__(
        self,
        options: CellOptions,
        source: str,
        name: str,
        *,
        execution_count: int = 0,
        notebook_cell: str = "",
        kind: str = _wire.KIND_CELL,
        terminal: tuple[int, bool] = (0, False),
        trace: Path | None = None,
    ) -> None:
        self.options = options
        self.note = ""
        self.attached = False
        self.thread = threading.get_ident()
        # Notebooks may hold lone surrogates, which no message can.
        self.source = source.encode("utf-8", "replace").decode("utf-8")
        self._name = name.encode("utf-8", "replace").decode("utf-8")
        self._execution_count = execution_count
        self._notebook_cell = notebook_cell.encode("utf-8", "replace").decode("utf-8")
        self._kind = kind
        self._terminal = terminal
        self._trace = "" if trace is None else os.fsencode(trace).decode("utf-8", "replace")
        self._settings = _wire.Options()
        self._connection: Connection | None = None
        self._cell_file = ""
        self._offset = 0
        self._cell_id = ""
        self._need_samples = False
        self._gpu_ring = ""
        self._no_cupti = ""
        self._capture: Capture | None = None
        self._recorder: Recorder | None = None
        self._strip: Strip | None = None
        self._begin = 0
        # The code that waits on the stack below the request. Kept alive, its addresses are not
        # given to code of the cell: the kernel-side sampler knows code by its address.
        self._codes: list[CodeType] = []

    def start(self, connection: Connection, cell_file: str, line_offset: int) -> None:
        """Ask the sidecar to collect.

        Args:
            connection: The sidecar; used until the collection ends.
            cell_file: The file name of the cell's compiled code.
            line_offset: Added to a line of that code to give the line the user sees.

        Raises:
            InferScopeError: The sidecar refused or did not answer.
        """
        cell_id = uuid.uuid4().hex
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            self._codes.append(frame.f_code)
            frame = frame.f_back
        self._connection, self._cell_id = connection, cell_id
        self._cell_file, self._offset = cell_file, line_offset
        if self.options.gpu and not self._no_cupti:
            self._no_cupti = foreseen()
        reply = connection.request(
            _wire.Start(
                cell_id=cell_id,
                main_tid=threading.get_native_id(),
                source=self.source,
                cell_file=cell_file,
                line_offset=line_offset,
                kind=self._kind,
                trace=self._trace,
                cell_name=self._name,
                execution_count=self._execution_count,
                notebook_cell=self._notebook_cell,
                text_columns=self._terminal[0],
                text_colour=self._terminal[1],
                calibration=_calibration(self.options),
                typed=dict(self.options.typed),
                directory=configuration.directory(),
                environ=configuration.environ(),
                no_cupti=self._no_cupti,
            ),
            _START_TIMEOUT,
        )
        self._settings, self.note = reply.options, reply.note
        self.options = self.options.resolved(reply.options)
        self._need_samples = reply.need_samples
        self._gpu_ring = reply.gpu_ring
        self._begin = time.monotonic_ns()

    def attach(self, connection: Connection, frame: FrameType, line: int, strip: Strip | None = None) -> None:
        """Begin recording inside the process, and stamp the window's start.

        Args:
            connection: The sidecar, for a collection that must start anew
                because the cell's code turned out to be elsewhere than expected.
            frame: The cell's own frame.
            line: The visible line that `frame` executes.
            strip: Shows how the cell goes on, where somebody looks; it is the collection's from here on.
        """
        place = frame.f_code.co_filename, line - frame.f_lineno
        if self._connection is not None and place != (self._cell_file, self._offset):
            self._request_cancel()
            self._connection = None
        if self._connection is None:
            self.start(connection, *place)
        if strip is None or self.options.quiet or not self.options.live:
            self._record(frame, None)
            return
        self._strip = strip
        strip.place()
        self._record(frame, None, strip.turns)
        recorder = self._recorder
        assert recorder is not None
        strip.start(self._progress, recorder.turns)

    def attach_program(self, program: CodeType) -> None:
        """Begin recording a program, and stamp the window's start; `start` has returned.

        Args:
            program: The code of its main module, which is about to run or runs already.
        """
        self._record(None, program)

    def _record(self, frame: FrameType | None, program: CodeType | None, turns: Turns | None = None) -> None:
        assert self._connection is not None
        self.attached = True
        if self.options.gpu and not self._no_cupti:
            self._start_capture(self._connection)
        self._recorder = Recorder(
            self._cell_id,
            self._connection.send,
            self.source,
            self._settings,
            self._need_samples,
            self._offset,
            turns,
        )
        self._recorder.start(frame, program)
        self._begin = time.monotonic_ns()

    def _progress(self) -> Progress | None:
        """What the sidecar sees of the cell that runs; on any thread."""
        connection = self._connection
        if connection is None:
            return None
        return of_status(connection.request(_wire.StatusRequest(), _STATUS_TIMEOUT))

    @property
    def capturing(self) -> bool:
        """Whether GPU work is captured at the moment."""
        return self._capture is not None and self._capture.on

    def finish(self, end: int, outcome: str, error_name: str) -> Result:
        """Stop collecting and get the report.

        Args:
            end: When the cell ended, CLOCK_MONOTONIC ns.
            outcome: "ok", "error", "interrupted" or "exit".
            error_name: The class of the cell's exception; empty when there is none.

        Raises:
            InferScopeError: There is no report. Collection inside the process
                is over all the same.
        """
        try:
            if self._strip is not None:
                self._strip.stop()
            return self._finish(end, outcome, error_name)
        finally:
            self._close_strip()

    def _finish(self, end: int, outcome: str, error_name: str) -> Result:
        in_process, losses = self._stop_recording()
        captured = self._stop_capture()
        if self._connection is None:
            raise InferScopeError(f"The {self._kind} ended before its code began; there is nothing to report.")
        losses.extend(captured.losses)
        # Where CUPTI could not be used the sidecar tells, which knows what it saw instead.
        if not captured.losses and not (self._no_cupti and self.options.gpu):
            losses.extend(_gpu_losses(self.options, captured.started, self._kind))
        reply = self._connection.request(
            _wire.Stop(
                cell_id=self._cell_id,
                begin=self._begin,
                end=max(end, self._begin),
                outcome=outcome,
                error_name=error_name,
                in_process_ns=in_process,
                losses=losses,
            ),
            _STOP_TIMEOUT,
        )
        return Result(
            html=reply.html,
            markdown=reply.markdown,
            text=reply.text,
            summary=parse_summary(reply.summary),
            losses=tuple(Loss(loss.source, loss.reason, loss.count, loss.enable) for loss in reply.losses),
            trace=Path(reply.trace) if reply.trace else None,
        )

    def cancel(self) -> None:
        """End the collection without a report. Never raises, but for an interrupt."""
        try:
            self._close_strip()
            self._stop_recording()
            self._stop_capture()
        finally:
            self._request_cancel()

    def abandon(self) -> None:
        """Forget the collection, in a forked child that does not own it."""
        self._connection = None
        self._recorder = None
        self._capture = None
        if self._strip is not None:
            self._strip.forget()

    def _close_strip(self) -> None:
        if self._strip is not None:
            self._strip.close()

    def _start_capture(self, connection: Connection) -> None:
        capture = Capture(
            finalize=self.options.cupti_finalize,
            budget=0.0 if self.options.full else self.options.gpu_budget,
            several_devices=self.options.multi_gpu == "allow",
            kind=self._kind,
        )
        capture.begin(self._gpu_ring)
        if not capture.failure or not gpu.probe().loaded:
            self._capture = capture
            return
        capture.end()
        # Only trying showed it. The sidecar begins anew, to see of the GPU's work what it can without CUPTI.
        self._request_cancel()
        self._no_cupti = capture.failure
        self.start(connection, self._cell_file, self._offset)

    def _stop_recording(self) -> tuple[int, list[_wire.Loss]]:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return 0, []
        try:
            summary = recorder.stop()
        except Exception as error:
            return 0, [_wire.Loss(source="python", reason=f"recording failed: {error!r}", count=0)]
        return summary.in_process_ns, list(summary.losses)

    def _stop_capture(self) -> CaptureSummary:
        capture, self._capture = self._capture, None
        return capture.end() if capture is not None else CaptureSummary()

    def _request_cancel(self) -> None:
        if self._connection is None:
            return
        with suppress(InferScopeError):  # a sidecar that is gone collects nothing
            self._connection.request(_wire.Cancel(cell_id=self._cell_id), _CANCEL_TIMEOUT)


def _calibration(options: CellOptions) -> _wire.Calibration:
    if not options.ebpf:
        return _wire.Calibration(valid=False, why="the kernel-side collector is switched off")
    if sys.platform != "linux":
        return _wire.Calibration(valid=False, why="not Linux")
    from .calibrate import calibration

    return calibration()


def _gpu_losses(options: CellOptions, captured: bool, kind: str) -> list[_wire.Loss]:
    if captured or not gpu.probe().in_use:
        return []
    reason, enable = "GPU work of this process was not captured", ""
    if not options.gpu and "gpu" in options.typed:
        reason, enable = f"{reason}: switched off for this {kind}", "leave out --no-gpu"
    elif not options.gpu:
        reason, enable = f"{reason}: switched off in the configuration", "inferscope config show"
    return [_wire.Loss(source="cupti", reason=reason, enable=enable)]
