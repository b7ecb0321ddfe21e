"""What the recorder has seen and not yet sent: columns, bounded, in batches.

Any thread may add; one thread at a time sends. Adding takes no lock, so that it
can happen inside callbacks of the interpreter, and drops and counts what is over
its bound instead of waiting.

The bound: `MAX_CHUNKS` chunks of line events (14 MiB), `MAX_MARKS` marks with at
most a KiB of attributes each, and `MAX_ROWS` rows of each other kind; some 40 MiB
if everything is full.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from . import _wire

if TYPE_CHECKING:
    from .loops import Turns

# The file name under which frames of the cell's own code travel: timeline.CellFile.
CELL_FILE = "<cell>"

# A message carries at least this much, but for the last one of a cell.
BATCH_BYTES = 64 * 1024
# As the top of a line event: the line itself.
SELF = -1
# Line events in one chunk: a thread hands them over when it has as many.
CHUNK = 256
_CHUNK_BYTES = 16 * CHUNK
MAX_CHUNKS = 1024
MAX_MARKS = 8192
MAX_ROWS = 65_536
# Rows of one kind in one message; keeps a message far below _wire.MAX_FRAME.
_MESSAGE_ROWS = 16_384

_T = TypeVar("_T")

Send = Callable[[_wire.Events], object]


class ScopeRow(NamedTuple):
    """A finished scope. Times are CLOCK_MONOTONIC ns."""

    tid: int
    start: int
    end: int
    name: str
    depth: int


class MarkRow(NamedTuple):
    """An instant; attributes is a JSON object."""

    tid: int
    time: int
    name: str
    attributes: str


class GCRow(NamedTuple):
    """One run of the garbage collector."""

    tid: int
    start: int
    end: int
    generation: int
    collected: int


class SampleRow(NamedTuple):
    """One sample of one thread. `stack` is (function, file, line), deepest first."""

    tid: int
    time: int
    kind: int
    stack: tuple[tuple[str, str, int], ...]


class FunctionRow(NamedTuple):
    """The totals of one function; times are ns."""

    function: str
    file: str
    line: int
    calls: int
    self_ns: int
    total_ns: int
    off: bool


class _Lines(NamedTuple):
    """A chunk as it was taken; turned into columns when it is sent, outside of the user's code."""

    tid: int
    times: list[int]
    lines: list[int]
    tops: list[int]


class Outbox:
    """Takes rows from any thread and hands them to `send` in batches.

    Args:
        cell_id: The cell that the rows belong to.
        send: Takes a message; what it raises is counted as a loss.
        sample_period_ns: The time that one sample stands for.
        line_offset: Added to each line of the code to give the line the user sees.
    """

    def __init__(self, cell_id: str, send: Send, sample_period_ns: int, line_offset: int = 0) -> None:
        self._offset = line_offset
        self._cell_id = cell_id
        self._send = send
        self._period = sample_period_ns
        self._lines: deque[_Lines] = deque()
        self._scopes: deque[ScopeRow] = deque()
        self._marks: deque[MarkRow] = deque()
        self._gc: deque[GCRow] = deque()
        self._samples: deque[SampleRow] = deque()
        self._threads: dict[int, str] = {}
        self._sent_threads: dict[int, str] = {}
        self._dropped: dict[str, int] = {}
        self.line_rows = 0
        # Counts the turns of loops, if somebody asks.
        self.turns: Turns | None = None

    def name_thread(self, tid: int, name: str) -> None:
        """Say what a thread is called; the last name wins."""
        self._threads[tid] = name

    def add_lines(self, tid: int, times: list[int], lines: list[int], tops: list[int]) -> None:
        """Take at most `CHUNK` line events of one thread, sorted by time and later than those before.

        The lists are kept, and must not change. Lines are those of the code, without the offset.
        """
        count = len(times)
        if self.turns is not None and tid == self.turns.tid:
            self.turns.add(lines)
        if len(self._lines) >= MAX_CHUNKS:
            self._drop("line events", count)
            return
        self.line_rows += count
        self._lines.append(_Lines(tid, times, lines, tops))

    def spoil_turns(self) -> None:
        """Some lines of the cell's top level will be missing."""
        if self.turns is not None:
            self.turns.spoil()

    def add_scope(self, row: ScopeRow) -> None:
        """Take a finished scope."""
        if len(self._scopes) >= MAX_ROWS:
            self._drop("scopes", 1)
        else:
            self._scopes.append(row)

    def add_mark(self, row: MarkRow) -> None:
        """Take an instant."""
        if len(self._marks) >= MAX_MARKS:
            self._drop("marks", 1)
        else:
            self._marks.append(row)

    def add_gc(self, row: GCRow) -> None:
        """Take a run of the garbage collector."""
        if len(self._gc) >= MAX_ROWS:
            self._drop("runs of the garbage collector", 1)
        else:
            self._gc.append(row)

    def add_sample(self, row: SampleRow) -> None:
        """Take a sample."""
        if len(self._samples) >= MAX_ROWS:
            self._drop("samples", 1)
        else:
            self._samples.append(row)

    def pending_bytes(self) -> int:
        """About how much a message with everything would carry."""
        return (
            _CHUNK_BYTES * len(self._lines)
            + 28 * len(self._scopes)
            + 64 * len(self._marks)
            + 29 * len(self._gc)
            + 20 * len(self._samples)
        )

    def flush(self, everything: bool = False, functions: Iterable[FunctionRow] = ()) -> None:
        """Send what is there if it fills a batch, or all of it.

        Only one thread may flush at a time. Takes no longer than `send` does.

        Args:
            everything: Send also what does not fill a batch.
            functions: The totals of functions, for the last message.
        """
        rows = list(functions)
        while self.pending_bytes() >= BATCH_BYTES or (everything and self._anything(rows)):
            self._send_one(rows[:_MESSAGE_ROWS])
            rows = rows[_MESSAGE_ROWS:]

    def dropped(self) -> list[_wire.Loss]:
        """What was lost here, as losses."""
        return [
            _wire.Loss(source="python", reason=f"{what} were dropped: the sidecar did not take them in time", count=n)
            for what, n in self._dropped.items()
        ]

    def _anything(self, functions: list[FunctionRow]) -> bool:
        return bool(functions or self.pending_bytes() or self._threads != self._sent_threads)

    def _send_one(self, functions: list[FunctionRow]) -> None:
        strings = _Strings()
        lines = self._take_lines()
        scopes = _take(self._scopes)
        marks = _take(self._marks)
        gc = _take(self._gc)
        samples = _take(self._samples)
        threads = dict(self._threads)
        message = _wire.Events(
            cell_id=self._cell_id,
            threads=[
                _wire.Thread(tid=tid, name=_clean(name))
                for tid, name in threads.items()
                if self._sent_threads.get(tid) != name
            ],
            lines=lines,
            scopes=_scope_columns(scopes, strings),
            marks=_mark_columns(marks, strings),
            gc=_gc_columns(gc),
            samples=_sample_columns(samples, self._period, strings),
            calls=_function_columns(functions, strings),
            strings=strings.values,
        )
        self._sent_threads = threads
        try:
            self._send(message)
        except Exception:
            self._drop("line events", sum(len(one.line) // 4 for one in lines))
            self._drop("scopes", len(scopes))
            self._drop("marks", len(marks))
            self._drop("runs of the garbage collector", len(gc))
            self._drop("samples", len(samples))
            self._drop("totals of functions", len(functions))

    def _take_lines(self) -> list[_wire.LineColumns]:
        """The waiting line columns, joined by thread."""
        by_thread: dict[int, list[_Lines]] = {}
        for _ in range(8 * BATCH_BYTES // _CHUNK_BYTES):
            if not self._lines:
                break
            chunk = self._lines.popleft()
            by_thread.setdefault(chunk.tid, []).append(chunk)
        return [
            _wire.LineColumns(
                tid=tid,
                time=_int64(at for chunk in chunks for at in chunk.times),
                line=_int32(_visible(line, self._offset) for chunk in chunks for line in chunk.lines),
                top=_int32(
                    _visible(abs(line) if top == SELF else top, self._offset)
                    for chunk in chunks
                    for line, top in zip(chunk.lines, chunk.tops, strict=True)
                ),
            )
            for tid, chunks in by_thread.items()
        ]

    def _drop(self, what: str, count: int) -> None:
        if count:
            self._dropped[what] = self._dropped.get(what, 0) + count


class _Strings:
    """The strings of one message, each once."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._index: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        index = self._index.get(text)
        if index is None:
            index = self._index[text] = len(self.values)
            self.values.append(_clean(text))
        return index


def _scope_columns(rows: list[ScopeRow], strings: _Strings) -> _wire.ScopeColumns:
    return _wire.ScopeColumns(
        tid=_int32(row.tid for row in rows),
        start=_int64(row.start for row in rows),
        end=_int64(row.end for row in rows),
        name=_int32(strings(row.name) for row in rows),
        depth=_int32(row.depth for row in rows),
    )


def _mark_columns(rows: list[MarkRow], strings: _Strings) -> _wire.MarkColumns:
    return _wire.MarkColumns(
        tid=_int32(row.tid for row in rows),
        time=_int64(row.time for row in rows),
        name=_int32(strings(row.name) for row in rows),
        attributes=_int32(strings(row.attributes) for row in rows),
    )


def _gc_columns(rows: list[GCRow]) -> _wire.GCColumns:
    return _wire.GCColumns(
        tid=_int32(row.tid for row in rows),
        start=_int64(row.start for row in rows),
        end=_int64(row.end for row in rows),
        generation=bytes(min(row.generation, 255) for row in rows),
        collected=_int64(row.collected for row in rows),
    )


def _sample_columns(rows: list[SampleRow], period: int, strings: _Strings) -> _wire.SampleColumns:
    frames = array("i")
    places: dict[tuple[tuple[str, str, int], ...], int] = {}
    stacks: list[int] = []
    for row in rows:
        place = places.get(row.stack)
        if place is None:
            place = places[row.stack] = len(frames)
            for function, file, line in row.stack:
                frames.extend((strings(function), strings(file), line))
            frames.append(-1)
        stacks.append(place)
    return _wire.SampleColumns(
        period_ns=period,
        tid=_int32(row.tid for row in rows),
        time=_int64(row.time for row in rows),
        kind=bytes(row.kind for row in rows),
        stack=_int32(stacks),
        frames=_bytes(frames),
    )


def _function_columns(rows: list[FunctionRow], strings: _Strings) -> _wire.FunctionColumns:
    return _wire.FunctionColumns(
        function=_int32(strings(row.function) for row in rows),
        file=_int32(strings(row.file) for row in rows),
        line=_int32(row.line for row in rows),
        calls=_int64(row.calls for row in rows),
        self_ns=_int64(row.self_ns for row in rows),
        total_ns=_int64(row.total_ns for row in rows),
        off=bytes(row.off for row in rows),
    )


def _take(rows: deque[_T]) -> list[_T]:
    taken: list[_T] = []
    while rows and len(taken) < _MESSAGE_ROWS:
        taken.append(rows.popleft())
    return taken


def _visible(line: int, offset: int) -> int:
    """The line the user sees; negative and no lines stay so."""
    return line + offset if line > 0 else line - offset if line else 0


def _clean(text: str) -> str:
    """Text that a message can carry: lone surrogates are not UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _int32(values: Iterable[int]) -> bytes:
    return _bytes(array("i", values))


def _int64(values: Iterable[int]) -> bytes:
    return _bytes(array("q", values))


def _bytes(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
