"""`inferscope run`: profile a whole script, which runs as it would under `python`.

The script's main module stands for the cell, and the process is its kernel. Collecting begins when the main module is
about to run and ends with the interpreter: after the script's own threads and atexit callbacks. Or a scope, a signal or
a number of seconds bound it.

Failures of ours are one sentence on standard error; the script runs as it would have.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import TYPE_CHECKING

from . import run_report, threads
from .errors import InferScopeError, OptionError, missing_module
from .result import Result
from .run_forks import Forks, MainThread
from .run_options import RunOptions, parse
from .run_report import Voice

if TYPE_CHECKING:
    from .collection import Collection
    from .live import LiveLine
    from .progress import Progress
    from .sidecar import Sidecar

# How long the script waits for the sidecar to start, and the live line for its answer.
_CONNECT_TIMEOUT = 15.0
_STATUS_TIMEOUT = 1.0
# How long the main thread may take to end the collecting by itself.
_MAIN_THREAD_SECONDS = 0.5
# Signals that end a process that does not catch them, and by which a script is told to end.
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_UNPROFILED = "the script runs without a profile"


def main(words: Sequence[str]) -> int:
    """Runs the command. What the script raises at its end is raised, SystemExit included.

    Args:
        words: The command line behind `run`.

    Returns:
        2 when the command line is wrong; 0 when the script ran to its end.
    """
    voice = Voice()
    try:
        options = parse(words)
        options.program.check()
    except OptionError as error:
        voice.say(error.sentence, error.hint)
        return 2
    run = Run(options, voice)
    run.begin()
    try:
        options.program.execute(run.program_begins)
    except BaseException as error:
        run.program_ends(error)
        raise
    return 0


class Run:
    """One profiled run of one script, in this process.

    Its methods are called on the main thread, but where a scope or the deadline calls.

    Args:
        options: What was asked for.
        voice: Where sentences go.
    """

    def __init__(self, options: RunOptions, voice: Voice) -> None:
        self._options = options
        self._voice = voice
        self._sidecar: Sidecar | None = None
        self._live: LiveLine | None = None
        self._settings = options.settings
        # The collection that goes on, if one does: whoever takes it out ends it.
        self._active: list[Collection] = []
        self._main_thread = MainThread()
        self._code: CodeType | None = None
        self._text = ""
        self._outcome, self._error_name = "ok", ""
        # What is to be shown at the end, as it was rendered.
        self._shown: list[str] = []
        self._reports = 0
        self._stretches = 0
        self._noted = ""
        # Signals wait while a message is under way: what they do would need the same connection.
        self._busy = 0
        self._waiting: list[int] = []
        self._over = threading.Event()
        self._deadline: threading.Thread | None = None
        # The end that the deadline has stamped, until the main thread comes round.
        self._due = 0

    def begin(self) -> None:
        """Get ready: all that can be done before there is code to run. Raises nothing but an interrupt."""
        try:
            # Everything that is needed later: the script's folder comes first in sys.path then.
            from . import calibrate, client, collection, gpu_devices, live, recorder, sidecar, trace  # noqa: F401
        except ImportError as error:
            self._voice.fail(missing_module(error, f"{sys.executable} -m pip install"), _UNPROFILED)
            return
        self._sidecar = sidecar.Sidecar(last_word=self._voice.descriptor)
        with suppress(Exception):  # said when collecting begins
            self._sidecar.start()
            calibrate.calibration()
            recorder.prepare()
        # Registered before any of the script's, so called after them.
        atexit.register(self._at_exit)
        Forks(self._main_thread, _ENDING, self._forget)
        for number in _ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._on_ending)
        if self._settings.live and not self._quiet() and live.wanted(self._voice.descriptor):
            self._live = live.LiveLine(self._voice.descriptor, self._progress)
            self._live.start()

    def program_begins(self, code: CodeType, text: str) -> None:
        """The main module is about to run. Raises nothing but an interrupt."""
        if self._sidecar is None:
            return
        from . import api

        self._code, self._text = code, text
        if self._options.scope is not None:
            api.watch(api.Watch(self._options.scope, self._start, self._stop))
        elif self._options.signal is not None:
            signal.signal(self._options.signal, self._on_toggle)
        else:
            self._start()

    def program_ends(self, error: BaseException) -> None:
        """The main module was left by an exception."""
        self._outcome = _outcome(error)
        if self._outcome != "ok":
            self._error_name = type(error).__name__

    # Collecting.

    def _start(self) -> None:
        """Begin to collect. Raises nothing but an interrupt."""
        from . import _wire
        from .collection import Collection

        assert self._code is not None and self._sidecar is not None
        options = self._options
        trace = options.trace and run_report.numbered(options.trace, self._stretches + 1)
        # What goes to a file is plain.
        terminal = (0, False) if options.report is not None else self._voice.terminal()
        collection = Collection(
            self._settings,
            self._text,
            options.program.name,
            kind=_wire.KIND_SCRIPT,
            terminal=terminal,
            trace=trace,
        )
        with self._signals_wait():
            try:
                collection.start(self._sidecar.connection(_CONNECT_TIMEOUT), self._code.co_filename, 0)
                self._note(collection.note)
                self._settings = collection.options
                collection.attach_program(self._code)
            except BaseException as failure:
                collection.cancel()
                if not isinstance(failure, Exception):
                    raise
                self._voice.fail(_sentence("Profiling failed to begin", failure), _UNPROFILED)
                return
            self._active.append(collection)
        self._stretches += 1
        if self._options.duration is not None and self._deadline is None:
            self._deadline = threads.start("deadline", self._wait_for_deadline)

    def _stop(self) -> None:
        """End what is being collected, if anything is, and make its report. Never raises."""
        end = self._due or time.monotonic_ns()
        try:
            collection = self._active.pop()
        except IndexError:
            return
        with self._signals_wait():
            try:
                result = collection.finish(end, self._outcome, self._error_name)
            except KeyboardInterrupt:
                collection.cancel()
                self._voice.say("The report was cut short by the interrupt.")
            except Exception as failure:
                self._voice.fail(_sentence("There is no report", failure), "the script ran as it would have")
            else:
                self._keep(result)

    def _keep(self, result: Result) -> None:
        """Write a report to its file at once, or keep it until the end; and see the trace written."""
        self._reports += 1
        self._await_trace(result)
        options = self._options
        text = run_report.render(result, options.format, options.program.name)
        if options.report is None:
            self._shown.append(text)
            return
        path = run_report.numbered(options.report, self._reports)
        try:
            run_report.write(path, text)
        except InferScopeError as error:
            self._voice.fail(error, "it follows as text")
            self._shown.append(run_report.render(result, "text", options.program.name))
        else:
            verdict = result.summary.get("verdict")
            sentence = verdict.get("sentence", "") if isinstance(verdict, dict) else ""
            self._shown.append(f"inferscope: {path}: {sentence}\n")

    def _await_trace(self, result: Result) -> None:
        """Wait for the trace: the sidecar writes it after the report, and ends with this process."""
        from .trace import await_written

        wanted = self._options.trace is not None
        try:
            if result.trace is not None:
                await_written(result.trace)
            elif wanted:
                self._say_no_trace()
        except InferScopeError:
            if wanted or not self._quiet():
                self._say_no_trace()
        except KeyboardInterrupt:
            self._voice.say("The trace is cut short by the interrupt.")

    def _say_no_trace(self) -> None:
        """Say that the trace was not written, and why if the sidecar knows."""
        from . import _wire

        reason = ""
        with suppress(Exception):
            assert self._sidecar is not None
            status = self._sidecar.connection(_STATUS_TIMEOUT).request(_wire.StatusRequest(), _STATUS_TIMEOUT)
            if not status.history.available:
                reason = ": " + status.history.detail.removeprefix("the trace of the last cell is not kept: ")
        place = "name a folder elsewhere by --trace" if self._options.trace is not None else "set history.path"
        self._voice.say(f"the trace was not written{reason}", f"Make room, or {place}.")

    def _end(self) -> None:
        """End everything, and show what there is to show."""
        self._over.set()
        self._stop()
        if self._deadline is not None:
            self._deadline.join()  # it may be at the report
        if self._live is not None:
            self._live.stop()
        if self._options.scope is not None and self._code is not None and not self._reports and not self._noted:
            self._note(f"no scope {self._options.scope!r} was entered and left, so nothing was collected")
        shown, self._shown = self._shown, []
        if not self._quiet():
            for text in shown:
                self._voice.write(text)

    def _at_exit(self) -> None:
        with suppress(KeyboardInterrupt):
            self._end()
        self._voice.close()

    # The deadline.

    def _wait_for_deadline(self) -> None:
        """Stop collecting when the time is over: on the main thread, or here when that does not come round."""
        if self._over.wait(self._options.duration):
            return
        self._due = time.monotonic_ns()
        self._main_thread.soon(self._stop)
        # CUPTI is not taken out under a thread that may be inside of CUDA.
        if not self._over.wait(_MAIN_THREAD_SECONDS) and not any(one.capturing for one in self._active):
            self._stop()

    # Signals.

    @contextmanager
    def _signals_wait(self) -> Iterator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            waiting, self._waiting = self._waiting, []
            for number in waiting:
                os.kill(os.getpid(), number)

    def _on_toggle(self, number: int, frame: FrameType | None) -> None:
        if self._busy:
            self._waiting.append(number)
        elif self._active:
            self._stop()
        else:
            self._start()

    def _on_ending(self, number: int, frame: FrameType | None) -> None:
        """Write the report, then end as the signal would have ended the process."""
        if self._busy:
            self._waiting.append(number)
            return
        self._outcome, self._error_name = "interrupted", ""
        with suppress(KeyboardInterrupt):
            self._end()
        if self._sidecar is not None:
            self._sidecar.shutdown()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _forget(self) -> None:
        """In a forked child: the run is the parent's."""
        atexit.unregister(self._at_exit)
        while self._active:
            self._active.pop().abandon()
        if self._live is not None:
            self._live.forget()
        self._sidecar = self._live = None
        self._voice.close()
        own = (self._on_ending, self._on_toggle)
        for number in (*_ENDING, *([self._options.signal] if self._options.signal else [])):
            with suppress(ValueError, OSError):
                if signal.getsignal(number) in own:
                    signal.signal(number, signal.SIG_DFL)

    # What is shown.

    def _quiet(self) -> bool:
        return self._settings.quiet

    def _note(self, note: str) -> None:
        """Say what is wrong in the configuration, once."""
        if note and note != self._noted:
            self._noted = note
            self._voice.say(note)

    def _progress(self) -> Progress | None:
        from . import _wire
        from .progress import of_status

        if not self._active or self._sidecar is None:
            return None
        status = self._sidecar.connection(_STATUS_TIMEOUT).request(_wire.StatusRequest(), _STATUS_TIMEOUT)
        return of_status(status)


def _outcome(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "ok" if error.code in (None, 0) else "exit"
    return "error"


def _sentence(what: str, failure: Exception) -> InferScopeError:
    return failure if isinstance(failure, InferScopeError) else InferScopeError(f"{what}: {failure!r}.")
