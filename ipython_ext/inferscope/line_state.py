"""The state of recording lines: of each thread, of each code object, and of the budget."""

from __future__ import annotations

import threading
from types import CodeType, FrameType

from .columns import CHUNK, SELF, Outbox

# Line events may take this share of the wall time, as long as a cell is short; see Budget.
SHARE = 0.01
# The first rows of a cell are exact whatever they cost: 1 to 15 ms in all. A short cell of
# many launches is then known line by line.
FREE_ROWS = 5_000
# Beyond this many rows, the share shrinks, so that the rows of a long cell fit in memory.
_MANY_ROWS = 500_000
# How long events of hot code stay off: at first, and at most.
FIRST_PAUSE_NS = 50_000_000
LONGEST_PAUSE_NS = 1_000_000_000
# Code that had its events on for this long without being too hot starts anew with the first pause.
CALM_NS = 250_000_000

Stack = list[tuple[CodeType | None, int, int]]


class Budget:
    """Tells whether chunks of rows fill too fast, over all threads.

    Args:
        event_ns: What one event costs.
    """

    def __init__(self, event_ns: int) -> None:
        self.event_ns = event_ns
        self._chunk_ns = int(CHUNK * event_ns / SHARE)
        self._last = 0
        self._rows = 0

    def overspent(self, now: int) -> bool:
        """Count a chunk that is full at `now`; whether it came too soon after the one before."""
        since, self._last = now - self._last, now
        self._rows += CHUNK
        return self._rows > FREE_ROWS and since < self._chunk_ns * (1 + self._rows // _MANY_ROWS)


# The stack of a thread below the cell's frames: code, line, top.
BOTTOM: tuple[CodeType | None, int, int] = (None, 0, 0)


class ThreadLines:
    """The rows of one thread that have not been handed over, and its stack of the cell's frames.

    The line being executed is that of the last row: `lines[used - 1]`, which for
    `used == 0` is the last row of the chunk before.
    """

    __slots__ = (
        "code",
        "codes",
        "foreign",
        "frames",
        "ident",
        "lines",
        "stack",
        "tid",
        "times",
        "top",
        "tops",
        "used",
        "yielded",
        "yielded_at",
    )

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self.tid = threading.get_native_id()
        self.times = [0] * CHUNK
        self.lines = [0] * CHUNK
        self.tops = [0] * CHUNK
        # The code object whose event made the row.
        self.codes: list[CodeType | None] = [None] * CHUNK
        self.used = 0
        # The deepest of the cell's code objects on the stack; its callers with their line and top.
        self.code: CodeType | None = None
        self.stack: Stack = []
        self.top = 0
        # The deepest line at the last yield, and where its row is: see MonitoredLines.
        self.yielded = 0
        self.yielded_at = -1
        # How many frames were entered, and how many of other code were left by exceptions.
        self.frames = 0
        self.foreign = 0

    def read_stack(self, codes: dict[int, CodeLines], code: CodeType, frame: FrameType | None) -> None:
        """Set the stack from the thread's frames, the innermost first.

        Args:
            codes: The cell's code objects by their identity.
            code: What the innermost frame of the cell's executes.
            frame: Where to begin.
        """
        found: list[tuple[CodeLines, int]] = []
        while frame is not None:
            one = codes.get(id(frame.f_code))
            if one is not None:
                found.append((one, frame.f_lineno or one.first))
            frame = frame.f_back
        base = self.stack[0] if self.stack else BOTTOM
        if self.code is None:
            base = (None, self.lines[self.used - 1], self.top)
        at, line, top = base
        stack: Stack = []
        for one, here in reversed(found):
            stack.append((at, line, top))
            top = SELF if one.top else abs(line) if top == SELF else top
            at, line = one.code, -here if one.level else here
        if at is not code:  # not on its own stack: cannot be, but must not break the cell
            stack, at, top = [base], code, 0
        self.code, self.stack, self.top = at, stack, top


class CodeLines:
    """One code object of the cell and the state of its events.

    `level` is 0 with all events, 1 without LINE, 2 without any.
    """

    __slots__ = ("at", "callers", "code", "first", "level", "lines", "on_since", "pause", "top", "until")

    def __init__(self, code: CodeType, top: bool) -> None:
        self.code = code
        # The lines of the instructions at which it went on: a generator does so in each turn of its loop.
        self.at: dict[int, int] = {}
        self.top = top
        self.first = code.co_firstlineno
        self.lines = {line for _, _, line in code.co_lines() if line}
        self.level = 0
        self.pause = FIRST_PAUSE_NS
        self.until = 0
        self.on_since = 0
        # Lines that call this code, known while its events are all off.
        self.callers: set[int] = set()

    def find_callers(self, state: ThreadLines) -> None:
        """Take note of the lines that call this code, from the rows of one thread."""
        # A return's row carries the code that returned and the line returned to.
        self.callers = {
            abs(line)
            for line, code in zip(state.lines, state.codes, strict=True)
            if code is self.code and line and abs(line) not in self.lines
        }

    def line_at(self, offset: int) -> int:
        """The line of the instruction at `offset`."""
        known = self.at.get(offset)
        if known is None:
            spans = (line for start, end, line in self.code.co_lines() if start <= offset < end)
            known = self.at[offset] = next(spans, None) or self.first
        return known


class Threads(threading.local):
    """The state of the calling thread, as `state`."""

    def __init__(self, states: list[ThreadLines], outbox: Outbox) -> None:
        self.state = ThreadLines()
        states.append(self.state)
        outbox.name_thread(self.state.tid, thread_name())


def thread_name() -> str:
    """The name of the calling thread; empty when threading does not know it."""
    # Not current_thread(): it would add an entry for a thread that it does not know.
    active = getattr(threading, "_active", {})
    return getattr(active.get(threading.get_ident()), "name", "")
