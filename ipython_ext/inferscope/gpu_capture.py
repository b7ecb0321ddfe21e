"""Capture of one cell's GPU work: tells the C shim when, and says what could not be seen.

The shim writes records of kernels, copies and CUDA calls into shared memory that the sidecar owns; nothing of them
passes through Python. Capture begins only when CUDA is in use: before that the shim is armed, and CUDA's own
initialisation starts it, through the environment variable ``CUDA_INJECTION64_PATH``.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from . import _wire
from .gpu import shim_path

_INJECTION = "CUDA_INJECTION64_PATH"
_FINALIZE_SINCE = 24  # CUPTI's API version of CUDA 12.6: before it, finalizing with CUDA graphs crashed
_MULTIPLE_SUBSCRIBERS = 39


class _Options(ctypes.Structure):
    """``struct inferscope_options``."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("finalize", ctypes.c_uint32),
        ("buffer_bytes", ctypes.c_uint32),
        ("max_buffers", ctypes.c_uint32),
        ("correlation", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class _Outcome(ctypes.Structure):
    """``struct inferscope_outcome``."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("cupti_error", ctypes.c_int32),
        ("version", ctypes.c_uint32),
        ("started", ctypes.c_uint32),
        ("finalized", ctypes.c_uint32),
        ("devices", ctypes.c_uint32),
        ("records", ctypes.c_uint64),
        ("on_ns", ctypes.c_uint64),
        ("start_cost_ns", ctypes.c_uint64),
        ("stop_cost_ns", ctypes.c_uint64),
        ("step", ctypes.c_char * 48),
        ("detail", ctypes.c_char * 208),
        ("library", ctypes.c_char * 512),
    ]


@dataclass(frozen=True)
class CaptureSummary:
    """What a capture did.

    Attributes:
        started: CUPTI was on for at least a part of the cell.
        losses: What was not seen, for the report.
        records: How many records were written.
        stop_ns: What ending the capture took, the wait for the device included.
    """

    started: bool = False
    losses: list[_wire.Loss] = field(default_factory=list)
    records: int = 0
    stop_ns: int = 0


class Capture:
    """GPU capture around one cell: `begin`, then `end`, on any thread. Neither raises."""

    def __init__(self, *, finalize: bool = True, shim: Path | None = None) -> None:
        self._finalize = finalize
        self._path = shim or shim_path()
        self._library: ctypes.CDLL | None = None
        self._why = ""

    def begin(self, ring_path: str) -> None:
        """Start capture, or arm it when CUDA is not in use yet.

        Args:
            ring_path: The shared memory that the sidecar reads; empty for no capture.
        """
        if not ring_path:
            return
        holder = _holder()
        if holder:
            self._why = holder
            return
        try:
            library = ctypes.CDLL(str(self._path))
            begin = library.inferscope_capture_begin
            begin.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(_Options), ctypes.POINTER(_Outcome))
            begin.restype = ctypes.c_int
        except (OSError, AttributeError) as error:
            self._why = f"the shim cannot be loaded: {error}"
            return
        arm(self._path)
        paths = [os.fsencode(path) for path in candidates()]
        array = (ctypes.c_char_p * (len(paths) + 1))(*paths, None)
        options = _Options(size=ctypes.sizeof(_Options), finalize=int(self._finalize))
        outcome = _Outcome()
        if begin(os.fsencode(ring_path), array, ctypes.byref(options), ctypes.byref(outcome)) != 0:
            self._why = _explain(outcome)
            return
        self._library = library

    def end(self) -> CaptureSummary:
        """Wait for the device's work, and stop capture. Does nothing when `begin` did nothing."""
        library, self._library = self._library, None
        if library is None:
            return CaptureSummary(losses=[_loss(self._why)] if self._why else [])
        library.inferscope_capture_end.argtypes = (ctypes.POINTER(_Outcome),)
        library.inferscope_capture_end.restype = ctypes.c_int
        outcome = _Outcome()
        losses = []
        if library.inferscope_capture_end(ctypes.byref(outcome)) != 0:
            losses.append(_loss(_explain(outcome)))
        elif outcome.started and not outcome.finalized:
            losses.append(_loss("CUPTI could not be taken out again: launches stay a little slower in this process"))
        return CaptureSummary(bool(outcome.started), losses, outcome.records, outcome.stop_cost_ns)


def arm(shim: Path | None = None) -> None:
    """Let CUDA's initialisation tell the shim, unless another tool asked for that first."""
    os.environ.setdefault(_INJECTION, str(shim or shim_path()))


def candidates() -> list[str]:
    """CUPTI libraries to try when the process has none loaded, the likeliest first."""
    relative = (
        "nvidia/cu13/lib/libcupti.so.13",
        "nvidia/cuda_cupti/lib/libcupti.so.12",
        "nvidia/cuda_cupti/lib/libcupti.so.11.8",
        "triton/backends/nvidia/lib/cupti/libcupti.so",
    )
    found = [str(Path(place) / name) for place in sys.path if place for name in relative]
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home:
            found.append(str(Path(home) / "extras/CUPTI/lib64/libcupti.so"))
    return [path for path in found if os.path.exists(path)][:8] + ["libcupti.so.13", "libcupti.so.12"]


def _holder() -> str:
    """Who holds CUPTI in this process, as a sentence; empty when nobody is known to."""
    if os.environ.get("NSYS_PROFILING_SESSION_ID") or os.environ.get("NV_NSIGHT_INJECTION_TRANSPORT_TYPE"):
        return "Nsight Systems or Nsight Compute is profiling this process; run without it to see GPU work"
    torch = sys.modules.get("torch")
    if torch is not None:
        try:
            if torch._C._autograd._profiler_enabled():
                return "torch.profiler is active; end its session before the cell to see GPU work"
        except AttributeError:
            pass  # another version of torch: CUPTI's own error 39 tells
    proton = sys.modules.get("triton.profiler.flags")
    if proton is not None and getattr(proton, "profiling_on", False):
        return "Proton is active; finalize its session before the cell to see GPU work"
    return ""


def _explain(outcome: _Outcome) -> str:
    step, detail = outcome.step.decode("utf-8", "replace"), outcome.detail.decode("utf-8", "replace")
    if outcome.cupti_error == _MULTIPLE_SUBSCRIBERS:
        return "another profiler holds CUPTI in this process; end its session to see GPU work"
    said = f" ({detail})" if detail else ""
    code = f", CUPTI error {outcome.cupti_error}" if outcome.cupti_error > 0 else ""
    return f"GPU work was not captured: could not {step}{said}{code}"


def _loss(reason: str) -> _wire.Loss:
    return _wire.Loss(source="cupti", reason=reason)
