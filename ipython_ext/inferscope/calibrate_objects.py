"""This process's memory, and where strings, bytes and code objects keep what they hold.

All memory is read through ``/proc/self/mem``, so a wrong guess is an error and
not a crash.
"""

from __future__ import annotations

import os
import struct
import sys
import types

from .calibration_keys import (
    CODE_SIZE,
    CODE_TYPE,
    DATA_IN_ASCII,
    DATA_IN_BYTES,
    DATA_IN_STR,
    FILE_NAME_IN_CODE,
    FIRST_LINE_IN_CODE,
    LENGTH_IN_STR,
    LINE_TABLE_FORMAT,
    LINE_TABLE_IN_CODE,
    NAME_IN_CODE,
    SIZE_IN_BYTES,
    STATE_IN_STR,
    STR_ASCII_MASK,
    STR_KIND_SHIFT,
    TYPE_IN_OBJECT,
)

WORD = 8
# How much of a str is looked at, in bytes: several times what any known interpreter needs.
_STR = 128


class DoubtError(Exception):
    """Something was not found, or did not check out."""


class Memory:
    """This process's memory, read without a risk of a fault."""

    def __init__(self) -> None:
        self.fd = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Reads nothing any more."""
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
        """The words in size bytes; fewer, or none, where memory ends."""
        data = self.read(address, size)
        count = len(data) // WORD
        return struct.unpack(f"={count}Q", data[: count * WORD])

    def word(self, address: int) -> int:
        """One word.

        Raises:
            DoubtError: It cannot be read.
        """
        found = self.words(address, WORD)
        if not found:
            raise DoubtError(f"memory at {address:#x} cannot be read")
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


def only(candidates: set[int], what: str) -> int:
    """The first of the offsets at which something was found.

    Raises:
        DoubtError: There is none.
    """
    if not candidates:
        raise DoubtError(f"{what} was not found")
    return min(candidates)


def offsets_of(words: tuple[int, ...], value: int) -> set[int]:
    """Where a value stands among words, in bytes."""
    return {i * WORD for i, word in enumerate(words) if word == value}


def measure_strings(memory: Memory, fields: dict[str, int]) -> None:
    """Finds where a str keeps its length, its kind and its characters."""
    # Not literals: each is an object of its own, made at run time, of a telling length.
    n = 61
    ascii_text = "".join(chr(97 + i % 26) for i in range(n))
    latin = "\xe9" * n
    two = "\u0416" * n
    four = "\U0001f600" * n
    samples = [ascii_text, latin, two, four]

    lengths = [offsets_of(memory.words(id(s), 48), n) for s in samples]
    fields[LENGTH_IN_STR] = only(set.intersection(*lengths), "the length of a str")

    fields[DATA_IN_ASCII] = memory.read(id(ascii_text), _STR).find(ascii_text.encode())
    found = {
        memory.read(id(latin), _STR).find(latin.encode("latin-1")[:16]),
        memory.read(id(two), _STR).find(two.encode("utf-16-le")[:16]),
        memory.read(id(four), _STR).find(four.encode("utf-32-le")[:16]),
    }
    fields[DATA_IN_STR] = only(found, "the characters of a str")
    if fields[DATA_IN_ASCII] < 0 or fields[DATA_IN_STR] < 0 or len(found) != 1:
        raise DoubtError("the characters of a str were not found")

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
    raise DoubtError("the kind of a str was not found")


def measure_bytes(memory: Memory, fields: dict[str, int]) -> None:
    """Finds where a bytes object keeps its size and its contents."""
    sample = bytes(range(1, 76))
    head = memory.read(id(sample), 64 + len(sample))
    data = head.find(sample)
    if data < 0:
        raise DoubtError("the contents of a bytes object were not found")
    sizes = offsets_of(memory.words(id(sample), data), len(sample))
    fields[SIZE_IN_BYTES] = only(sizes, "the size of a bytes object")
    fields[DATA_IN_BYTES] = data


_FIRST_LINE = 0x05A4B3C2


def _sample() -> None:
    def inner() -> None:  # only its code object is used
        return None

    del inner


def measure_code(memory: Memory, fields: dict[str, int]) -> None:
    """Finds where a code object keeps its names, its first line and its line table. Strings come first."""
    code = _sample.__code__.replace(co_firstlineno=_FIRST_LINE, co_filename="<inferscope calibration é>")
    modern = sys.version_info >= (3, 11)
    size = types.CodeType.__basicsize__
    words = memory.words(id(code), size)
    fields[CODE_SIZE] = size
    fields[CODE_TYPE] = id(types.CodeType)
    fields[TYPE_IN_OBJECT] = only(offsets_of(words[:4], id(types.CodeType)), "the type of an object")
    name = getattr(code, "co_qualname", code.co_name)
    # co_name may be the same object as the qualified name: a nested function tells them apart.
    inner = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    fields[NAME_IN_CODE] = only(
        offsets_of(memory.words(id(inner), size), id(getattr(inner, "co_qualname", inner.co_name))),
        "the name of a code object",
    )
    if memory.word(id(code) + fields[NAME_IN_CODE]) != id(name):
        raise DoubtError("the name of a code object did not check out")
    fields[FILE_NAME_IN_CODE] = only(offsets_of(words, id(code.co_filename)), "the file name of a code object")
    table = code.co_linetable
    fields[LINE_TABLE_IN_CODE] = only(offsets_of(words, id(table)), "the line table of a code object")
    raw = memory.read(id(code), size)
    at = raw.find(_FIRST_LINE.to_bytes(4, "little"))
    if at < 0:
        raise DoubtError("the first line of a code object was not found")
    fields[FIRST_LINE_IN_CODE] = at
    fields[LINE_TABLE_FORMAT] = 2 if modern else 1
    if memory.text(memory.word(id(code) + fields[FILE_NAME_IN_CODE]), fields) != code.co_filename:
        raise DoubtError("a file name did not read back")
