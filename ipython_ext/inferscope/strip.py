"""The live strip of a notebook: one line that says how a cell goes on, while it runs for long.

It is a display of the cell's, the first: made empty before the cell's code runs, so that it neither comes between
what the cell prints nor splits it, and empty again at the end. There it stays, with no height: the protocol's only way
to take an output away, `clear_output`, takes all that the cell has shown. A thread of its own rewrites it, by way of
the thread with which the kernel publishes; the thread that runs the cell may be in C code, or waiting.
"""

from __future__ import annotations

import html
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from . import request, threads
from .loops import Loop, Turns, find
from .progress import Pace, Progress, duration, machine_parts

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .options import CellOptions

# A cell that is over by then has none.
_PATIENCE_S = 1.5
_EVERY_S = 0.5
_LONGEST_LINE = 60
# A time that is left is told once so much of the loop is done.
_LEAST_TURNS = 2
_ENDED = "the cell has ended, the report is being made"
# Not no data at all: nbconvert warns of a display that it cannot represent.
_NOTHING = {"text/html": "", "text/plain": ""}
_STYLE = "font-size:90%;opacity:.85;white-space:nowrap;overflow:hidden;text-overflow:ellipsis"


class Display:
    """One display among a cell's outputs, whatever the thread that rewrites it and whatever the cell captures.

    Args:
        shell: The shell of a kernel, asked on the thread that runs the cell.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        kernel: Any = shell.kernel
        self._session, self._socket = kernel.session, kernel.iopub_socket
        # ipykernel keeps the parent by thread, or by context: another thread would answer to another cell.
        self._parent = request.parent(shell)
        self._id = f"inferscope-{uuid.uuid4().hex}"

    def send(self, data: Mapping[str, str], *, update: bool) -> None:
        """Show, or show instead. Never raises."""
        content = {"data": dict(data), "metadata": {}, "transient": {"display_id": self._id}}
        kind = "update_display_data" if update else "display_data"
        with suppress(Exception):  # a strip that cannot be shown is no failure
            message = self._session.msg(kind, content, parent=self._parent)
            self._session.send(self._socket, message, ident=b"display_data")


def for_cell(shell: InteractiveShell, options: CellOptions, frame: FrameType, offset: int, source: str) -> Strip | None:
    """What shows how a cell goes on; None where nobody looks, or it cannot be made.

    Args:
        shell: The shell that runs the cell, asked on the thread that does.
        options: The user's choices.
        frame: The cell's own frame, which asks for this.
        offset: Added to a line of the cell's code to give the line that the user sees.
        source: The cell's text as the user sees it.
    """
    if options.quiet or not options.live or getattr(shell, "kernel", None) is None:
        return None
    with suppress(Exception):
        if "live" in options.typed or request.watched(shell):
            return Strip(Display(shell), frame, offset, source, find(frame.f_code.co_filename))
    return None


class Strip:
    """Shows how one cell goes on, from `start` to `close`.

    Args:
        display: Where.
        frame: The cell's own frame, which asks for this.
        offset: Added to a line of the cell's code to give the line that the user sees.
        source: The cell's text as the user sees it.
        loops: The loops whose progress is told.
    """

    def __init__(self, display: Display, frame: FrameType, offset: int, source: str, loops: Sequence[Loop]) -> None:
        self._display = display
        self._file, self._names, self._offset = frame.f_code.co_filename, frame.f_globals, offset
        self._source = source.splitlines()
        self._loops = loops
        self._ident = threading.get_ident()
        self._pace = Pace()
        # When each loop was first seen, in seconds, and how far it was.
        self._seen: dict[int, tuple[float, int]] = {}
        self._look: Callable[[], Progress | None] = lambda: None
        self._count: Callable[[int], int | None] = lambda line: None
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._shown = False
        self.turns = Turns(loops, threading.get_native_id())

    def place(self) -> None:
        """Take the place among the cell's outputs; before its code runs."""
        self._display.send(_NOTHING, update=False)

    def start(self, look: Callable[[], Progress | None], count: Callable[[int], int | None]) -> None:
        """Begin; returns at once.

        Args:
            look: Asked by a thread of the strip's for what the sidecar sees.
            count: Tells how often the body of the loop on a line was begun.
        """
        self._look, self._count = look, count
        threads.start("strip", self._run)

    def stop(self) -> None:
        """The cell has ended: nothing more is said of it. May be called twice."""
        self._end.set()
        with self._lock:
            if self._shown:
                self._display.send(_bundle([_ENDED]), update=True)

    def close(self) -> None:
        """Take the strip away. May be called twice."""
        self._end.set()
        with self._lock:
            if self._shown:
                self._shown = False
                self._display.send(_NOTHING, update=True)

    def forget(self) -> None:
        """In a forked child: the strip is the parent's."""
        self._end, self._lock = threading.Event(), threading.Lock()
        self._end.set()
        self._shown = False

    def _run(self) -> None:
        end, patience = self._end, _PATIENCE_S
        while not end.wait(patience):
            patience = _EVERY_S
            with suppress(Exception):  # a strip that cannot be made is no failure
                bundle = _bundle(self._parts())
                with self._lock:
                    if end.is_set():
                        return
                    self._shown = True
                    self._display.send(bundle, update=True)

    def _parts(self) -> list[str]:
        seconds, cpus = self._pace.measure()
        progress = self._look()
        innermost, outermost = self._lines()
        elapsed, *machine = machine_parts(seconds, cpus, progress)
        parts = [elapsed]
        loop = next((loop for loop in self._loops if loop.line <= outermost <= loop.end), None)
        if loop is not None:
            parts += self._loop_parts(loop, seconds)
        if innermost:
            line = innermost + self._offset
            text = self._source[line - 1].strip() if 0 < line <= len(self._source) else ""
            parts.append(f"line {line}: {_cut(text)}")
        if progress is not None and progress.waits:
            parts.append(f"waits for {progress.waits}")
        return parts + machine

    def _lines(self) -> tuple[int, int]:
        """The line of the cell's code that is being executed, and that of its top level; 0 when there is none."""
        frame: FrameType | None = sys._current_frames().get(self._ident)
        innermost = outermost = 0
        while frame is not None:
            if frame.f_code.co_filename == self._file:
                innermost = innermost or frame.f_lineno or 0
                outermost = frame.f_lineno or 0
            frame = frame.f_back
        return innermost, outermost

    def _loop_parts(self, loop: Loop, seconds: float) -> list[str]:
        length, done = loop.length(self._names), loop.index(self._names)
        if done is None:
            begun = self._count(loop.line)
            done = None if begun is None else begun - 1
        if not length or done is None or not 0 <= done < length:
            return []
        parts = [f"{done + 1:,} of {length:,}"]
        since, first = self._seen.setdefault(loop.line, (seconds, done))
        if done - first >= _LEAST_TURNS:
            left = (seconds - since) / (done - first) * (length - done)
            parts.append("almost done" if left < 1 else f"about {duration(float(f'{left:.2g}'))} left")
        return parts


def _bundle(parts: Sequence[str]) -> dict[str, str]:
    text = _printable(" · ".join(parts))
    return {
        "text/plain": f"InferScope: {text}",
        "text/html": f'<div style="{_STYLE}">InferScope: {html.escape(text)}</div>',
    }


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
