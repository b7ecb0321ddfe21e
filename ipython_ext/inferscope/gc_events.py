"""Runs of the garbage collector, by `gc.callbacks`."""

from __future__ import annotations

import gc
import threading
from time import monotonic_ns
from typing import Any

from . import _wire
from .columns import GCRow, Outbox

# Cells that allocate much collect tens of thousands of times a second. Beyond so
# many rows in a window, runs shorter than _SHORT_NS are only counted.
_WINDOW_NS = 100_000_000
_ROWS_A_WINDOW = 500
_SHORT_NS = 20_000
# About what the two callbacks of one run cost.
_RUN_NS = 900


class GCEvents:
    """Records the collector's runs between `start` and `stop`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._begin = 0
        self._window = 0
        self._in_window = 0
        self._runs = 0
        self._short = 0
        self._short_ns = 0
        self.losses: list[_wire.Loss] = []

    def start(self) -> None:
        """Begin."""
        gc.callbacks.append(self._on_gc)

    def stop(self) -> None:
        """End."""
        self.disarm()
        if self._short:
            reason = f"collections shorter than {_SHORT_NS // 1000} us, {self._short_ns / 1e6:.1f} ms together"
            self.losses.append(_wire.Loss(source="python", reason=reason, count=self._short))

    def disarm(self) -> None:
        """Take the callback back; also in a forked child."""
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    def cost_ns(self) -> int:
        """About how much time the callbacks took."""
        return self._runs * _RUN_NS

    def _on_gc(self, phase: str, info: dict[str, Any]) -> None:
        # The collector runs on one thread at a time, and does not nest.
        if phase == "start":
            self._begin = monotonic_ns()
            return
        end = monotonic_ns()
        begin, self._begin = self._begin, 0
        if not begin:
            return
        self._runs += 1
        if end - self._window > _WINDOW_NS:
            self._window, self._in_window = end, 0
        self._in_window += 1
        if self._in_window > _ROWS_A_WINDOW and end - begin < _SHORT_NS:
            self._short += 1
            self._short_ns += end - begin
            return
        self._outbox.add_gc(
            GCRow(threading.get_native_id(), begin, end, info.get("generation", 0), info.get("collected", 0))
        )
