"""Exact times of the lines of a cell, by `sys.monitoring` (Python 3.12 and later).

Only the cell's own code objects are instrumented: code of libraries runs as it
always does. IPython compiles and runs each top-level statement of a cell
separately, after recording has begun; a CALL event on the one function that runs
them hands over each code object just before it starts.

A row says which line of the cell's code is the deepest that executes in a thread.
Each thread keeps the stack of the cell's frames on it, so that the line is right
again when a function returns, yields or is left by an exception. Should an event
be missed (events of hot code are switched off, see `_switch_off`), the next one
finds another code object than expected and the stack is read anew from the frames.

CPython 3.12 does not put its super-instructions back once LINE events are gone, so
there the tightest loops of a recorded cell stay up to a tenth slower; 3.13 does.
"""

from __future__ import annotations

import builtins
import sys
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic_ns
from types import CodeType, FrameType
from typing import Any

from . import _wire
from .columns import CHUNK, SELF, Outbox
from .line_state import (
    BOTTOM,
    CALM_NS,
    FIRST_PAUSE_NS,
    LONGEST_PAUSE_NS,
    SHARE,
    Budget,
    CodeLines,
    ThreadLines,
    Threads,
)
from .monitoring import (
    NO_TOOL,
    all_events,
    frame_events,
    free_tool,
    hide_callback,
    innermost,
    line_of_caller,
    nested,
    shell_runner,
)

_monitoring: Any = getattr(sys, "monitoring", None)

# From here on, what is kept for threads that have ended is given up now and then.
_MANY_THREADS = 64
# The cost of one event, before it has been measured.
DEFAULT_EVENT_NS = 200


# Stands for the current code of a thread whose stack must be read anew; compared by identity only.
_UNKNOWN: Any = object()


class MonitoredLines:
    """Records the lines of a cell.

    `start` and `stop` once each; `tick` from one thread every few ten ms.

    Args:
        outbox: Takes the rows.
        event_ns: What one event costs.
    """

    def __init__(self, outbox: Outbox, event_ns: int) -> None:
        self._outbox = outbox
        self._budget = Budget(event_ns)
        self._tool = -1
        self._file: str | None = None
        self._codes: dict[int, CodeLines] = {}
        self._runner: CodeType | None = None
        self._states: list[ThreadLines] = []
        self._gone_frames = 0
        self._paused: list[CodeLines] = []
        # Lines that call code whose events are all off: what they execute is known from samples only.
        self._unsure: frozenset[int] = frozenset()
        self._unwind_until = 0
        self._unwind_last = 0
        self._lock = threading.Lock()
        self._threads = Threads(self._states, outbox)
        self._callbacks = self._make_callbacks()
        self.losses: list[_wire.Loss] = []

    def start(self, frame: FrameType | None) -> None:
        """Begin. `frame` is the cell's frame that asks for it, if there is one."""
        if not self._claim_tool():
            return
        tool, event = self._tool, _monitoring.events
        if frame is None:
            self._runner = shell_runner()
        else:
            self._file = frame.f_code.co_filename
            self._runner = frame.f_back.f_code if frame.f_back is not None else None
            self._watch(frame.f_code, True)
            state = self._threads.state
            state.code, state.top, state.stack = frame.f_code, SELF, [BOTTOM]
            self._emit(state, frame.f_code, frame.f_lineno)
        if self._runner is not None and id(self._runner) not in self._codes:
            _monitoring.set_local_events(tool, self._runner, event.CALL)
        _monitoring.set_events(tool, event.PY_UNWIND | event.PY_THROW)

    def start_program(self, code: CodeType) -> None:
        """Begin with a program instead of a cell. `code` is its main module's; it may run already."""
        if not self._claim_tool():
            return
        self._file = code.co_filename
        self._watch(code, True)
        _monitoring.set_events(self._tool, _monitoring.events.PY_UNWIND | _monitoring.events.PY_THROW)
        frame = innermost(sys._getframe(), self._codes)
        if frame is not None:
            state = self._threads.state
            state.read_stack(self._codes, frame.f_code, frame)
            self._emit(state, frame.f_code, frame.f_lineno)

    def stop(self) -> None:
        """End, and hand over what is there. Leaves nothing behind in the interpreter."""
        self.disarm()
        for state in self._states:
            self._hand_over(state)

    def disarm(self) -> None:
        """Take all events and callbacks back; also in a forked child."""
        tool, self._tool = self._tool, -1
        if tool < 0:
            return
        _monitoring.set_events(tool, 0)
        for one in self._codes.values():
            _monitoring.set_local_events(tool, one.code, 0)
        if self._runner is not None:
            _monitoring.set_local_events(tool, self._runner, 0)
        for event in self._callbacks:
            _monitoring.register_callback(tool, event, None)
        _monitoring.free_tool_id(tool)

    def _claim_tool(self) -> bool:
        """Register with the interpreter; False, which is a loss, when it has no place left."""
        tool = free_tool()
        if tool is None:
            self.losses.append(NO_TOOL)
            return False
        self._register(tool)
        return True

    def _register(self, tool: int) -> None:
        _monitoring.use_tool_id(tool, "inferscope")
        self._tool = tool
        for event, callback in self._callbacks.items():
            _monitoring.register_callback(tool, event, callback)

    def tick(self, now: int) -> None:
        """Switch events on again where the pause is over."""
        if len(self._states) > _MANY_THREADS:
            self._forget_dead_threads()
        if not self._paused and not self._unwind_until:
            return
        with self._lock:
            if self._tool < 0:
                return
            if self._unwind_until and now >= self._unwind_until:
                self._unwind_until = 0
                event = _monitoring.events
                _monitoring.set_events(self._tool, event.PY_UNWIND | event.PY_THROW)
                self._read_anew(None)
            for one in [one for one in self._paused if now >= one.until]:
                self._switch_on(one, now)

    def pending(self, tid: int) -> list[int]:
        """The lines that a thread has executed since its last full chunk."""
        return next((one.lines[: one.used] for one in list(self._states) if one.tid == tid), [])

    def cost_ns(self) -> int:
        """About how much time the events took, all threads together."""
        events = self._outbox.line_rows + self._gone_frames
        events += sum(state.frames + state.foreign // 2 for state in list(self._states))
        return events * self._budget.event_ns

    # What each event does. These run inside the user's code: they must be quick, and must not raise.

    def _make_callbacks(self) -> dict[int, Callable[..., object]]:
        event = _monitoring.events
        return {
            event.LINE: self._line_callback(),
            event.CALL: self._on_call,
            event.PY_START: self._on_start,
            event.PY_RESUME: self._on_resume,
            event.PY_THROW: self._on_throw,
            event.PY_RETURN: self._on_return,
            event.PY_YIELD: self._on_yield,
            event.PY_UNWIND: self._on_unwind,
        }

    def _line_callback(self) -> Callable[[CodeType, int], None]:
        threads, codes, now = self._threads, self._codes, monotonic_ns
        rotate = self._rotate

        def on_line(code: CodeType, line: int) -> None:
            state = threads.state
            if state.code is not code:
                state.read_stack(codes, code, sys._getframe(1))
            row = state.used
            try:
                state.times[row] = now()
            except IndexError:
                at = now()
                rotate(state)
                row = 0
                state.times[0] = at
                if codes[id(code)].level:
                    line = -line
            state.lines[row] = line
            state.tops[row] = state.top
            state.codes[row] = code
            state.used = row + 1

        return on_line

    def _on_call(self, code: CodeType, offset: int, function: object, argument: object) -> None:
        if (function is builtins.exec or function is builtins.eval) and type(argument) is CodeType:
            if self._file is None:
                self._file = argument.co_filename
            if argument.co_filename == self._file:
                self._watch(argument, True)

    def _on_start(self, code: CodeType, offset: int) -> None:
        state = self._threads.state
        one = self._codes[id(code)]
        self._enter(state, one)
        if one.level:
            self._emit(state, code, -one.first)

    def _on_resume(self, code: CodeType, offset: int) -> None:
        state = self._threads.state
        one = self._codes[id(code)]
        self._enter(state, one)
        line = one.line_at(offset)
        self._emit(state, code, -line if one.level else line)

    def _on_throw(self, code: CodeType, offset: int, error: BaseException) -> None:
        # Not a local event: any generator of the process.
        one = self._codes.get(id(code))
        if one is None or one.level == 2:
            return
        state = self._threads.state
        self._enter(state, one)
        line = one.line_at(offset)
        self._emit(state, code, -line if one.level else line)

    def _on_return(self, code: CodeType, offset: int, value: object) -> None:
        state = self._threads.state
        if state.code is not code:
            state.read_stack(self._codes, code, sys._getframe(1))
        state.code, line, state.top = state.stack.pop() if state.stack else BOTTOM
        self._emit(state, code, line)

    def _on_unwind(self, code: CodeType, offset: int, error: BaseException) -> None:
        # Not a local event: any function of the process.
        state = self._threads.state
        if state.code is not code:
            if code.co_filename != self._file or id(code) not in self._codes:
                state.foreign += 1
                if not state.foreign % CHUNK:
                    self._check_unwinding()
                return
            state.read_stack(self._codes, code, sys._getframe(1))
        if isinstance(error, KeyboardInterrupt):
            hide_callback(error, __file__)
        state.code, line, state.top = state.stack.pop() if state.stack else BOTTOM
        self._emit(state, code, line)

    def _on_yield(self, code: CodeType, offset: int, value: object) -> None:
        """Leave a frame that will go on later.

        An `await` yields through every coroutine up to the event loop. When that
        reaches the cell's top level, the cell is waiting, and the line that waits
        is the deepest one of this cascade: it stays the thread's line as long as
        no other code of the cell executes.
        """
        state = self._threads.state
        if state.code is not code:
            state.read_stack(self._codes, code, sys._getframe(1))
        own = state.lines[state.used - 1]
        deepest = state.yielded if state.yielded_at == state.used else own
        at_top = state.top == SELF
        state.code, line, state.top = state.stack.pop() if state.stack else BOTTOM
        if at_top and state.code is None:
            line, state.top = deepest, abs(own)
        self._emit(state, code, line)
        state.yielded, state.yielded_at = deepest, state.used

    # Slower paths.

    def _enter(self, state: ThreadLines, one: CodeLines) -> None:
        """Push a frame of the cell's code onto a thread's stack."""
        state.frames += 1
        line = state.lines[state.used - 1]
        if one.top:
            # A top-level statement starts or goes on: nothing of the cell waits below it any more.
            state.code, state.top, state.stack = one.code, SELF, [BOTTOM]
            return
        if state.code is _UNKNOWN:
            state.read_stack(self._codes, one.code, sys._getframe(2))
            return
        if line < 0 and state.code is not None:
            line = -line_of_caller(sys._getframe(2), state.code, -line)
        state.stack.append((state.code, line, state.top))
        if state.top == SELF:
            state.top = abs(line)
        state.code = one.code

    def _emit(self, state: ThreadLines, code: CodeType, line: int) -> None:
        at = monotonic_ns()
        row = state.used
        if row == CHUNK:
            self._rotate(state)
            row = 0
            one = self._codes.get(id(state.code))
            if one is not None and one.level:
                line = -abs(line)
        state.times[row] = at
        state.lines[row] = line
        state.tops[row] = state.top
        state.codes[row] = code
        state.used = row + 1

    def _rotate(self, state: ThreadLines) -> None:
        """Hand a full chunk over, and switch off what filled it if that was too quick."""
        now = state.times[-1]
        state.yielded_at = -1
        self._hand_over(state)
        if not self._budget.overspent(now) or not self._lock.acquire(blocking=False):
            return
        try:
            if self._tool >= 0:
                for key, count in Counter(map(id, state.codes)).most_common():
                    if count * 4 < CHUNK:
                        break
                    self._switch_off(self._codes[key], state, now)
        finally:
            self._lock.release()

    def _hand_over(self, state: ThreadLines) -> None:
        used, state.used = state.used, 0
        lines = state.lines[:used]
        if self._unsure:
            lines = [-line if line in self._unsure else line for line in lines]
        self._outbox.add_lines(state.tid, state.times[:used], lines, state.tops[:used])

    def _switch_off(self, one: CodeLines, state: ThreadLines, now: int) -> None:
        """Take LINE events, and if it is still too hot all events, from a code object.

        Rows with a negative line say that from there the thread's line is known
        from samples only.
        """
        if one.level == (1 if one.top else 2):
            return
        if one.top:
            self._outbox.spoil_turns()
        if now - one.on_since > CALM_NS:
            one.pause = FIRST_PAUSE_NS
        one.level += 1
        one.until = now + one.pause
        if one not in self._paused:
            self._paused.append(one)
        _monitoring.set_local_events(self._tool, one.code, frame_events() if one.level == 1 else 0)
        if one.level == 2:
            one.find_callers(state)
            self._unsure = frozenset().union(*(other.callers for other in self._paused))
        for other in self._states:
            other.stack = [
                (code, -abs(line) if code is one.code or abs(line) in self._unsure else line, top)
                for code, line, top in other.stack
            ]
            if other.code is one.code and other is not state:  # `state` is about to add its row
                self._emit(other, one.code, -abs(other.lines[other.used - 1]))

    def _switch_on(self, one: CodeLines, now: int) -> None:
        self._paused.remove(one)
        if one.level == 2:
            # Rows of the callers that are not handed over yet were made without this code's events.
            for state in self._states:
                for row in range(state.used):
                    if state.lines[row] in self._unsure:
                        state.lines[row] = -state.lines[row]
            self._unsure = frozenset().union(*(other.callers for other in self._paused))
            one.callers = set()
        one.level = 0
        one.on_since = now
        one.pause = min(2 * one.pause, LONGEST_PAUSE_NS)
        self._read_anew(one.code)
        _monitoring.set_local_events(self._tool, one.code, all_events())

    def _check_unwinding(self) -> None:
        """Stop looking at exceptions when other code leaves its frames by too many of them."""
        now = monotonic_ns()
        since, self._unwind_last = now - self._unwind_last, now
        if since * SHARE < CHUNK * self._budget.event_ns / 2 and self._lock.acquire(blocking=False):
            try:
                if self._tool >= 0:
                    self._unwind_until = now + FIRST_PAUSE_NS
                    _monitoring.set_events(self._tool, 0)
            finally:
                self._lock.release()

    def _read_anew(self, code: CodeType | None) -> None:
        """Have the stacks that end in `code`, or all, read again at their next event.

        A thread that executes none of the cell's code any more has no next event.
        """
        frames = sys._current_frames()
        for state in self._states:
            if state.code is None or (code is not None and state.code is not code):
                continue
            frame = frames.get(state.ident)
            while frame is not None and id(frame.f_code) not in self._codes:
                frame = frame.f_back
            if frame is not None:
                state.code = _UNKNOWN
            else:
                state.code, line, state.top = state.stack[0] if state.stack else BOTTOM
                state.stack = []
                self._emit(state, self._first_code(), line)

    def _forget_dead_threads(self) -> None:
        alive = set(sys._current_frames())
        for state in [state for state in self._states if state.ident not in alive]:
            self._hand_over(state)
            self._gone_frames += state.frames
            self._states.remove(state)

    def _first_code(self) -> CodeType:
        return next(iter(self._codes.values())).code

    def _watch(self, code: CodeType, top: bool) -> None:
        """Switch on the events of a code object and of those inside it."""
        for one in nested(code):
            if id(one) not in self._codes:
                self._codes[id(one)] = CodeLines(one, top and one is code)
                _monitoring.set_local_events(self._tool, one, all_events())


def calibrate() -> int:
    """What one line event costs here, in ns: measured in some 0.3 ms."""
    code = compile("for _ in range(100):\n    0", "<inferscope calibration>", "exec")

    def fastest() -> int:
        best = 1 << 60
        for _ in range(5):
            begin = monotonic_ns()
            exec(code, {})
            best = min(best, monotonic_ns() - begin)
        return best

    plain = fastest()
    lines = MonitoredLines(Outbox("", lambda _: None, 0), DEFAULT_EVENT_NS)
    tool = free_tool()
    if tool is None:
        return DEFAULT_EVENT_NS
    lines._register(tool)
    lines._watch(code, True)
    rows = 0
    try:
        with_events = 1 << 60
        for _ in range(5):
            lines._threads.state.used = 0
            begin = monotonic_ns()
            exec(code, {})
            with_events = min(with_events, monotonic_ns() - begin)
            rows = lines._threads.state.used
    finally:
        lines.disarm()
    return max(20, (with_events - plain) // max(rows, 1))
