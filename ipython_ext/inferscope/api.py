"""`inferscope.scope` and `inferscope.mark_event`: what users say about their own code.

Both may stay in code for good. While no cell is profiled a scope only notes that it
is open, as it may still be when a cell begins, and a mark does nothing.
"""

from __future__ import annotations

import functools
import inspect
import json
import threading
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic_ns
from types import TracebackType
from typing import Any, TypeVar, cast

from .columns import MarkRow, Outbox, ScopeRow

_F = TypeVar("_F", bound=Callable[..., Any])

# Longer names and attributes are cut.
_NAME_CHARACTERS = 200
_ATTRIBUTES_CHARACTERS = 1000
_VALUE_CHARACTERS = 200


get_ident = threading.get_ident

# The start of a scope that was entered while no cell was profiled: before any cell, to which it is clipped.
BEFORE = 1


class _Again:
    """An entry of a scope that was already open, elsewhere or in itself."""

    __slots__ = ("before", "depth", "ident", "name", "scope", "start")

    def __init__(self, scope: scope, before: _Again | None) -> None:
        self.scope = scope
        self.name = scope.name
        self.ident = get_ident()
        self.depth = -1
        self.before = before
        # 0 once it has been left.
        self.start = monotonic_ns() if _active is not None else BEFORE


# Scopes that are open, in the order of their starts.
_open: dict[scope | _Again, None] = {}
# The number of scopes around the current code, of those entered while a cell was profiled.
_depth: ContextVar[int] = ContextVar("inferscope_scope_depth", default=0)
# The latest entry of the current thread or task into a scope that was already open.
_again: ContextVar[_Again | None] = ContextVar("inferscope_scope_again", default=None)


class scope:  # noqa: N801 - reads as a word of the language: with inferscope.scope("load")
    """Name an interval: a context manager, and a decorator of functions.

    One scope may be used any number of times, in any thread and task, also inside
    itself. A decorated coroutine or generator is measured from its first step to
    its end, waiting included.

        with inferscope.scope("preprocess"):
            ...

        @inferscope.scope("tokenize")
        def tokenize(text): ...

    Args:
        name: What the report calls it.
    """

    __slots__ = ("again", "depth", "ident", "name", "start")

    def __init__(self, name: str) -> None:
        self.name = name
        # When it was entered; 0 while it is not open.
        self.start = 0
        # How many entries there are beside the first.
        self.again = 0

    def __enter__(self) -> scope:
        if self.start:
            self._enter_again()
            return self
        if _watch is not None and self.name == _watch.name:
            _watch.entering(self)
        self.ident = get_ident()
        _open[self] = None
        if _active is None:
            # Not counted: a context variable costs more than all of this.
            self.depth = -1
            self.start = BEFORE
        else:
            self.depth = depth = _depth.get()
            _depth.set(depth + 1)
            self.start = monotonic_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end = monotonic_ns() if _active is not None else 0
        if self.again and self._exit_again():
            return
        start = self.start
        if not start:
            return
        self.start = 0
        try:  # noqa: SIM105 - suppress() costs more than all of this
            del _open[self]
        except KeyError:  # open when the process forked
            pass
        if self.depth >= 0:
            _depth.set(self.depth)
        if _active is not None:
            _active.left(self.name, start, end or monotonic_ns(), self.depth)
        if _watch is not None:
            _watch.leaving(self)

    def _enter_again(self) -> None:
        one = _Again(self, _again.get())
        _again.set(one)
        _open[one] = None
        self.again += 1
        if _active is not None:
            one.depth = _depth.get()
            _depth.set(one.depth + 1)

    def _exit_again(self) -> bool:
        """Leave the latest entry that this thread or task made while the scope was open; False without one."""
        end = monotonic_ns()
        one = _again.get()
        while one is not None and (one.scope is not self or not one.start):
            one = one.before
        if one is None:
            return False
        start, one.start = one.start, 0
        self.again -= 1
        _open.pop(one, None)
        latest = _again.get()
        while latest is not None and not latest.start:
            latest = latest.before
        _again.set(latest)
        if one.depth >= 0:
            _depth.set(one.depth)
        if _active is not None:
            _active.left(one.name, start, end, one.depth)
        return True

    def __call__(self, function: _F) -> _F:
        """Decorate a function, a coroutine function or a generator function."""
        if not callable(function) or inspect.isclass(function):
            raise TypeError("inferscope.scope decorates functions. Inside a class, put it on the methods.")
        wrapper: Callable[..., Any]
        if inspect.iscoroutinefunction(function):
            wrapper = self._coroutine(function)
        elif inspect.isasyncgenfunction(function):
            wrapper = self._async_generator(function)
        elif inspect.isgeneratorfunction(function):
            wrapper = self._generator(function)
        else:
            wrapper = self._plain(function)
        return cast(_F, functools.wraps(function)(wrapper))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = self.name

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with scope(name):
                return function(*args, **kwargs)

        return wrapper

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = self.name

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with scope(name):
                return await function(*args, **kwargs)

        return wrapper

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = self.name

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with scope(name):
                return (yield from function(*args, **kwargs))

        return wrapper

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = self.name

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            with scope(name):
                step = generator.__anext__()
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = generator.asend((yield item))
                    except GeneratorExit:
                        await generator.aclose()
                        raise
                    except BaseException as error:
                        step = generator.athrow(error)

        return wrapper


def mark_event(name: str, /, **attributes: object) -> None:
    """Mark an instant in the report.

    Args:
        name: What the report calls it.
        attributes: What to show beside it. Values that JSON cannot hold are shown as text; long ones are cut.
    """
    if _active is not None:
        _active.mark(name, attributes)


class Listener:
    """Records scopes and marks while a cell is profiled."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._threads = _Thread(outbox)

    def start(self) -> None:
        """Begin."""
        global _active
        _active = self

    def stop(self) -> None:
        """End. Scopes that are still open are recorded up to now."""
        self.disarm()
        now = monotonic_ns()
        ids = {thread.ident: thread.native_id for thread in threading.enumerate()}
        for one in list(_open):
            tid = ids.get(one.ident)
            if tid is not None:
                self._record(tid, one.name, one.start, now, one.depth)

    def disarm(self) -> None:
        """Stop listening; also in a forked child."""
        global _active
        if _active is self:
            _active = None

    def left(self, name: str, start: int, end: int, depth: int) -> None:
        """Record a scope that the calling thread has just left."""
        self._record(self._threads.tid, name, start, end, depth)

    def mark(self, name: str, attributes: dict[str, object]) -> None:
        """Record an instant. Never raises for what the attributes are."""
        now = monotonic_ns()
        self._outbox.add_mark(MarkRow(self._threads.tid, now, _short(name), _json(attributes)))

    def _record(self, tid: int, name: str, start: int, end: int, depth: int) -> None:
        if start:
            if type(name) is not str or len(name) > _NAME_CHARACTERS:
                name = _short(name)
            self._outbox.add_scope(ScopeRow(tid, start, end, name, max(depth, 0)))


_active: Listener | None = None


class Watch:
    """Calls back around the first scope of a name, on the thread that enters and leaves it.

    Args:
        name: The scope's name.
        enter: Called before it is entered; must not raise but for an interrupt.
        leave: Called once it has been left, in the same way.
    """

    def __init__(self, name: str, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self.name = name
        self._enter = enter
        self._leave = leave
        self._scope: scope | None = None

    def entering(self, one: scope) -> None:
        """Take note of a scope of this name."""
        if self._scope is None:
            self._scope = one
            self._enter()

    def leaving(self, one: scope) -> None:
        """Take note of the end of any scope."""
        if self._scope is one:
            watch(None)
            self._leave()


def watch(one: Watch | None) -> None:
    """Have a watch look at every scope from now on; None for none."""
    global _watch
    _watch = one


_watch: Watch | None = None


class _Thread(threading.local):
    """The system's id of the calling thread, as `tid`."""

    def __init__(self, outbox: Outbox) -> None:
        from .line_state import thread_name

        self.tid = threading.get_native_id()
        outbox.name_thread(self.tid, thread_name())


def _short(name: object) -> str:
    try:
        return str(name)[:_NAME_CHARACTERS]
    except Exception:
        return f"<{type(name).__name__}>"


def _json(attributes: dict[str, object]) -> str:
    """A JSON object of bounded size."""
    if not attributes:
        return "{}"
    try:
        plain = {key[:_NAME_CHARACTERS]: _plain_value(value) for key, value in attributes.items()}
        text = json.dumps(plain)
        while len(text) > _ATTRIBUTES_CHARACTERS:
            plain.popitem()
            text = json.dumps({**plain, "…": f"{len(attributes) - len(plain)} more"})
    except Exception:
        return "{}"
    return text


def _plain_value(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return int(value)
    if isinstance(value, float):
        # JSON has no infinities.
        return float(value) if value - value == 0 else str(float(value))
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return str(text[:_VALUE_CHARACTERS])


def _after_fork() -> None:
    """In a forked child: the other threads' scopes are not there any more."""
    watch(None)
    ident = threading.get_ident()
    for one in list(_open):
        if one.ident != ident:
            del _open[one]
