"""Exact totals of the user's own functions (`--functions`).

Every call costs two events, so only modules outside of the standard library and
of installed packages take part, and the cell itself. A function that is called
too often is switched off and flagged: its totals are then those up to that
moment, and the rest of its time counts as its caller's own.

`sys.monitoring` from Python 3.12, `sys.setprofile` before; the latter sees the
calling thread and threads that start later, and pays for the calls of libraries too.
"""

from __future__ import annotations

import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from types import CodeType, FrameType
from typing import Any

from . import _wire
from .columns import CELL_FILE, FunctionRow

_monitoring: Any = getattr(sys, "monitoring", None)

# A function that is called this often within the window is switched off.
_HOT_CALLS = 2_000
_WINDOW_NS = 100_000_000
# Before 3.12: all calls of the process together, of libraries too.
_HOT_EVENTS = 100_000
_EVENT_NS = 400


class _Function:
    """The totals of one function on one thread."""

    __slots__ = ("active", "calls", "code", "self_ns", "total_ns", "window", "window_calls")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.calls = 0
        self.self_ns = 0
        self.total_ns = 0
        # Frames on the stack: the total counts the outermost only.
        self.active = 0
        self.window = 0
        self.window_calls = 0


class _Thread(threading.local):
    """One thread's functions, and its stack of (function, start, ns in callees)."""

    def __init__(self, all_functions: list[dict[int, _Function]]) -> None:
        self.functions: dict[int, _Function] = {}
        self.stack: list[tuple[_Function, int, list[int]]] = []
        all_functions.append(self.functions)


class Functions:
    """Counts calls between `start` and `stop`.

    Args:
        cell_file: The file name of the cell's code; empty when it is not known.
        line_offset: Added to each line of the cell's code to give the line the user sees.
        exclude: Folders whose code is not the user's own; by default the
            standard library's and those of installed packages.
    """

    def __init__(self, cell_file: str, line_offset: int, exclude: Iterable[str] | None = None) -> None:
        self._cell_file = cell_file
        self._offset = line_offset
        self._exclude = tuple(library_folders() if exclude is None else exclude)
        self._own: dict[str, bool] = {}
        self._all: list[dict[int, _Function]] = []
        self._threads = _Thread(self._all)
        self._hot: dict[int, CodeType] = {}
        self._tool = -1
        self._profiling = False
        self._events = 0
        self._window = 0
        self._window_events = 0
        self.losses: list[_wire.Loss] = []

    def start(self) -> None:
        """Begin."""
        if _monitoring is not None:
            self._start_monitoring()
        else:
            self._start_profile()

    def stop(self) -> None:
        """End. Leaves nothing behind in the interpreter."""
        self.disarm()

    def disarm(self) -> None:
        """Take all events and callbacks back; also in a forked child."""
        tool, self._tool = self._tool, -1
        if tool >= 0:
            _monitoring.set_events(tool, 0)
            for event in self._callbacks():
                _monitoring.register_callback(tool, event, None)
            _monitoring.free_tool_id(tool)
            # What was switched off here must not stay so for the id's next user.
            _monitoring.restart_events()
        if self._profiling:
            self._profiling = False
            # A profiler that the cell has set stays.
            if sys.getprofile() == self._on_profile:
                sys.setprofile(None)
            if getattr(threading, "_profile_hook", None) == self._on_profile:
                threading.setprofile(None)

    def cost_ns(self) -> int:
        """About how much time the events took."""
        return self._events * _EVENT_NS

    def rows(self) -> list[FunctionRow]:
        """The totals of all threads, most time of its own first."""
        sums: dict[int, list[int]] = {}
        codes: dict[int, CodeType] = {}
        for functions in list(self._all):
            for key, one in list(functions.items()):
                codes[key] = one.code
                total = sums.setdefault(key, [0, 0, 0])
                for column, value in enumerate((one.calls, one.self_ns, one.total_ns)):
                    total[column] += value
        rows = [
            FunctionRow(*self._describe(codes[key]), calls, self_ns, total_ns, key in self._hot)
            for key, (calls, self_ns, total_ns) in sums.items()
        ]
        return sorted(rows, key=lambda row: -row.self_ns)

    def is_own(self, file: str) -> bool:
        """Whether code of this file is the user's own."""
        own = self._own.get(file)
        if own is None:
            # Text in brackets is code without a file: generated by a library, or frozen into the interpreter.
            own = file == self._cell_file or not (file.startswith(("<", *self._exclude)))
            self._own[file] = own
        return own

    # sys.monitoring

    def _start_monitoring(self) -> None:
        for tool in (4, 3, 2, 5, 1, 0):
            if _monitoring.get_tool(tool) is None:
                break
        else:
            self.losses.append(_loss("every tool id of sys.monitoring is taken"))
            return
        _monitoring.use_tool_id(tool, "inferscope functions")
        self._tool = tool
        events = 0
        for event, callback in self._callbacks().items():
            _monitoring.register_callback(tool, event, callback)
            events |= event
        _monitoring.restart_events()
        _monitoring.set_events(tool, events)

    def _callbacks(self) -> dict[int, Callable[..., object]]:
        event = _monitoring.events
        return {
            event.PY_START: self._on_start,
            event.PY_RESUME: self._on_resume,
            event.PY_THROW: self._on_throw,
            event.PY_RETURN: self._on_leave,
            event.PY_YIELD: self._on_leave,
            event.PY_UNWIND: self._on_unwind,
        }

    def _off(self, code: CodeType) -> bool:
        return not self.is_own(code.co_filename) or id(code) in self._hot

    def _on_start(self, code: CodeType, offset: int) -> object:
        if self._off(code) or not self._enter(code, 1):
            return _monitoring.DISABLE
        return None

    def _on_resume(self, code: CodeType, offset: int) -> object:
        if self._off(code) or not self._enter(code, 0):
            return _monitoring.DISABLE
        return None

    def _on_throw(self, code: CodeType, offset: int, error: BaseException) -> None:
        if not self._off(code):
            self._enter(code, 0)

    def _on_leave(self, code: CodeType, offset: int, value: object) -> object:
        if not self.is_own(code.co_filename):
            return _monitoring.DISABLE
        self._leave(code)
        return _monitoring.DISABLE if id(code) in self._hot else None

    def _on_unwind(self, code: CodeType, offset: int, error: BaseException) -> None:
        if self.is_own(code.co_filename):
            self._leave(code)

    # sys.setprofile

    def _start_profile(self) -> None:
        if sys.getprofile() is not None:
            self.losses.append(_loss("another profiler uses sys.setprofile"))
            return
        self._profiling = True
        threading.setprofile(self._on_profile)
        sys.setprofile(self._on_profile)

    def _on_profile(self, frame: FrameType, event: str, argument: object) -> None:
        if not self._profiling:
            sys.setprofile(None)
            return
        self._window_events += 1
        if event not in ("call", "return"):
            return
        if self._window_events > _HOT_EVENTS and self._too_many():
            return
        code = frame.f_code
        if not self.is_own(code.co_filename):
            return
        if event == "return":
            self._leave(code)
        elif id(code) not in self._hot:
            # A generator that goes on is called again, but not from its beginning.
            self._enter(code, 0 if frame.f_lasti > _FIRST_OFFSET else 1)

    def _too_many(self) -> bool:
        now = monotonic_ns()
        since, self._window, self._window_events = now - self._window, now, 0
        if since > _WINDOW_NS:
            return False
        self.disarm()
        reason = f"more than {_HOT_EVENTS // 100} calls and returns a ms; exact function events were switched off"
        self.losses.append(_wire.Loss(source="python", reason=reason))
        return True

    # The totals.

    def _enter(self, code: CodeType, calls: int) -> bool:
        """Begin a stretch of a function; False when it is too hot for that."""
        self._events += 1
        thread = self._threads
        key = id(code)
        one = thread.functions.get(key)
        if one is None:
            one = thread.functions[key] = _Function(code)
        now = monotonic_ns()
        if now - one.window > _WINDOW_NS:
            one.window, one.window_calls = now, 0
        one.window_calls += 1
        if one.window_calls > _HOT_CALLS:
            self._hot[key] = code
            return False
        one.calls += calls
        one.active += 1
        thread.stack.append((one, now, [0]))
        return True

    def _leave(self, code: CodeType) -> None:
        now = monotonic_ns()
        stack = self._threads.stack
        if not any(one.code is code for one, _, _ in stack[-1:]) and not any(one.code is code for one, _, _ in stack):
            return  # entered before recording began, or while it was switched off
        self._events += 1
        while stack:
            one, start, callees = stack.pop()
            total = now - start
            one.active -= 1
            one.self_ns += total - callees[0]
            if not one.active:
                one.total_ns += total
            if stack:
                stack[-1][2][0] += total
            if one.code is code:
                return

    def _describe(self, code: CodeType) -> tuple[str, str, int]:
        name = getattr(code, "co_qualname", code.co_name)
        if code.co_filename == self._cell_file:
            return name, CELL_FILE, code.co_firstlineno + self._offset
        return name, code.co_filename, code.co_firstlineno


# The last instruction of a frame that has not begun is at or before its RESUME.
_FIRST_OFFSET = 8 if sys.version_info >= (3, 11) else -1


def library_folders() -> list[str]:
    """The folders of the standard library and of installed packages."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    with suppress(AttributeError):  # some embedded interpreters have no site
        paths += [*site.getsitepackages(), site.getusersitepackages()]
    paths += [sys.base_prefix + "/lib/", str(Path(__file__).parent)]
    return sorted({str(Path(path)) + "/" for path in paths if path})


def _loss(reason: str) -> _wire.Loss:
    return _wire.Loss(
        source="python",
        reason=f"exact function events: {reason}",
        enable="stop the other profilers, debuggers or coverage tools of this process",
    )
