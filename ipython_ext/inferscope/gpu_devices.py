"""One GPU a cell: a cell that puts a second one to work is stopped, unless the user allows several.

The C shim sees the first launch, copy or set on each device. Its word comes through an eventfd to a thread of ours,
which raises in the thread that runs the cell, as an interrupt would.
"""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress

from . import threads

_RAISE = ctypes.pythonapi.PyThreadState_SetAsyncExc
_RAISE.argtypes = (ctypes.c_ulong, ctypes.py_object)
_WITHDRAW = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_STOP = 1 << 32


class MultiGpuError(RuntimeError):
    """A cell put more than one GPU to work, and ``multi_gpu`` is ``"reject"``.

    Attributes:
        devices: The devices, by CUDA's ordinal.
    """

    devices: tuple[int, ...] = ()
    _sentence = "The cell uses more than one GPU."

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(arguments or (self._sentence,)))


class DeviceWatch:
    """Stops the cell that uses a second device. `start` on the thread that runs the cell, `stop` on the same.

    One watch serves one cell; it owns its eventfd from `start` to `stop`.

    Args:
        kind: What it stops, for the sentence: "cell" or "script".
    """

    def __init__(self, kind: str = "cell") -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._fd = -1
        self._watching = False
        self._raised = False
        self._thread: threading.Thread | None = None
        self._cell = 0

    def start(self, library: ctypes.CDLL) -> int:
        """Begin to watch; the result is the eventfd that the shim writes to, -1 where there is none to be had.

        Args:
            library: The loaded shim.
        """
        try:
            self._fd = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            return -1
        self._cell = threading.get_ident()
        self._watching = True
        fd = self._fd
        self._thread = threads.start("gpus", lambda: self._wait(library, fd))
        return fd

    def stop(self) -> None:
        """End the watch. An error that was on its way and did not arrive before the cell's end is withdrawn."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            with self._lock:
                self._watching = False
                if self._raised:
                    _WITHDRAW(self._cell, None)
        except MultiGpuError:
            self._watching = False
        with suppress(OSError):
            os.eventfd_write(fd, _STOP)
        if self._thread is not None:
            self._thread.join()
        os.close(fd)

    def _wait(self, library: ctypes.CDLL, fd: int) -> None:
        if os.eventfd_read(fd) >= _STOP:
            return
        worked = library.inferscope_capture_worked()
        devices = tuple(device for device in range(64) if worked >> device & 1)
        kind = type(
            "MultiGpuError",
            (MultiGpuError,),
            {"__module__": "inferscope", "devices": devices, "_sentence": _sentence(library, devices, self._kind)},
        )
        with self._lock:
            if self._watching:
                self._raised = True
                _RAISE(self._cell, kind)


def _sentence(library: ctypes.CDLL, devices: tuple[int, ...], kind: str) -> str:
    names = []
    for device in devices:
        text = ctypes.create_string_buffer(128)
        known = library.inferscope_device_name(device, text, len(text)) == 0 and text.value
        names.append(f"{device} ({text.value.decode(errors='replace')})" if known else str(device))
    listed = " and ".join([", ".join(names[:-1]), names[-1]])
    command = "inferscope run" if kind == "script" else "%%inferscope"
    return (
        f"This {kind} uses more than one GPU: {listed}. InferScope profiles one GPU a {kind} by default, so the"
        f' {kind} was stopped. To profile it on all of them, set multi_gpu = "allow", or write'
        f" {command} --multi-gpu allow."
    )
