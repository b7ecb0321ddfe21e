"""Samples of the process's Python stacks, taken by a thread of the process.

Used when nothing outside of the process can see its Python frames. The thread
needs the interpreter's lock for each sample. While a library holds the lock no
sample can be taken, but no Python code runs either: the samples that are due are
made up afterwards from what the stacks then are. Each thread's CPU clock tells
how many of its samples found it running.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from types import CodeType, FrameType

from . import _wire, threads
from .columns import CELL_FILE, Outbox, SampleRow

# timeline.SampleKind: the thread ran, or it did not.
_ON_CPU, _WAITING = 4, 5
_DEEPEST = 64
# Samples made up after the lock was held for long: at most those of so many seconds at once.
_LONGEST_GAP_NS = 20_000_000_000
# The lock changes hands every 5 ms while several threads want it.
_LATE_NS = 50_000_000

_Frame = tuple[str, str, int]
_Stack = tuple[_Frame, ...]


class Sampler:
    """Samples every thread of the process but InferScope's own.

    Args:
        outbox: Takes the samples.
        hz: Samples a second.
        cell_file: The file name of the cell's code; empty when it is not known.
        line_offset: Added to each line of the cell's code to give the line the user sees.
    """

    def __init__(self, outbox: Outbox, hz: int, cell_file: str, line_offset: int) -> None:
        self._outbox = outbox
        self._period = 1_000_000_000 // max(1, hz)
        self._cell_file = cell_file
        self._offset = line_offset
        self._threads: dict[int, _Thread] = {}
        # By code object and instruction; the code object is kept so that its id stays its own.
        self._frames: dict[tuple[int, int], tuple[_Frame, CodeType]] = {}
        self._end = threading.Event()
        self._taking = threading.Lock()
        self._worker: threading.Thread | None = None
        self._cost = 0
        self._used = 0
        self._due = 0
        self.losses: list[_wire.Loss] = []

    @property
    def period_ns(self) -> int:
        """The time that one sample stands for."""
        return self._period

    def start(self) -> None:
        """Begin."""
        # From here on, not from when the thread gets the lock: the cell may not give it up for long.
        self._due = time.monotonic_ns() + self._period
        self._worker = threads.start("sampler", self._run)

    def stop(self) -> None:
        """End; returns when the thread is gone."""
        # What the stacks are now says nothing of the cell any more.
        late = time.monotonic_ns() - self._due
        if self._due and late > _LATE_NS:
            reason = "samples at the end of the cell: a library held the interpreter's lock"
            self.losses.append(_wire.Loss(source="python", reason=reason, count=late // self._period))
        self.disarm()
        if self._worker is not None:
            self._worker.join(1.0)

    def disarm(self) -> None:
        """Have the thread end. In a forked child it is not there."""
        self._end.set()

    def cost_ns(self) -> int:
        """The CPU time that the sampling thread took from the program: all of it but while no other thread ran.

        It holds the interpreter's lock for most of it, by which a thread that sleeps or waits for a disk loses nothing.
        """
        return self._cost

    def take(self) -> None:
        """Take the samples that are due, from any thread of InferScope's own.

        Several threads of ours may wait for the interpreter's lock while a library holds it. When it is given up the
        program's thread is still where it was only for the first of them, which is not always the sampling thread.
        """
        self._take(time.thread_time_ns())

    def _run(self) -> None:
        while not self._end.wait(max(0, self._due - time.monotonic_ns()) / 1e9):
            self._used = self._take(self._used)

    def _take(self, since: int) -> int:
        """Samples what is due. `since` is the calling thread's CPU time from which on it is cost; returns the next."""
        with self._taking:
            now, due = time.monotonic_ns(), self._due
            if now < due or self._end.is_set():
                return since
            ticks = 1 + min(now - due, _LONGEST_GAP_NS) // self._period
            disturbed = True
            with suppress(Exception):  # a thread may end between two steps of ours
                disturbed = self._sample(threading.get_ident(), due, ticks)
            self._due = max(due + ticks * self._period, now - _LONGEST_GAP_NS)
            used = time.thread_time_ns()
            if disturbed:
                self._cost += used - since
            return used

    def _sample(self, own: int, due: int, ticks: int) -> bool:
        """Samples every thread once; says whether one of the program's may have run since the last time."""
        disturbed = False
        frames = sys._current_frames()
        names = {thread.ident: thread for thread in threading.enumerate()}
        for ident in [ident for ident in self._threads if ident not in frames]:
            del self._threads[ident]
        for ident, frame in frames.items():
            thread = self._threads.get(ident)
            if thread is None:
                known = names.get(ident)
                name = known.name if known is not None else ""
                tid = known.native_id if known is not None else None
                thread = self._threads[ident] = _Thread(ident, tid, ident == own or name.startswith(threads.PREFIX))
                if tid is not None and not thread.skip:
                    self._outbox.name_thread(tid, name)
            if thread.skip or thread.tid is None:
                continue
            ran = thread.ran()
            disturbed = disturbed or ran != 0
            # A thread that has not run since its last sample is where it was.
            stack = thread.stack
            if ran != 0 or stack is None:
                stack = thread.stack = self._stack(frame)
            running = thread.running(ran, ticks, self._period)
            for tick in range(ticks):
                kind = _ON_CPU if tick < running else _WAITING
                self._outbox.add_sample(SampleRow(thread.tid, due + tick * self._period, kind, stack))
        del frames
        return disturbed

    def _stack(self, top: FrameType) -> _Stack:
        stack: list[_Frame] = []
        frame: FrameType | None = top
        while frame is not None and len(stack) < _DEEPEST:
            code = frame.f_code
            key = (id(code), frame.f_lasti)
            known = self._frames.get(key)
            if known is None:
                known = self._frames[key] = (self._describe(code, frame.f_lineno or 0), code)
            stack.append(known[0])
            frame = frame.f_back
        return tuple(stack)

    def _describe(self, code: CodeType, line: int) -> _Frame:
        name = getattr(code, "co_qualname", code.co_name)
        if self._cell_file and code.co_filename == self._cell_file:
            return name, CELL_FILE, line + self._offset if line else 0
        return name, code.co_filename, line


class _Thread:
    """What the sampler keeps of one thread."""

    def __init__(self, ident: int, tid: int | None, skip: bool) -> None:
        self.tid = tid
        self.skip = skip
        self.stack: _Stack | None = None
        self._owed = 0
        self._cpu = -1
        self._clock: int | None = None
        if not skip:
            try:
                self._clock = time.pthread_getcpuclockid(ident)
            except (AttributeError, OSError):
                self._clock = None
            self.ran()

    def ran(self) -> int:
        """CPU time in ns since the last call, -1 when not known."""
        if self._clock is None:
            return -1
        try:
            cpu = time.clock_gettime_ns(self._clock)
        except OSError:
            self._clock = None
            return -1
        before, self._cpu = self._cpu, cpu
        return cpu - before if before >= 0 else -1

    def running(self, ran: int, ticks: int, period: int) -> int:
        """How many of the `ticks` samples find the thread running; what is left over counts next time."""
        if ran < 0:
            return 0
        self._owed = min(self._owed + ran, (ticks + 1) * period)
        running = min(ticks, (self._owed + period // 2) // period)
        self._owed -= running * period
        return running
