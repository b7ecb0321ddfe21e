"""The live line of a script run: one line at the bottom of the terminal, which the script's own output never touches.

The terminal is told to scroll all its rows but the last, which is then rewritten in place; at the end it gets the row
back, empty.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from . import threads
from .progress import Pace, Progress, machine_parts

_EVERY_S = 0.25
# Below this the row is worth more than the line.
_FEWEST_ROWS = 5


class LiveLine:
    """Shows how a run goes on, from `start` to `stop`.

    Args:
        terminal: The descriptor of a terminal; the caller's.
        look: Asked by a thread of the line's for the progress; None while nothing is collected.
    """

    def __init__(self, terminal: int, look: Callable[[], Progress | None]) -> None:
        self._terminal = terminal
        self._look = look
        self._end = threading.Event()
        self._rows = 0
        self._thread: threading.Thread | None = None
        self._pace = Pace()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threads.start("live", self._run)

    def stop(self) -> None:
        """Take the line away. May be called twice."""
        self._end.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(2 * _EVERY_S)
            self._give_back()

    def forget(self) -> None:
        """In a forked child: the line is the parent's."""
        self._thread = None

    def _run(self) -> None:
        while not self._end.wait(_EVERY_S):
            with suppress(Exception):  # a line that cannot be shown is no failure
                self._show(text(*self._pace.measure(), self._look()))

    def _show(self, line: str) -> None:
        columns, rows = os.get_terminal_size(self._terminal)
        if rows < _FEWEST_ROWS or self._end.is_set():
            return
        reserve = ""
        if rows != self._rows:
            # Down and up again: what is on the last row moves out of it. Setting the region moves the cursor.
            reserve = f"\x1bD\x1bM\x1b7\x1b[1;{rows - 1}r\x1b8"
            self._rows = rows
        self._write(f"{reserve}\x1b7\x1b[{rows};1H\x1b[2K{line[: columns - 1]}\x1b8")

    def _give_back(self) -> None:
        rows, self._rows = self._rows, 0
        if rows:
            self._write(f"\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8")

    def _write(self, sequence: str) -> None:
        with suppress(OSError):
            os.write(self._terminal, sequence.encode())


def text(seconds: float, cpus: float, progress: Progress | None) -> str:
    """The words of the line."""
    parts = machine_parts(seconds, cpus, progress)
    parts.insert(2, "not collecting" if progress is None else f"{progress.events:,} events")
    return "inferscope: " + ", ".join(parts)


def wanted(descriptor: int) -> bool:
    """Whether a descriptor is a terminal on which a line can be rewritten."""
    return os.isatty(descriptor) and os.environ.get("TERM", "dumb") != "dumb"
