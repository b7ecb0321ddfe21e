"""Measures where this interpreter keeps what a Python stack is made of.

The sidecar reads Python frames from outside (in the kernel, when a thread is
switched out or sampled). It needs to know where a thread keeps its thread
state, and the offsets of a few members of frames, code objects and strings.
There is no table of versions: everything is found by looking for values that
Python itself reports, and then checked by walking another thread's stack the
way the kernel will. On any doubt the result is invalid and says why.

All memory is read through ``/proc/self/mem``, so a wrong guess is an error and
not a crash.
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
from collections.abc import Callable
from typing import Any

from . import _wire, threads

# The keys of Calibration.fields, as in sidecar/wire/calibration.go.
TSTATE_SLOT = "tstate_slot"
TSTATE_INNER = "tstate_inner"
FRAME_IN_TSTATE = "frame_in_tstate"
FRAME_INNER = "frame_inner"
CODE_IN_FRAME = "code_in_frame"
PREVIOUS_IN_FRAME = "previous_in_frame"
INSTRUCTION_IN_FRAME = "instruction_in_frame"
INSTRUCTION_IS_INDEX = "instruction_is_index"
CODE_TYPE = "code_type"
TYPE_IN_OBJECT = "type_in_object"
CODE_SIZE = "code_size"
FIRST_LINE_IN_CODE = "first_line_in_code"
LINE_TABLE_IN_CODE = "line_table_in_code"
FILE_NAME_IN_CODE = "file_name_in_code"
NAME_IN_CODE = "name_in_code"
LINE_TABLE_FORMAT = "line_table_format"
SIZE_IN_BYTES = "size_in_bytes"
DATA_IN_BYTES = "data_in_bytes"
LENGTH_IN_STR = "length_in_str"
STATE_IN_STR = "state_in_str"
STR_KIND_SHIFT = "str_kind_shift"
STR_ASCII_MASK = "str_ascii_mask"
DATA_IN_ASCII = "data_in_ascii"
DATA_IN_STR = "data_in_str"
RUNTIME_START = "runtime_start"
RUNTIME_SIZE = "runtime_size"

_WORD = 8
# How far the searches look, in bytes: each is several times what any known interpreter needs.
_THREAD_AREA = 4096
_TSTATE = 1024
_TSTATE_BLOCK = 64
_FRAME = 128
_STR = 128
_PTHREAD_KEYS = 1024
# PTHREAD_KEYS_2NDLEVEL_SIZE entries of {sequence, value}, or musl's array of pointers.
_KEY_BLOCK = 1024 * 16


class _DoubtError(Exception):
    """Something was not found, or did not check out."""


class _Memory:
    """This process's memory, read without a risk of a fault."""

    def __init__(self) -> None:
        self.fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.fd)

    def read(self, address: int, size: int) -> bytes:
        """Reads up to size bytes; fewer, or none, where memory ends."""
        if address <= 0 or address >= 1 << 63:
            return b""
        try:
            return os.pread(self.fd, size, address)
        except OSError:
            return b""

    def words(self, address: int, size: int) -> tuple[int, ...]:
        data = self.read(address, size)
        count = len(data) // _WORD
        return struct.unpack(f"={count}Q", data[: count * _WORD])

    def word(self, address: int) -> int:
        found = self.words(address, _WORD)
        if not found:
            raise _DoubtError(f"memory at {address:#x} cannot be read")
        return found[0]

    def text(self, address: int, fields: dict[str, int]) -> str:
        """Decodes a str object the way the sidecar will."""
        length = self.word(address + fields[LENGTH_IN_STR])
        state = self.word(address + fields[STATE_IN_STR]) & 0xFFFFFFFF
        kind = state >> fields[STR_KIND_SHIFT] & 7
        ascii_only = state & fields[STR_ASCII_MASK]
        data = fields[DATA_IN_ASCII] if ascii_only else fields[DATA_IN_STR]
        raw = self.read(address + data, length * kind)
        if kind == 1:
            return raw.decode("latin-1")
        return raw.decode({2: "utf-16-le", 4: "utf-32-le"}[kind], "surrogatepass")


def _only(candidates: set[int], what: str) -> int:
    if not candidates:
        raise _DoubtError(f"{what} was not found")
    return min(candidates)


def _offsets_of(words: tuple[int, ...], value: int) -> set[int]:
    return {i * _WORD for i, word in enumerate(words) if word == value}


# ---- strings, bytes and code objects -------------------------------------------------


def _measure_strings(memory: _Memory, fields: dict[str, int]) -> None:
    # Not literals: each is an object of its own, made at run time, of a telling length.
    n = 61
    ascii_text = "".join(chr(97 + i % 26) for i in range(n))
    latin = "\xe9" * n
    two = "\u0416" * n
    four = "\U0001f600" * n
    samples = [ascii_text, latin, two, four]

    lengths = [_offsets_of(memory.words(id(s), 48), n) for s in samples]
    fields[LENGTH_IN_STR] = _only(set.intersection(*lengths), "the length of a str")

    fields[DATA_IN_ASCII] = memory.read(id(ascii_text), _STR).find(ascii_text.encode())
    found = {
        memory.read(id(latin), _STR).find(latin.encode("latin-1")[:16]),
        memory.read(id(two), _STR).find(two.encode("utf-16-le")[:16]),
        memory.read(id(four), _STR).find(four.encode("utf-32-le")[:16]),
    }
    fields[DATA_IN_STR] = _only(found, "the characters of a str")
    if fields[DATA_IN_ASCII] < 0 or fields[DATA_IN_STR] < 0 or len(found) != 1:
        raise _DoubtError("the characters of a str were not found")

    for offset in range(fields[LENGTH_IN_STR] + 8, fields[DATA_IN_ASCII], 4):
        states = [int.from_bytes(memory.read(id(s) + offset, 4), "little") for s in samples]
        for shift in range(29):
            if [state >> shift & 7 for state in states] != [1, 1, 2, 4]:
                continue
            for bit in range(32):
                if [state >> bit & 1 for state in states] == [1, 0, 0, 0]:
                    fields[STATE_IN_STR] = offset
                    fields[STR_KIND_SHIFT] = shift
                    fields[STR_ASCII_MASK] = 1 << bit
                    return
    raise _DoubtError("the kind of a str was not found")


def _measure_bytes(memory: _Memory, fields: dict[str, int]) -> None:
    sample = bytes(range(1, 76))
    head = memory.read(id(sample), 64 + len(sample))
    data = head.find(sample)
    if data < 0:
        raise _DoubtError("the contents of a bytes object were not found")
    sizes = _offsets_of(memory.words(id(sample), data), len(sample))
    fields[SIZE_IN_BYTES] = _only(sizes, "the size of a bytes object")
    fields[DATA_IN_BYTES] = data


_FIRST_LINE = 0x05A4B3C2


def _measure_code(memory: _Memory, fields: dict[str, int]) -> None:
    code = _leaf.__code__.replace(co_firstlineno=_FIRST_LINE, co_filename="<inferscope calibration é>")
    modern = sys.version_info >= (3, 11)
    size = types.CodeType.__basicsize__
    words = memory.words(id(code), size)
    fields[CODE_SIZE] = size
    fields[CODE_TYPE] = id(types.CodeType)
    fields[TYPE_IN_OBJECT] = _only(_offsets_of(words[:4], id(types.CodeType)), "the type of an object")
    name = getattr(code, "co_qualname", code.co_name)
    # co_name may be the same object as the qualified name: a nested function tells them apart.
    inner = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    fields[NAME_IN_CODE] = _only(
        _offsets_of(memory.words(id(inner), size), id(getattr(inner, "co_qualname", inner.co_name))),
        "the name of a code object",
    )
    if memory.word(id(code) + fields[NAME_IN_CODE]) != id(name):
        raise _DoubtError("the name of a code object did not check out")
    fields[FILE_NAME_IN_CODE] = _only(_offsets_of(words, id(code.co_filename)), "the file name of a code object")
    table = code.co_linetable
    fields[LINE_TABLE_IN_CODE] = _only(_offsets_of(words, id(table)), "the line table of a code object")
    raw = memory.read(id(code), size)
    at = raw.find(_FIRST_LINE.to_bytes(4, "little"))
    if at < 0:
        raise _DoubtError("the first line of a code object was not found")
    fields[FIRST_LINE_IN_CODE] = at
    fields[LINE_TABLE_FORMAT] = 2 if modern else 1
    if memory.text(memory.word(id(code) + fields[FILE_NAME_IN_CODE]), fields) != code.co_filename:
        raise _DoubtError("a file name did not read back")


# ---- frames --------------------------------------------------------------------------


class _Level:
    """What is known of one live frame."""

    def __init__(self, frame: types.FrameType) -> None:
        self.object = frame
        self.code = id(frame.f_code)
        self.last = frame.f_lasti


# Each level holds its own call in another place, so that no two look alike.
def _leaf(look: Callable[[], Any]) -> Any:
    def inner() -> None:  # only its code object is used
        return None

    del inner
    return look()


def _middle(look: Callable[[], Any]) -> Any:
    filler = [None, None]
    del filler
    return _leaf(look)


def _outer(look: Callable[[], Any]) -> Any:
    filler = (1, 2, 3)
    other = len(filler)
    del other
    return _middle(look)


def _frame_address(memory: _Memory, frame: types.FrameType) -> set[int]:
    """Addresses that may be the interpreter's own frame: those that point to its code."""
    if sys.version_info < (3, 11):
        return {id(frame)}
    code = id(frame.f_code)
    found = set()
    for address in memory.words(id(frame), types.FrameType.__basicsize__):
        if address and any(word & ~7 == code for word in memory.words(address, _FRAME)):
            found.add(address)
    return found


def _measure_frames(memory: _Memory, fields: dict[str, int], tstate: int) -> None:
    def look() -> None:
        frame = sys._getframe(1)
        levels = []
        for _ in range(3):
            levels.append(_Level(frame))
            assert frame.f_back is not None
            frame = frame.f_back
        _measure_levels(memory, fields, levels)
        _measure_current(memory, fields, tstate)

    _outer(look)


def _measure_levels(memory: _Memory, fields: dict[str, int], levels: list[_Level]) -> None:
    choices: set[tuple[int, int]] = set()
    for first in _frame_address(memory, levels[0].object):
        for second in _frame_address(memory, levels[1].object):
            for third in _frame_address(memory, levels[2].object):
                addresses = [first, second, third]
                words = [memory.words(a, _FRAME) for a in addresses]
                code = set.intersection(
                    *(
                        {i * _WORD for i, w in enumerate(ws) if w & ~7 == level.code}
                        for ws, level in zip(words, levels, strict=True)
                    )
                )
                previous = _offsets_of(words[0], second) & _offsets_of(words[1], third)
                for c in code:
                    for p in previous:
                        choices.add((c, p))
    if not choices:
        raise _DoubtError("the links between frames were not found")
    code_at, previous_at = min(choices)
    fields[CODE_IN_FRAME] = code_at
    fields[PREVIOUS_IN_FRAME] = previous_at

    modern = sys.version_info >= (3, 11)
    candidates: set[int] | None = None
    for level in levels:
        offsets = set()
        for address in _frame_address(memory, level.object):
            words_here = memory.words(address, _FRAME)
            if len(words_here) * _WORD <= code_at or words_here[code_at // _WORD] & ~7 != level.code:
                continue
            if modern:
                offsets |= _offsets_of(words_here, level.code + fields[CODE_SIZE] + level.last)
            else:
                offsets |= {i * _WORD for i, w in enumerate(words_here) if w & 0xFFFFFFFF == level.last // 2}
        candidates = offsets if candidates is None else candidates & offsets
    fields[INSTRUCTION_IN_FRAME] = _only(candidates or set(), "the instruction of a frame")
    fields[INSTRUCTION_IS_INDEX] = 0 if modern else 1


def _current_places(memory: _Memory, fields: dict[str, int], tstate: int, deeper: int) -> set[tuple[int, int]]:
    """Where the thread state leads to the current frame: (offset, -1) or (offset, offset in a block).

    os.pread is called right here, so while it reads the current frame is this
    function's own. Deeper calls of this function must agree: the place follows
    the current frame.
    """
    me = sys._getframe()
    targets = [a for a in _frame_address(memory, me) if memory.word(a + fields[CODE_IN_FRAME]) & ~7 == id(me.f_code)]
    if len(targets) != 1:
        raise _DoubtError("the current frame was not found")
    target = struct.pack("=Q", targets[0])
    found = set()
    data = os.pread(memory.fd, _TSTATE, tstate)
    for at in range(0, len(data), _WORD):
        if data[at : at + _WORD] == target:
            found.add((at, -1))
    for at in range(0, len(data), _WORD):
        address = int.from_bytes(data[at : at + _WORD], "little")
        if not 0 < address < 1 << 62:
            continue
        try:
            block = os.pread(memory.fd, _TSTATE_BLOCK, address)
        except OSError:
            continue
        for inner in range(0, len(block), _WORD):
            if block[inner : inner + _WORD] == target:
                found.add((at, inner))
    if deeper and found:
        found &= _current_places(memory, fields, tstate, deeper - 1)
    return found


def _measure_current(memory: _Memory, fields: dict[str, int], tstate: int) -> None:
    found = _current_places(memory, fields, tstate, 2)
    if not found:
        raise _DoubtError("the current frame of a thread was not found")
    direct = [at for at, inner in found if inner < 0]
    if direct:
        fields[FRAME_IN_TSTATE] = min(direct)
    else:
        fields[FRAME_IN_TSTATE], fields[FRAME_INNER] = min(found)


def _walk_frames(memory: _Memory, fields: dict[str, int], tstate: int, limit: int) -> list[tuple[int, int]]:
    """A stack as the kernel will read it: (code, instruction), deepest first."""
    frame = memory.word(tstate + fields[FRAME_IN_TSTATE])
    if frame and FRAME_INNER in fields:
        frame = memory.word(frame + fields[FRAME_INNER])
    found: list[tuple[int, int]] = []
    while frame and len(found) < limit:
        words = memory.words(frame, _FRAME)
        if len(words) * _WORD < _FRAME:
            return []
        code = words[fields[CODE_IN_FRAME] // _WORD] & ~7
        found.append((code, words[fields[INSTRUCTION_IN_FRAME] // _WORD]))
        frame = words[fields[PREVIOUS_IN_FRAME] // _WORD]
    return found


# ---- the thread state ----------------------------------------------------------------


def _thread_pointer_bias() -> int:
    """What to add to pthread_self() to get the CPU's thread pointer."""
    if platform.machine() in ("x86_64", "AMD64"):
        return 0
    # arm64: the thread's descriptor lies below its thread pointer. glibc tells how large it is.
    try:
        size = ctypes.c_uint32.in_dll(ctypes.CDLL(None), "_thread_db_sizeof_pthread").value
    except ValueError as error:
        raise _DoubtError("the size of a thread's descriptor is not known") from error
    return -size


def _thread_state() -> int:
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    value = get()
    if not value:
        raise _DoubtError("there is no thread state")
    return int(value)


class _Probe:
    """A second thread, stopped inside a known stack with its thread state released."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.go_on = threading.Event()
        self.tstate = 0
        self.pthread = 0

    def _run(self) -> None:
        _outer(self._stop_here)

    def _stop_here(self) -> None:
        self.tstate = _thread_state()
        self.pthread = threading.get_ident()
        self.ready.set()
        self.go_on.wait(5)

    def start(self) -> None:
        self.thread: threading.Thread = threads.start("calibrate", self._run)
        if not self.ready.wait(5):
            raise _DoubtError("a thread did not start")

    def stop(self) -> None:
        self.go_on.set()
        self.thread.join(5)


def _measure_slot(memory: _Memory, fields: dict[str, int], probe: _Probe) -> None:
    """Finds the pthread key that holds the thread state, seen from pthread_self().

    The slot must hold it while the thread waits, too: that is why the waiting
    probe decides, and not this thread.
    """
    bias = _thread_pointer_bias()
    mine = (threading.get_ident(), _thread_state())
    other = (probe.pthread, probe.tstate)
    direct = [_offsets_of(memory.words(p, _THREAD_AREA), t) for p, t in (mine, other)]
    both = direct[0] & direct[1]
    if both:
        fields[TSTATE_SLOT] = min(both) - bias
        return
    blocks = memory.words(mine[0], _THREAD_AREA)
    theirs = memory.words(other[0], _THREAD_AREA)
    for i, (block, their) in enumerate(zip(blocks, theirs, strict=False)):
        if block == their or abs(block - mine[0]) < _THREAD_AREA:
            continue  # shared by both threads, or a pointer of the descriptor to itself
        inner = _offsets_of(memory.words(block, _KEY_BLOCK), mine[1])
        inner &= _offsets_of(memory.words(their, _KEY_BLOCK), other[1]) if inner else set()
        if inner:
            fields[TSTATE_SLOT] = i * _WORD - bias
            fields[TSTATE_INNER] = min(inner)
            return
    raise _DoubtError("no slot of a thread holds its thread state")


def _check_probe(memory: _Memory, fields: dict[str, int], probe: _Probe) -> None:
    """Walks the waiting thread's stack and compares with what Python says of it."""
    for _ in range(_TRIES):
        if _probe_agrees(memory, fields, probe):
            return
        time.sleep(0.0005)  # it may still be on its way to where it waits
    raise _DoubtError("a walked stack differs from Python's own")


_TRIES = 20


def _probe_agrees(memory: _Memory, fields: dict[str, int], probe: _Probe) -> bool:
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
    for code, instruction in _walk_frames(memory, fields, tstate, 64):
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
    if struct.calcsize("P") != _WORD or sys.byteorder != "little":
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
        memory = _Memory()
        probe = _Probe()
        try:
            _measure_runtime(fields)
            probe.start()
            _measure_strings(memory, fields)
            _measure_bytes(memory, fields)
            _measure_code(memory, fields)
            _measure_frames(memory, fields, _thread_state())
            _measure_slot(memory, fields, probe)
            _check_probe(memory, fields, probe)
        finally:
            probe.stop()
            memory.close()
    except Exception as error:
        why = str(error) if isinstance(error, _DoubtError) else f"{type(error).__name__}: {error}"
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
