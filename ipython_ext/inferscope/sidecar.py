"""The life of the sidecar process: found, started, watched, ended, cleaned up after.

One sidecar belongs to one process. It is started in the background, watches its
parent by itself, and exits when nobody needs it; the next `connection` starts
another one.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import configuration, threads
from .binary import find_binary
from .errors import InferScopeError

if TYPE_CHECKING:
    from .client import Connection

_PREFIX = "inferscope-"
# The socket's path must fit in sun_path, 108 bytes with its end.
_LONGEST_DIRECTORY = 80
# A directory that is younger may be one whose maker has not locked it yet.
_STALE_SECONDS = 10.0
# How long a start may take.
_START_SECONDS = 30.0
# How long a sidecar that was told to end by SIGTERM may take.
_TERM_SECONDS = 1.0
_NEXT = "The cell itself is not affected; the next profiled cell starts a new sidecar."
_LOG_TAIL_BYTES = 32_768


class Sidecar:
    """The sidecar of this process. All methods may be called from any thread.

    Args:
        binary: The program; by default what `find_binary` finds when it is needed.
        last_word: A descriptor, the caller's, on which the sidecar says that this process died while it was profiled;
            -1 for none.
    """

    def __init__(self, binary: Path | None = None, last_word: int = -1) -> None:
        self._binary = binary
        self._last_word = last_word
        self._lock = threading.Lock()
        self._process: _Process | None = None
        _sidecars.add(self)

    def start(self) -> None:
        """Start the sidecar in the background unless it runs; returns at once and never raises for its failure."""
        self._running()

    def connection(self, timeout: float = 10.0) -> Connection:
        """Return the connection to the running sidecar, starting one if need be.

        Args:
            timeout: Seconds to wait for a sidecar that is starting.

        Returns:
            The connection; the same one as long as the sidecar lives.

        Raises:
            InferScopeError: The sidecar cannot be started or does not answer.
        """
        process = self._running()
        if not process.ready.wait(timeout):
            raise InferScopeError(
                f"The sidecar was not ready after {timeout:g} s.", "The next profiled cell tries again."
            )
        connection = process.connection
        if connection is None:
            failure = process.failure or InferScopeError("The sidecar was shut down.")
            raise InferScopeError(failure.sentence, failure.hint)
        return connection

    def forget(self) -> None:
        """In a forked child: the sidecar is the parent's."""
        self._lock = threading.Lock()
        self._process = None

    def alive(self) -> bool:
        """Whether the sidecar runs or is starting."""
        with self._lock:
            process = self._process
        return process is not None and not process.over()

    @property
    def pid(self) -> int | None:
        """The process id of the running sidecar, None while there is none."""
        with self._lock:
            process = self._process
        return None if process is None or process.over() else process.pid

    def shutdown(self, timeout: float = 1.0) -> None:
        """End the sidecar and remove what belongs to it.

        Args:
            timeout: Seconds that it gets to end by itself before it is told to by SIGTERM, then SIGKILL.
        """
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end(timeout)

    def _running(self) -> _Process:
        with self._lock:
            process = self._process
            if process is None or process.over():
                process = self._process = _Process(self._binary, self._last_word)
            return process


class _Process:
    """One sidecar process, from its start to the removal of its directory."""

    def __init__(self, binary: Path | None, last_word: int) -> None:
        self._binary = binary
        self._last_word = last_word
        self._popen: subprocess.Popen[bytes] | None = None
        self._directory: str | None = None
        self._directory_lock = -1
        self._pidfd = -1
        self._lock = threading.Lock()
        self._ended = False
        self._cleaned = threading.Event()
        # The start is given up when the writing end is closed; the starting thread owns the other.
        self._given_up, self._give_up = os.pipe()
        # Set once there is a connection or a failure.
        self.ready = threading.Event()
        self.connection: Connection | None = None
        self.failure: InferScopeError | None = None
        _processes.add(self)
        _starting.add(self)
        self._starter = threads.start("start", self._start)

    @property
    def pid(self) -> int | None:
        popen = self._popen
        return None if popen is None else popen.pid

    def over(self) -> bool:
        """Whether this process has ended, failed to start or was told to end; cleans up after it then."""
        if not self.ready.is_set():
            return self._ended
        connection = self.connection
        if connection is not None and connection.usable():
            return False
        self.end(0.0)
        return True

    def _exit_status(self) -> int | None:
        popen = self._popen
        return None if popen is None else popen.poll()

    # The start, in its own thread.

    def _start(self) -> None:
        try:
            _sweep()
            readiness, token = self._launch()
            from .client import Connection

            with threads.own_zmq():
                connection = Connection(readiness["endpoint"], token, self._pidfd, self.death, timeout=10.0)
            with self._lock:
                if not self._ended:
                    self.connection, connection = connection, None  # type: ignore[assignment]
            if connection is not None:
                connection.close()
        except InferScopeError as error:
            self.failure = error
        except Exception as error:
            self.failure = InferScopeError(f"The sidecar could not be started: {error!r}.", self._log_hint())
        finally:
            os.close(self._given_up)
        self.ready.set()
        if self.failure is not None:
            self.end(0.0)
        _starting.discard(self)

    def settle(self) -> None:
        """Wait until a start that was given up has undone what it was about."""
        self._starter.join(_TERM_SECONDS)

    def _launch(self) -> tuple[dict[str, Any], bytes]:
        binary = self._binary or find_binary()
        token = secrets.token_bytes(32)
        read_end = -1
        with self._lock:
            if self._ended:
                raise InferScopeError("The sidecar was shut down while it started.")
            self._directory = _private_directory()
            self._directory_lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._directory_lock, fcntl.LOCK_SH)
            log = os.open(Path(self._directory) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            read_end, write_end = os.pipe()
            try:
                # A session of its own, or every interrupt of the kernel would reach it.
                self._popen = subprocess.Popen(
                    [os.fspath(binary), "serve"],
                    stdin=subprocess.PIPE,
                    stdout=write_end,
                    stderr=log,
                    cwd="/",
                    close_fds=True,
                    pass_fds=() if self._last_word < 0 else (self._last_word,),
                    start_new_session=True,
                )
            except OSError as error:
                os.close(read_end)
                raise InferScopeError(f"The sidecar {binary} could not be run: {error.strerror or error}.") from None
            finally:
                os.close(write_end)
                os.close(log)
            with contextlib.suppress(OSError, AttributeError):  # no pidfd here: the process is polled
                self._pidfd = os.pidfd_open(self._popen.pid)
        boot = {
            "token": token.hex(),
            "pid": os.getpid(),
            "dir": self._directory,
            "work_dir": configuration.directory(),
            "last_word_fd": max(0, self._last_word),
        }
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._popen.stdin as stdin:
            stdin.write(json.dumps(boot).encode() + b"\n")
        return self._readiness(read_end), token

    def _readiness(self, pipe: int) -> dict[str, Any]:
        """Read the one line that the sidecar writes when it can be reached."""
        line = b""
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(self._given_up, select.POLLIN)
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not line.endswith(b"\n"):
                events = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
                if self._given_up in events:
                    raise InferScopeError("The sidecar was shut down while it started.")
                if not events:
                    raise InferScopeError(f"The sidecar was not ready after {_START_SECONDS:g} s.", self._log_hint())
                part = os.read(pipe, 65536)
                if not part:
                    break
                line += part
        finally:
            os.close(pipe)
        try:
            readiness: dict[str, Any] = json.loads(line)
        except ValueError:
            raise InferScopeError("The sidecar ended before it was ready.", self._log_hint()) from None
        if readiness.get("error"):
            raise InferScopeError(f"The sidecar could not start: {readiness['error']}.", self._log_hint())
        return readiness

    # The end.

    def death(self) -> InferScopeError | None:
        """Why the sidecar is gone; None while it runs."""
        status = self._exit_status()
        if status is None:
            return None
        if status < 0:
            with contextlib.suppress(ValueError):
                return InferScopeError(f"The sidecar was killed by {signal.Signals(-status).name}.", _NEXT)
        return InferScopeError(
            f"The sidecar ended unexpectedly (exit status {status}).", f"{_NEXT} {self._log_hint()}".strip()
        )

    def end(self, timeout: float) -> None:
        """End the process and remove its directory. May be called twice and from any thread."""
        with self._lock:
            ending, self._ended = self._ended, True
            connection, self.connection = self.connection, None
        if ending:
            if timeout > 0:  # another thread is at it
                self._cleaned.wait(timeout + _TERM_SECONDS)
            return
        os.close(self._give_up)
        self.ready.set()
        popen = self._popen
        if connection is not None:
            if timeout > 0 and self._exit_status() is None:
                from . import _wire

                with contextlib.suppress(Exception):
                    connection.request(_wire.Shutdown(), timeout)
                    self._wait(timeout)
            connection.close()
        if popen is not None:
            for send, patience in ((popen.terminate, _TERM_SECONDS), (popen.kill, None)):
                if popen.poll() is None:
                    send()
                    self._wait(patience)
        self._clean()
        _processes.discard(self)
        self._cleaned.set()

    def _wait(self, timeout: float | None) -> None:
        """Wait until the process is gone, and reap it."""
        popen = self._popen
        assert popen is not None
        if self._pidfd >= 0:  # Popen.wait with a timeout would poll in steps of up to 50 ms
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll(None if timeout is None else timeout * 1000)
            popen.poll()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(timeout)

    def _clean(self) -> None:
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        for descriptor in (self._directory_lock, self._pidfd):
            if descriptor >= 0:
                os.close(descriptor)
        self._directory_lock = self._pidfd = -1

    def forget(self) -> None:
        """In a forked child: the process is the parent's, nothing of it may be touched."""
        self._lock = threading.Lock()
        if self.connection is not None:
            self.connection.abandon()
            self.connection = None
        if self._popen is not None:
            self._popen.returncode = 0  # or its destructor would complain and wait
        if not self._ended:
            os.close(self._give_up)
        self._ended = True
        self.failure = InferScopeError("The sidecar is the parent process's.")
        self.ready = threading.Event()
        self.ready.set()
        self._close_descriptors()

    def _log_hint(self) -> str:
        if self._directory is None:
            return ""
        try:
            with (Path(self._directory) / "log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        # A crash's reason stands above the stacks of all its threads.
        crash = [line for line in lines if line.startswith(("panic: ", "fatal error: "))]
        return "Its log says: " + " | ".join(crash[:1] or lines[-3:]) if lines else ""


def _private_directory() -> str:
    """Make the sidecar's directory, mode 0700, with a path that is short enough for a socket."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) > _LONGEST_DIRECTORY:
        parent = "/tmp"
    return tempfile.mkdtemp(prefix=_PREFIX, dir=parent)


def _sweep() -> None:
    """Remove the directories that nobody was left to remove: client and sidecar were both killed."""
    for path in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for directory in path.glob(_PREFIX + "*"):
            with contextlib.suppress(OSError):
                status = directory.lstat()
                if status.st_uid == os.getuid() and time.time() - status.st_mtime > _STALE_SECONDS:
                    _remove_unlocked(directory)


def _remove_unlocked(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(descriptor)


# Every process that is not cleaned up after yet, so that none outlives this one.
_processes: set[_Process] = set()
# Those whose starting thread is at work. The interpreter would stop it anywhere: with a file just made, as by tempfile.
_starting: set[_Process] = set()
_sidecars: weakref.WeakSet[Sidecar] = weakref.WeakSet()


def _end_all() -> None:
    for process in list(_processes):
        process.end(1.0)
    for process in list(_starting):
        process.settle()


def _forget_all() -> None:
    for process in list(_processes):
        process.forget()
    _processes.clear()
    _starting.clear()
    for sidecar in list(_sidecars):
        sidecar.forget()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_forget_all)
