"""Where frames keep their code, their place in it and their caller, and a thread state its current frame."""

from __future__ import annotations

import os
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

from .calibrate_objects import (
    WORD,
    DoubtError,
    Memory,
    offsets_of,
    only,
)
from .calibration_keys import (
    CODE_IN_FRAME,
    CODE_SIZE,
    FRAME_IN_TSTATE,
    FRAME_INNER,
    INSTRUCTION_IN_FRAME,
    INSTRUCTION_IS_INDEX,
    PREVIOUS_IN_FRAME,
)

# How far the searches look, in bytes: each is several times what any known interpreter needs.
_TSTATE = 1024
_TSTATE_BLOCK = 64
_FRAME = 128


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


def outer(look: Callable[[], Any]) -> Any:
    """Calls a function below three frames of which everything is known."""
    filler = (1, 2, 3)
    other = len(filler)
    del other
    return _middle(look)


def _frame_address(memory: Memory, frame: types.FrameType) -> set[int]:
    """Addresses that may be the interpreter's own frame: those that point to its code."""
    if sys.version_info < (3, 11):
        return {id(frame)}
    code = id(frame.f_code)
    found = set()
    for address in memory.words(id(frame), types.FrameType.__basicsize__):
        if address and any(word & ~7 == code for word in memory.words(address, _FRAME)):
            found.add(address)
    return found


def measure_frames(memory: Memory, fields: dict[str, int], tstate: int) -> None:
    """Finds the links between frames, and where a thread state leads to the current one. Code objects come first."""

    def look() -> None:
        frame = sys._getframe(1)
        levels = []
        for _ in range(3):
            levels.append(_Level(frame))
            assert frame.f_back is not None
            frame = frame.f_back
        _measure_levels(memory, fields, levels)
        _measure_current(memory, fields, tstate)

    outer(look)


def _measure_levels(memory: Memory, fields: dict[str, int], levels: list[_Level]) -> None:
    choices: set[tuple[int, int]] = set()
    for first in _frame_address(memory, levels[0].object):
        for second in _frame_address(memory, levels[1].object):
            for third in _frame_address(memory, levels[2].object):
                addresses = [first, second, third]
                words = [memory.words(a, _FRAME) for a in addresses]
                code = set.intersection(
                    *(
                        {i * WORD for i, w in enumerate(ws) if w & ~7 == level.code}
                        for ws, level in zip(words, levels, strict=True)
                    )
                )
                previous = offsets_of(words[0], second) & offsets_of(words[1], third)
                for c in code:
                    for p in previous:
                        choices.add((c, p))
    if not choices:
        raise DoubtError("the links between frames were not found")
    code_at, previous_at = min(choices)
    fields[CODE_IN_FRAME] = code_at
    fields[PREVIOUS_IN_FRAME] = previous_at

    modern = sys.version_info >= (3, 11)
    candidates: set[int] | None = None
    for level in levels:
        offsets = set()
        for address in _frame_address(memory, level.object):
            words_here = memory.words(address, _FRAME)
            if len(words_here) * WORD <= code_at or words_here[code_at // WORD] & ~7 != level.code:
                continue
            if modern:
                offsets |= offsets_of(words_here, level.code + fields[CODE_SIZE] + level.last)
            else:
                offsets |= {i * WORD for i, w in enumerate(words_here) if w & 0xFFFFFFFF == level.last // 2}
        candidates = offsets if candidates is None else candidates & offsets
    fields[INSTRUCTION_IN_FRAME] = only(candidates or set(), "the instruction of a frame")
    fields[INSTRUCTION_IS_INDEX] = 0 if modern else 1


def _current_places(memory: Memory, fields: dict[str, int], tstate: int, deeper: int) -> set[tuple[int, int]]:
    """Where the thread state leads to the current frame: (offset, -1) or (offset, offset in a block).

    os.pread is called right here, so while it reads the current frame is this
    function's own. Deeper calls of this function must agree: the place follows
    the current frame.
    """
    me = sys._getframe()
    targets = [a for a in _frame_address(memory, me) if memory.word(a + fields[CODE_IN_FRAME]) & ~7 == id(me.f_code)]
    if len(targets) != 1:
        raise DoubtError("the current frame was not found")
    target = struct.pack("=Q", targets[0])
    found = set()
    data = os.pread(memory.fd, _TSTATE, tstate)
    for at in range(0, len(data), WORD):
        if data[at : at + WORD] == target:
            found.add((at, -1))
    for at in range(0, len(data), WORD):
        address = int.from_bytes(data[at : at + WORD], "little")
        if not 0 < address < 1 << 62:
            continue
        try:
            block = os.pread(memory.fd, _TSTATE_BLOCK, address)
        except OSError:
            continue
        for inner in range(0, len(block), WORD):
            if block[inner : inner + WORD] == target:
                found.add((at, inner))
    if deeper and found:
        found &= _current_places(memory, fields, tstate, deeper - 1)
    return found


def _measure_current(memory: Memory, fields: dict[str, int], tstate: int) -> None:
    found = _current_places(memory, fields, tstate, 2)
    if not found:
        raise DoubtError("the current frame of a thread was not found")
    direct = [at for at, inner in found if inner < 0]
    if direct:
        fields[FRAME_IN_TSTATE] = min(direct)
    else:
        fields[FRAME_IN_TSTATE], fields[FRAME_INNER] = min(found)


def walk_frames(memory: Memory, fields: dict[str, int], tstate: int, limit: int) -> list[tuple[int, int]]:
    """A stack as the kernel will read it: (code, instruction), deepest first."""
    frame = memory.word(tstate + fields[FRAME_IN_TSTATE])
    if frame and FRAME_INNER in fields:
        frame = memory.word(frame + fields[FRAME_INNER])
    found: list[tuple[int, int]] = []
    while frame and len(found) < limit:
        words = memory.words(frame, _FRAME)
        if len(words) * WORD < _FRAME:
            return []
        code = words[fields[CODE_IN_FRAME] // WORD] & ~7
        found.append((code, words[fields[INSTRUCTION_IN_FRAME] // WORD]))
        frame = words[fields[PREVIOUS_IN_FRAME] // WORD]
    return found
