"""Measures where this interpreter keeps what a Python stack is made of.

The sidecar reads Python frames from outside (in the kernel, when a thread is
switched out or sampled). It needs to know where a thread keeps its thread
state, and the offsets of a few members of frames, code objects and strings.
There is no table of versions: everything is found by looking for values that
Python itself reports, and then checked by walking another thread's stack the
way the kernel will. On any doubt the result is invalid and says why.

Objects are measured in ``calibrate_objects``, frames in ``calibrate_frames``, the thread
state and the runtime here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading
import time
import types

from . import _wire, threads
from .calibrate_frames import (
    measure_frames,
    outer,
    walk_frames,
)
from .calibrate_objects import (
    WORD,
    DoubtError,
    Memory,
    measure_bytes,
    measure_code,
    measure_strings,
    offsets_of,
)
from .calibration_keys import (
    CODE_SIZE,
    INSTRUCTION_IS_INDEX,
    RUNTIME_SIZE,
    RUNTIME_START,
    TSTATE_INNER,
    TSTATE_SLOT,
)

# How far the searches look, in bytes: each is several times what any known platform needs.
_THREAD_AREA = 4096
# PTHREAD_KEYS_2NDLEVEL_SIZE entries of {sequence, value}, or musl's array of pointers.
_KEY_BLOCK = 1024 * 16


# ---- the thread state ----------------------------------------------------------------


def _thread_pointer_bias() -> int:
    """What to add to pthread_self() to get the CPU's thread pointer."""
    if platform.machine() in ("x86_64", "AMD64"):
        return 0
    # arm64: the thread's descriptor lies below its thread pointer. glibc tells how large it is.
    try:
        size = ctypes.c_uint32.in_dll(ctypes.CDLL(None), "_thread_db_sizeof_pthread").value
    except ValueError as error:
        raise DoubtError("the size of a thread's descriptor is not known") from error
    return -size


def _thread_state() -> int:
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    value = get()
    if not value:
        raise DoubtError("there is no thread state")
    return int(value)


class _Probe:
    """A second thread, stopped inside a known stack with its thread state released."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.go_on = threading.Event()
        self.tstate = 0
        self.pthread = 0

    def _run(self) -> None:
        outer(self._stop_here)

    def _stop_here(self) -> None:
        self.tstate = _thread_state()
        self.pthread = threading.get_ident()
        self.ready.set()
        self.go_on.wait(5)

    def start(self) -> None:
        self.thread: threading.Thread = threads.start("calibrate", self._run)
        if not self.ready.wait(5):
            raise DoubtError("a thread did not start")

    def stop(self) -> None:
        self.go_on.set()
        self.thread.join(5)


def _measure_slot(memory: Memory, fields: dict[str, int], probe: _Probe) -> None:
    """Finds the pthread key that holds the thread state, seen from pthread_self().

    The slot must hold it while the thread waits, too: that is why the waiting
    probe decides, and not this thread.
    """
    bias = _thread_pointer_bias()
    mine = (threading.get_ident(), _thread_state())
    other = (probe.pthread, probe.tstate)
    direct = [offsets_of(memory.words(p, _THREAD_AREA), t) for p, t in (mine, other)]
    both = direct[0] & direct[1]
    if both:
        fields[TSTATE_SLOT] = min(both) - bias
        return
    blocks = memory.words(mine[0], _THREAD_AREA)
    theirs = memory.words(other[0], _THREAD_AREA)
    for i, (block, their) in enumerate(zip(blocks, theirs, strict=False)):
        if block == their or abs(block - mine[0]) < _THREAD_AREA:
            continue  # shared by both threads, or a pointer of the descriptor to itself
        inner = offsets_of(memory.words(block, _KEY_BLOCK), mine[1])
        inner &= offsets_of(memory.words(their, _KEY_BLOCK), other[1]) if inner else set()
        if inner:
            fields[TSTATE_SLOT] = i * WORD - bias
            fields[TSTATE_INNER] = min(inner)
            return
    raise DoubtError("no slot of a thread holds its thread state")


def _check_probe(memory: Memory, fields: dict[str, int], probe: _Probe) -> None:
    """Walks the waiting thread's stack and compares with what Python says of it."""
    for _ in range(_TRIES):
        if _probe_agrees(memory, fields, probe):
            return
        time.sleep(0.0005)  # it may still be on its way to where it waits
    raise DoubtError("a walked stack differs from Python's own")


_TRIES = 20


def _probe_agrees(memory: Memory, fields: dict[str, int], probe: _Probe) -> bool:
    assert probe.thread.ident is not None
    slot = probe.pthread + _thread_pointer_bias() + fields[TSTATE_SLOT]
    if TSTATE_INNER in fields:
        slot = memory.word(slot) + fields[TSTATE_INNER]
    tstate = memory.word(slot)
    expected = []
    frame: types.FrameType | None = sys._current_frames()[probe.thread.ident]
    while frame is not None:
        expected.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    codes = {id(code): code for code, _ in expected}
    walked = []
    for code, instruction in walk_frames(memory, fields, tstate, 64):
        if code not in codes:
            continue  # an entry frame of the interpreter's own
        if fields[INSTRUCTION_IS_INDEX]:
            last = (instruction & 0xFFFFFFFF) * 2
        else:
            last = instruction - code - fields[CODE_SIZE]
        walked.append((codes[code], last))
    return walked == expected


# ---- the runtime ---------------------------------------------------------------------


class _DlInfo(ctypes.Structure):
    _fields_ = [
        ("dli_fname", ctypes.c_char_p),
        ("dli_fbase", ctypes.c_void_p),
        ("dli_sname", ctypes.c_char_p),
        ("dli_saddr", ctypes.c_void_p),
    ]


class _ElfSymbol(ctypes.Structure):
    _fields_ = [
        ("st_name", ctypes.c_uint32),
        ("st_info", ctypes.c_uint8),
        ("st_other", ctypes.c_uint8),
        ("st_shndx", ctypes.c_uint16),
        ("st_value", ctypes.c_uint64),
        ("st_size", ctypes.c_uint64),
    ]


_RTLD_DL_SYMENT = 1


def _measure_runtime(fields: dict[str, int]) -> None:
    """The bounds of _PyRuntime. Left out when they cannot be known: the sidecar then reads the symbol itself."""
    try:
        address = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        fields[RUNTIME_START] = address
        find = ctypes.CDLL(None).dladdr1
        info = _DlInfo()
        symbol = ctypes.POINTER(_ElfSymbol)()
        find.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        known = find(address, ctypes.byref(info), ctypes.byref(symbol), _RTLD_DL_SYMENT)
        if known and symbol and info.dli_saddr == address:
            fields[RUNTIME_SIZE] = int(symbol.contents.st_size)
    except (ValueError, AttributeError, OSError):
        return


# ---- the whole -----------------------------------------------------------------------


def _refusal() -> str:
    if sys.implementation.name != "cpython":
        return f"Python frames are only known for CPython, and this is {sys.implementation.name}"
    if struct.calcsize("P") != WORD or sys.byteorder != "little":
        return "Python frames are only known on 64-bit little-endian machines"
    if not sys.platform.startswith("linux"):
        return "Python frames are only read on Linux"
    if getattr(sys, "_is_gil_enabled", lambda: True)() is False:
        return "Python frames are not read in a free-threaded interpreter"
    return ""


def measure() -> _wire.Calibration:
    """Measures once more, whatever is cached. Never raises.

    Other threads change what is being read; a measurement that leaves a doubt is made again.
    """
    refusal = _refusal()
    if refusal:
        return _wire.Calibration(valid=False, why=refusal, fields={})
    for _ in range(_ATTEMPTS - 1):
        found = _measure()
        if found.valid:
            return found
    return _measure()


def _measure() -> _wire.Calibration:
    fields: dict[str, int] = {}
    try:
        memory = Memory()
        probe = _Probe()
        try:
            _measure_runtime(fields)
            probe.start()
            measure_strings(memory, fields)
            measure_bytes(memory, fields)
            measure_code(memory, fields)
            measure_frames(memory, fields, _thread_state())
            _measure_slot(memory, fields, probe)
            _check_probe(memory, fields, probe)
        finally:
            probe.stop()
            memory.close()
    except Exception as error:
        why = str(error) if isinstance(error, DoubtError) else f"{type(error).__name__}: {error}"
        runtime = {k: v for k, v in fields.items() if k in (RUNTIME_START, RUNTIME_SIZE)}
        return _wire.Calibration(valid=False, why=f"this interpreter could not be measured: {why}", fields=runtime)
    return _wire.Calibration(valid=True, why="", fields=fields)


_ATTEMPTS = 3

_lock = threading.Lock()
_cached: _wire.Calibration | None = None
_cached_pid = 0


def calibration() -> _wire.Calibration:
    """The measurements of this process, made once. Never raises.

    Takes a few milliseconds the first time.
    """
    global _cached, _cached_pid
    with _lock:
        if _cached is None or _cached_pid != os.getpid():
            _cached = measure()
            _cached_pid = os.getpid()
        return _cached
