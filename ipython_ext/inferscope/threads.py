"""InferScope's own threads in the user's process: told apart by name, by Python and by the kernel.

The sidecar sees threads by the kernel's names. Before Python 3.14 a thread gets none
of its own, and would be taken for one of the program's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What the names begin with; the sidecar knows it: timeline.OwnThreadPrefix.
PREFIX = "inferscope"

_TASKS = Path("/proc/self/task")
_PR_SET_NAME = 15
# Longer names are cut by the kernel.
_NAME_BYTES = 15


def start(name: str, run: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread of InferScope.

    Args:
        name: Its name, without the prefix.
        run: What it does.
    """
    name = f"{PREFIX}-{name}"
    # Not in the thread: an import there waits for the interpreter's lock many times over, and the cell may hold it.
    _load()

    def named() -> None:
        _name_calling_thread(name)
        run()

    thread = threading.Thread(target=named, name=name, daemon=True)
    thread.start()
    return thread


@contextmanager
def own_zmq() -> Iterator[None]:
    """Name the threads that ZeroMQ starts for a context of ours; they are there at the end of the block."""
    before = _tasks()
    yield
    for task in _tasks() - before:
        with suppress(OSError):
            comm = _TASKS / task / "comm"
            if comm.read_bytes().startswith(b"ZMQbg"):
                comm.write_bytes(f"{PREFIX}-zmq".encode())


def _tasks() -> set[str]:
    with suppress(OSError):
        return {task.name for task in _TASKS.iterdir()}
    return set()


def _load() -> Callable[..., int] | None:
    """The C library's prctl; None on a system without it."""
    global _prctl
    if _prctl is None:
        with suppress(Exception):  # a system without it shows another name, no more
            import ctypes

            _prctl = ctypes.CDLL(None).prctl
    return _prctl


_prctl: Callable[..., int] | None = None


def _name_calling_thread(name: str) -> None:
    prctl = _load()
    if prctl is not None:
        prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)
