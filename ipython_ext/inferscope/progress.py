"""How a cell or a script goes on: what can be told of it while it runs, and the words for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import _wire


@dataclass(frozen=True)
class Progress:
    """What the sidecar tells of a collection that goes on.

    Attributes:
        events: What has been recorded so far.
        gpu_busy: The share of the time that the busiest GPU was busy; negative when there is none to tell.
        sm_activity: The share of its SMs that had work, of the GPU where it was most; negative when none tells.
        gpu_power: What the GPUs draw, in watts; negative when there is none to tell.
        kernel_rate: Kernels a second; negative when none are recorded.
        waits: What the thread that runs the code waits for, as in "the network"; empty when it runs.
    """

    events: int
    gpu_busy: float = -1.0
    sm_activity: float = -1.0
    gpu_power: float = -1.0
    kernel_rate: float = -1.0
    waits: str = ""


class Pace:
    """How long something has been going on, and the CPUs that the process used of late."""

    def __init__(self) -> None:
        self._begin = self._last = time.monotonic()
        self._cpu = time.process_time()

    def measure(self) -> tuple[float, float]:
        """Seconds since the start, and the CPUs that the process used since the last call."""
        now, cpu = time.monotonic(), time.process_time()
        used = (cpu - self._cpu) / max(now - self._last, 1e-9)
        self._last, self._cpu = now, cpu
        return now - self._begin, used


def of_status(status: _wire.Status) -> Progress:
    """What a status of the sidecar tells of the collection that goes on."""
    s = status
    return Progress(s.events, s.gpu_busy, s.sm_activity, s.gpu_power_w, s.kernel_rate, s.waits)


def duration(seconds: float) -> str:
    """A time in words: whole seconds, and minutes from the first on."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def machine_parts(seconds: float, cpus: float, progress: Progress | None) -> list[str]:
    """What is told of the machine, shortest first: the time, CPUs, GPUs."""
    parts = [duration(seconds), f"CPU {cpus:.0%}"]
    if progress is not None and progress.gpu_busy >= 0:
        parts.append(f"GPU {progress.gpu_busy:.0%}")
    if progress is not None and progress.sm_activity >= 0:
        parts.append(f"SMs {progress.sm_activity:.0%}")
    if progress is not None and progress.gpu_power >= 0:
        parts.append(f"{progress.gpu_power:.0f} W")
    if progress is not None and progress.kernel_rate > 0:
        parts.append(f"{float(f'{progress.kernel_rate:.2g}'):,.0f} kernels a second")
    return parts
