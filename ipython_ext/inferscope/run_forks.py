"""What a script's forks shall not notice: InferScope's threads, and its handlers of signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from . import threads


class Forks:
    """Acts around each fork of this process from now on.

    Without it a signal that ends the child could be lost: between the fork and `forget` it would find the parent's
    handler. And from Python 3.12 on a fork warns of threads, also where all of them are InferScope's.

    Args:
        main_thread: The process's.
        signals: Those that have handlers which `forget` takes back.
        forget: Called in the child.
    """

    def __init__(
        self, main_thread: MainThread, signals: Collection[signal.Signals], forget: Callable[[], None]
    ) -> None:
        self._main_thread = main_thread
        self._signals = signals
        self._forget = forget
        self._fork = _Fork()
        os.register_at_fork(before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after)

    def _before(self) -> None:
        fork = self._fork
        fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        fork.begin(sys._getframe(1))
        if sys.version_info >= (3, 12) and _only_own_threads():
            fork.filters = warnings.catch_warnings()
            fork.filters.__enter__()
            warnings.filterwarnings("ignore", r"This process \(pid=\d+\) is multi-threaded", DeprecationWarning)

    def _after_in_parent(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._fork.mask)
        if self._fork.filters is not None:
            self._main_thread.soon(self._restore_filters)

    def _restore_filters(self) -> None:
        """Called between two instructions: from Python 3.13 on, a fork warns after all that it calls."""
        if self._fork.under_way(sys._getframe(2)):
            self._main_thread.soon(self._restore_filters)
        else:
            self._fork.restore_filters()

    def _after(self) -> None:
        self._forget()
        self._main_thread.forget()
        self._fork.restore_filters()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._fork.mask)


class _Fork(threading.local):
    """What the calling thread has to undo after its fork."""

    def __init__(self) -> None:
        self.mask: set[signal.Signals | int] = set()
        self.filters: warnings.catch_warnings[Any] | None = None
        self._caller: tuple[FrameType, int] | None = None

    def begin(self, caller: FrameType) -> None:
        """Note that a fork begins, and who asks for it."""
        self.restore_filters()
        self._caller = caller, caller.f_lasti

    def under_way(self, frame: FrameType) -> bool:
        """Whether `frame`, which executes, is called by the fork."""
        if self._caller is None:
            return False
        caller, instruction = self._caller
        return frame is not caller and caller.f_lasti == instruction

    def restore_filters(self) -> None:
        """Have warnings shown again."""
        filters, self.filters = self.filters, None
        self._caller = None
        if filters is not None:
            filters.__exit__(None, None, None)


class MainThread:
    """Has the main thread call something between two of its instructions."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._thunk: Any = None

    def soon(self, call: Callable[[], None]) -> None:
        """Have it make a call, whose errors are nobody's."""
        import ctypes

        if self._thunk is None:
            self._thunk = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._make_calls)
        self._calls.append(call)
        ctypes.pythonapi.Py_AddPendingCall(self._thunk, None)

    def forget(self) -> None:
        """In a forked child: the calls are the parent's."""
        self._calls.clear()

    def _make_calls(self, _: object) -> int:
        for _ in range(len(self._calls)):  # those that come meanwhile are for later
            with suppress(Exception):
                self._calls.popleft()()
        return 0


def _only_own_threads() -> bool:
    """Whether every thread of the process but this one is InferScope's."""
    # A thread that has just started has its name for the kernel not yet, those of ZeroMQ have no other.
    ours = {str(one.native_id) for one in threading.enumerate() if one.name.startswith(threads.PREFIX)}
    ours.add(str(threading.get_native_id()))
    with suppress(OSError):
        tasks = [task for task in Path("/proc/self/task").iterdir() if task.name not in ours]
        return all((task / "comm").read_bytes().startswith(threads.PREFIX.encode()) for task in tasks)
    return False
