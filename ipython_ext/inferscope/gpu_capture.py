"""Capture of one cell's GPU work: tells the C shim when, and says what could not be seen.

The shim writes records of kernels, copies and CUDA calls into shared memory that the sidecar owns; nothing of them
passes through Python. Capture begins only when CUDA is in use: before that the shim is armed, and CUDA's own
initialisation starts it, through the environment variable ``CUDA_INJECTION64_PATH``.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import _settings, _wire, gpu
from .gpu import shim_path
from .gpu_devices import DeviceWatch, MultiGpuError

__all__ = ["Capture", "CaptureSummary", "MultiGpuError", "candidates"]

_INJECTION = "CUDA_INJECTION64_PATH"
_MULTIPLE_SUBSCRIBERS = 39
# The device is waited for in slices, so that an interrupt gets through, and not for ever.
_EARLIER_SLICE_MS = 250
_EARLIER_SECONDS = 10.0
_DRAIN_SLICE_MS = 50
_DRAIN_SECONDS = 60.0
# Begins a reason by which the analysis knows that GPU work is missing.
_NOT_CAPTURED = "GPU work was not captured: "


class _Options(ctypes.Structure):
    """``struct inferscope_options``."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("finalize", ctypes.c_uint32),
        ("buffer_bytes", ctypes.c_uint32),
        ("max_buffers", ctypes.c_uint32),
        ("correlation", ctypes.c_uint32),
        ("drain_ms", ctypes.c_uint32),
        ("budget_ppm", ctypes.c_uint32),
        ("devices_fd", ctypes.c_int32),
        ("run_soon", ctypes.c_void_p),
        ("earlier_ns", ctypes.c_uint64),
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
        ("busy", ctypes.c_uint32),
        ("windows", ctypes.c_uint32),
        ("step", ctypes.c_char * 48),
        ("detail", ctypes.c_char * 208),
        ("library", ctypes.c_char * 512),
        ("worked", ctypes.c_uint64),
        ("ungoverned", ctypes.c_uint32),
        ("records_used", ctypes.c_uint32),
    ]


@dataclass(frozen=True)
class CaptureSummary:
    """What a capture did.

    Attributes:
        started: CUPTI was on for at least a part of the cell.
        losses: What was not seen, for the report.
        records: How many records were written.
        stop_ns: What ending the capture took, the wait for the device included.
        windows: Into how many windows the overhead governor cut the capture; 0 when it was whole.
        devices: The devices that worked, by CUDA's ordinal.
    """

    started: bool = False
    losses: list[_wire.Loss] = field(default_factory=list)
    records: int = 0
    stop_ns: int = 0
    windows: int = 0
    devices: tuple[int, ...] = ()


class Capture:
    """GPU capture around one cell: `begin`, then `end`, on any thread. Neither raises, but for an interrupt in `end`.

    Args:
        finalize: Take CUPTI out of the process at the end, where that is safe.
        budget: The share of the cell's time that capture may cost. When it would cost more, capture goes on in windows,
            if `begin` is called on the process's main thread; 0 captures the cell whole, whatever that costs.
        several_devices: Let the cell use more than one device. Otherwise `MultiGpuError` is raised in it.
        kind: What is captured, for sentences: "cell" or "script".
        shim: Another shim library than the package's own.
    """

    def __init__(
        self,
        *,
        finalize: bool = True,
        budget: float = _settings.GPU_BUDGET,
        several_devices: bool = False,
        kind: str = "cell",
        shim: Path | None = None,
    ) -> None:
        self._finalize = finalize
        self._budget = budget
        self._watch = None if several_devices else DeviceWatch(kind)
        self._path = shim or shim_path()
        self._library: ctypes.CDLL | None = None
        self._why = ""
        self._injected = False
        self._foreign = ""

    @property
    def failure(self) -> str:
        """Why `begin` neither started nor armed the capture, as a sentence's part; empty when it did."""
        return self._why.removeprefix(_NOT_CAPTURED)

    def begin(self, ring_path: str) -> None:
        """Start capture, or arm it when CUDA is not in use yet.

        Args:
            ring_path: The shared memory that the sidecar reads; empty for no capture.
        """
        if not ring_path:
            return
        try:
            self._begin(ring_path)
        except Exception as error:
            self._why = f"{_NOT_CAPTURED}{error!r}"
        if self._library is None:
            self._disarm()

    def _begin(self, ring_path: str) -> None:
        self._why = _holder()
        if self._why:
            return
        try:
            library = _load(self._path)
        except (OSError, AttributeError) as error:
            self._why = f"{_NOT_CAPTURED}the shim cannot be loaded ({error})"
            return
        outcome = _Outcome()
        if library.inferscope_capture_state() != _IDLE:
            library.inferscope_capture_end(ctypes.byref(outcome))  # of a cell whose end was interrupted
        earlier_ns = _wait_for_earlier(library)
        if earlier_ns is None:
            self._why = (
                f"{_NOT_CAPTURED}the GPU was still busy with earlier work after {_EARLIER_SECONDS:.0f} s"
                " (end the earlier cell with torch.cuda.synchronize())"
            )
            return
        self._arm()
        paths = [os.fsencode(path) for path in candidates()]
        array = (ctypes.c_char_p * (len(paths) + 1))(*paths, None)
        options = _Options(
            size=ctypes.sizeof(_Options),
            finalize=int(self._finalize),
            budget_ppm=int(self._budget * 1e6),
            devices_fd=self._watch.start(library) if self._watch is not None else -1,
            run_soon=_run_soon(),
            earlier_ns=earlier_ns,
        )
        begin = library.inferscope_capture_begin
        if begin(os.fsencode(ring_path), array, ctypes.byref(options), ctypes.byref(outcome)) != 0:
            self._why = _explain(outcome)
            return
        self._library = library
        if library.inferscope_capture_state() == _ON:
            self._disarm()

    @property
    def on(self) -> bool:
        """Whether CUPTI is on at the moment."""
        return self._library is not None and self._library.inferscope_capture_state() == _ON

    def end(self) -> CaptureSummary:
        """Wait for the device's work, and stop capture. Does nothing when `begin` did nothing."""
        library, self._library = self._library, None
        try:
            if library is None:
                return CaptureSummary(losses=[_loss(self._why)] if self._why else [])
            return self._end(library)
        except Exception as error:
            return CaptureSummary(losses=[_loss(f"GPU capture did not end well: {error!r}")])
        finally:
            self._disarm()
            if self._watch is not None:
                self._watch.stop()

    def _end(self, library: ctypes.CDLL) -> CaptureSummary:
        start = time.monotonic_ns()
        stopped_waiting = _drain(library)
        outcome = _Outcome()
        losses = []
        failed = library.inferscope_capture_end(ctypes.byref(outcome)) != 0
        stop_ns = time.monotonic_ns() - start
        if failed:
            losses.append(_loss(_explain(outcome)))
        elif outcome.started and outcome.busy:
            losses.append(_loss(f"{stopped_waiting}: the operations that it had not finished are missing"))
        elif outcome.started and self._finalize and not outcome.finalized:
            losses.append(_loss("CUPTI could not be taken out again: launches stay a little slower in this process"))
        elif not outcome.started and self._foreign and gpu.probe().in_use:
            losses.append(
                _loss(
                    f"CUDA was initialised with {_INJECTION}={self._foreign}, which is another tool's:"
                    " GPU work of this cell was not captured, that of the next cell will be"
                )
            )
        if outcome.ungoverned:
            losses.append(_loss(_UNGOVERNED[outcome.ungoverned]))
        return CaptureSummary(
            started=bool(outcome.started),
            losses=losses,
            records=outcome.records,
            stop_ns=stop_ns,
            windows=outcome.windows,
            devices=tuple(device for device in range(64) if outcome.worked >> device & 1),
        )

    def _arm(self) -> None:
        """Let CUDA's initialisation tell the shim, unless another tool asked for that first."""
        self._foreign = os.environ.get(_INJECTION, "")
        if not self._foreign:
            os.environ[_INJECTION] = str(self._path)
            self._injected = True

    def _disarm(self) -> None:
        """Leave the environment as it was: what is started between cells shall know nothing of us."""
        if self._injected and os.environ.get(_INJECTION) == str(self._path):
            del os.environ[_INJECTION]
        self._injected = False


_IDLE, _ON = 0, 2
# cupti_find's word for it
_NO_LIBRARY = "no CUPTI library was found"
# enum inferscope_ungoverned
_OVER_BUDGET = "GPU capture cost more than its budget and could not be cut into windows: "
_UNGOVERNED = {
    1: _OVER_BUDGET + "several threads use CUDA at the same time",
    2: _OVER_BUDGET + "CUPTI may not be taken out of this process",
}


def _run_soon() -> int | None:
    """Python's way to call a C function between two instructions of the main thread; None on another thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return ctypes.cast(ctypes.pythonapi.Py_AddPendingCall, ctypes.c_void_p).value


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    version = library.inferscope_shim_version()
    if version != gpu.SHIM_VERSION:
        raise OSError(f"{path.name} has version {version}, not {gpu.SHIM_VERSION}")
    outcome = ctypes.POINTER(_Outcome)
    library.inferscope_capture_begin.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.POINTER(_Options), outcome)
    library.inferscope_capture_earlier.argtypes = (ctypes.c_uint32,)
    library.inferscope_capture_drain.argtypes = (ctypes.c_uint32,)
    library.inferscope_capture_end.argtypes = (outcome,)
    library.inferscope_capture_worked.argtypes = ()
    library.inferscope_capture_worked.restype = ctypes.c_uint64
    library.inferscope_device_name.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    return library


def _wait_for_earlier(library: ctypes.CDLL) -> int | None:
    """Wait until the device has done what it was asked before.

    Returns:
        How many ns that took; None when the wait was given up.
    """
    start = time.monotonic_ns()
    while not library.inferscope_capture_earlier(_EARLIER_SLICE_MS):
        if time.monotonic_ns() - start > _EARLIER_SECONDS * 1e9:
            return None
    return time.monotonic_ns() - start


def _drain(library: ctypes.CDLL) -> str:
    """Wait for the device; the result says why the wait was given up, if it was."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    try:
        while not library.inferscope_capture_drain(_DRAIN_SLICE_MS):
            if time.monotonic() > deadline:
                return f"the device was still busy {_DRAIN_SECONDS:.0f} s after the cell's end"
    except KeyboardInterrupt:
        # The cell is over; what the user wants to stop is this wait.
        return "the device was still busy when the wait for it was interrupted"
    return "the device could not be waited for"


def candidates() -> list[str]:
    """CUPTI libraries to try when the process has none loaded, the likeliest first."""
    relative = [
        "nvidia/cu13/lib/libcupti.so.13",
        "nvidia/cuda_cupti/lib/libcupti.so.12",
        "nvidia/cuda_cupti/lib/libcupti.so.11.8",
        "triton/backends/nvidia/lib/cupti/libcupti.so",
    ]
    names = ["libcupti.so.13", "libcupti.so.12"]
    major = str(getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None) or "").split(".")[0]
    if major:
        # One of another major version would not know the driver calls of this one.
        for paths in (relative, names):
            paths.sort(key=lambda path: f".so.{major}" not in path)
    found = [str(Path(place) / name) for name in relative for place in sys.path if place and isinstance(place, str)]
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home:
            found.append(str(Path(home) / "extras/CUPTI/lib64/libcupti.so"))
    return [path for path in found if Path(path).exists()][:8] + names


def foreseen() -> str:
    """Why CUPTI cannot be used, as far as that shows before it is tried, and what would change it.

    Empty otherwise, and where CUDA is not even loaded: there is nothing to see by other means then.
    """
    why = _holder()
    return why if why and gpu.probe().loaded else ""


def _holder() -> str:
    """Who holds CUPTI in this process, as a sentence; empty when nobody is known to."""
    if os.environ.get("NSYS_PROFILING_SESSION_ID") or os.environ.get("NV_NSIGHT_INJECTION_TRANSPORT_TYPE"):
        return "Nsight Systems or Nsight Compute is profiling this process; run without it to see GPU work"
    # Whatever a module in these places says or raises: at worst, CUPTI's own error 39 tells of a conflict.
    torch = sys.modules.get("torch")
    with suppress(Exception):
        if torch is not None and torch._C._autograd._profiler_enabled():
            return "torch.profiler is active; end its session before the cell to see GPU work"
    with suppress(Exception):
        if getattr(sys.modules.get("triton.profiler.flags"), "profiling_on", False):
            return "Proton is active; finalize its session before the cell to see GPU work"
    with suppress(Exception):
        jax = sys.modules.get("jax._src.profiler")
        if jax is not None and jax._profile_state.profile_session is not None:
            return "a trace of JAX's profiler is active; end it by jax.profiler.stop_trace() to see GPU work"
    return ""


def _explain(outcome: _Outcome) -> str:
    step, detail = outcome.step.decode("utf-8", "replace"), outcome.detail.decode("utf-8", "replace")
    if outcome.cupti_error == _MULTIPLE_SUBSCRIBERS:
        return "another profiler holds CUPTI in this process; end its session to see GPU work"
    if detail == _NO_LIBRARY:
        return f"{_NOT_CAPTURED}{_NO_LIBRARY}; inferscope doctor tells how to install it"
    said = f" ({detail})" if detail else ""
    code = f", CUPTI error {outcome.cupti_error}" if outcome.cupti_error > 0 else ""
    return f"{_NOT_CAPTURED}could not {step}{said}{code}"


def _loss(reason: str) -> _wire.Loss:
    return _wire.Loss(source="cupti", reason=reason)
