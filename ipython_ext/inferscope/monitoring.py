"""What recording lines needs of `sys.monitoring`, and of the frames of the code that is recorded."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator
from types import CodeType, FrameType
from typing import Any

from . import _wire

_monitoring: Any = getattr(sys, "monitoring", None)

# How many frames of other code are searched for the cell's frame that called.
_CALLERS = 16


NO_TOOL = _wire.Loss(
    source="python",
    reason="exact times of lines: every tool id of sys.monitoring is taken",
    enable="stop the other profilers, debuggers or coverage tools of this process",
)


def hide_callback(error: BaseException, file: str) -> None:
    """Cut the traceback of an interrupt that arrived during a callback of `file` off at the user's own frame."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        if entry.tb_next.tb_frame.f_code.co_filename == file:
            entry.tb_next = None
            return
        entry = entry.tb_next


def line_of_caller(frame: FrameType, code: CodeType, default: int) -> int:
    """The line at which `code` is, somewhere below `frame`'s own call."""
    caller = frame.f_back
    for _ in range(_CALLERS):
        if caller is None:
            break
        if caller.f_code is code:
            return caller.f_lineno or default
        caller = caller.f_back
    return default


def innermost(frame: FrameType | None, codes: Container[int]) -> FrameType | None:
    """The first frame, from this one outwards, whose code object has one of these ids; None without one."""
    while frame is not None and id(frame.f_code) not in codes:
        frame = frame.f_back
    return frame


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def frame_events() -> int:
    """The local events that tell when frames begin and end."""
    event = _monitoring.events
    return int(event.PY_START | event.PY_RESUME | event.PY_RETURN | event.PY_YIELD)


def all_events() -> int:
    """The local events of a code object whose lines are recorded."""
    return int(_monitoring.events.LINE) | frame_events()


def free_tool() -> int | None:
    """An id that no tool uses; those that debuggers and coverage expect come last."""
    for tool in (3, 4, 2, 5, 1, 0):
        if _monitoring.get_tool(tool) is None:
            return tool
    return None


def shell_runner() -> CodeType | None:
    """The code of the method with which the running IPython executes code objects."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    code = getattr(getattr(type(shell), "run_code", None), "__code__", None)
    return code if isinstance(code, CodeType) else None
