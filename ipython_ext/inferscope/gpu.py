"""Whether the profiled process uses CUDA, seen without loading or initialising anything.

A report on a cell must not be silent about GPU work that nothing captured. The answer comes from the C shim, which
looks at the libraries that the process has mapped and the devices that it has open.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

SHIM_VERSION = 3
_PATH_SIZE = 256
_LIBCUDA, _LIBCUDART, _LIBCUPTI, _INJECTION, _INITIALISED = (1 << bit for bit in range(5))

SHIM_NAME = "libinferscope_shim.so"


@dataclass(frozen=True)
class GpuPresence:
    """What is known of CUDA in this process.

    Attributes:
        known: False when the shim could not look; every other field then has its default.
        why: Why ``known`` is false; empty otherwise.
        loaded: The driver's library is mapped. A framework may map it and never use a GPU.
        in_use: CUDA has been initialised in this process.
        libcuda: Where the driver's library was mapped from; may be empty.
        cupti_loaded: CUPTI is mapped, so another profiler may be holding it.
        cupti_version: What CUPTI says of itself (130000 is CUDA 13.0); 0 when unknown.
        injected: The library named by ``CUDA_INJECTION64_PATH`` is mapped.
    """

    known: bool = True
    why: str = ""
    loaded: bool = False
    in_use: bool = False
    libcuda: str = ""
    cupti_loaded: bool = False
    cupti_version: int = 0
    injected: bool = False


class _Presence(ctypes.Structure):
    """``struct inferscope_gpu_presence``, whose layout the header asserts."""

    _fields_ = [
        ("flags", ctypes.c_uint32),
        ("cupti_version", ctypes.c_uint32),
        ("libcuda", ctypes.c_char * _PATH_SIZE),
        ("libcupti", ctypes.c_char * _PATH_SIZE),
    ]


def shim_path() -> Path:
    """The shim's place in the installed package; it need not exist."""
    return Path(__file__).parent / "_bin" / SHIM_NAME


def probe(shim: Path | None = None) -> GpuPresence:
    """Looks at this process. Never raises; takes well under a millisecond after the first call.

    Args:
        shim: Another shim library than the package's own.
    """
    path = shim or shim_path()
    try:
        library = ctypes.CDLL(str(path))
        library.inferscope_shim_version.restype = ctypes.c_uint32
        library.inferscope_shim_version.argtypes = ()
        version = library.inferscope_shim_version()
        if version != SHIM_VERSION:
            return GpuPresence(known=False, why=f"{path.name} has version {version}, not {SHIM_VERSION}")
        look = library.inferscope_gpu_probe
        look.argtypes = (ctypes.POINTER(_Presence), ctypes.c_char_p, ctypes.c_char_p)
        look.restype = ctypes.c_int
        presence = _Presence()
        injection = os.environ.get("CUDA_INJECTION64_PATH", "")
        look(ctypes.byref(presence), os.fsencode(injection).split(b"\0")[0], None)
    except (OSError, AttributeError) as error:
        return GpuPresence(known=False, why=str(error))
    flags = presence.flags
    return GpuPresence(
        loaded=bool(flags & (_LIBCUDA | _LIBCUDART)),
        in_use=bool(flags & _INITIALISED),
        libcuda=os.fsdecode(presence.libcuda),
        cupti_loaded=bool(flags & _LIBCUPTI),
        cupti_version=presence.cupti_version,
        injected=bool(flags & _INJECTION),
    )
