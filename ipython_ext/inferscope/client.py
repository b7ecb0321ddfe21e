"""The connection to a running sidecar: requests with answers, and events without.

One connection serves every thread of the process. The ZeroMQ socket is only touched
under a lock and never waited for under it, so that a thread that waits for an answer
holds up no other, and an interrupt leaves the connection usable: an answer that
nobody waits for any more is skipped by its number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import select
import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast, overload

import zmq

from . import _wire
from ._version import __version__
from .errors import InferScopeError

# How many messages wait in this process when the sidecar does not take them. With
# batches of 64 to 256 KiB that is at most 32 MiB; what comes then is dropped and counted.
_SEND_QUEUE = 128
# How long one wait lasts at most. Another thread that sends may take the
# notification that a waiting thread was to get, so no wait relies on it alone.
_SLICE_SECONDS = 0.01
# How long one Hello on a renewed connection may take before it is said again.
_HELLO_SECONDS = 2.0

_M = TypeVar("_M", bound=_wire.Message)


class RefusedError(InferScopeError):
    """The sidecar answered a request with an error.

    Attributes:
        code: One of the CODE_ constants of the protocol.
    """

    def __init__(self, code: str, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.code = code


class _LateError(InferScopeError):
    """No answer came before the deadline."""


class Connection:
    """One authenticated connection; all methods may be called from any thread.

    Args:
        endpoint: The sidecar's ZeroMQ endpoint.
        token: The secret of the sidecar's start.
        watch: A descriptor that is readable once the sidecar has exited; -1 if there is none.
        death: Returns why the sidecar is gone, or None while it runs.
        timeout: Seconds for the sidecar to answer the first message.

    Raises:
        InferScopeError: The sidecar refused, died or did not answer.
    """

    def __init__(
        self,
        endpoint: str,
        token: bytes,
        watch: int,
        death: Callable[[], InferScopeError | None],
        timeout: float,
    ) -> None:
        self._token = token
        self._death = death
        self._lock = threading.Lock()
        self._seq = 0
        self._waiting: set[int] = set()
        self._answers: dict[int, _wire.Message] = {}
        # Rows of Events that could not be sent, by cell.
        self._dropped: dict[str, int] = {}
        self._broken: InferScopeError | None = None
        # A context of our own: the kernel's must not wait for us, nor we for it.
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, _SEND_QUEUE)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _wire.MAX_FRAME)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.connect(endpoint)
        # Readable when there may be something to do: for the socket, for the end of the sidecar.
        self._descriptors = [cast("int", self._socket.getsockopt(zmq.FD))]
        if watch >= 0:
            self._descriptors.append(watch)
        try:
            self.welcome = self._hello(time.monotonic() + timeout)
        except BaseException:
            self.close()
            raise

    @overload
    def request(self, message: _wire.Start, timeout: float) -> _wire.Started: ...
    @overload
    def request(self, message: _wire.Stop, timeout: float) -> _wire.Report: ...
    @overload
    def request(self, message: _wire.Cancel, timeout: float) -> _wire.Cancelled: ...
    @overload
    def request(self, message: _wire.Compare, timeout: float) -> _wire.Comparison: ...
    @overload
    def request(self, message: _wire.StatusRequest, timeout: float) -> _wire.Status: ...
    @overload
    def request(self, message: _wire.Shutdown, timeout: float) -> _wire.Bye: ...
    def request(self, message: _wire.Message, timeout: float) -> _wire.Message:
        """Send a request and wait for its answer.

        Args:
            message: The request. What `send` had to drop of a cell is added to the losses of its Stop.
            timeout: Seconds to wait.

        Returns:
            The answer, of the type that answers this request.

        Raises:
            RefusedError: The sidecar answered with an error.
            InferScopeError: The sidecar is gone, did not answer in time, or the message cannot be sent.
        """
        deadline = time.monotonic() + timeout
        if isinstance(message, _wire.Stop):
            message = self._with_losses(message)
        try:
            answer = self._exchange(message, deadline)
        except RefusedError as refused:
            if refused.code != _wire.CODE_HELLO:
                raise
            # The sidecar dropped the connection and the library made a new one.
            self._hello_again(deadline)
            answer = self._exchange(message, deadline)
        return _expect(answer, _ANSWERS[type(message)])

    def send(self, message: _wire.Events) -> bool:
        """Send events; never blocks and never raises.

        Returns:
            False when they were dropped; the cell's Stop then carries their number.
        """
        try:
            frame = _wire.encode(message, 0)
            with self._lock:
                if self._socket is None:
                    return False
                self._socket.send(frame, zmq.DONTWAIT)
            return True
        except Exception:
            with contextlib.suppress(Exception):
                rows = _rows(message)
                with self._lock:
                    self._dropped[message.cell_id] = self._dropped.get(message.cell_id, 0) + rows
            return False

    def usable(self) -> bool:
        """Whether a request has a chance: the sidecar runs and the connection is neither closed nor broken."""
        return self._socket is not None and self._broken is None and self._death() is None

    def close(self) -> None:
        """Close the connection at once; what was not sent is lost. May be called twice."""
        with self._lock:
            socket, self._socket = self._socket, None
            if socket is not None:
                socket.close(0)
                self._context.term()

    def abandon(self) -> None:
        """Forget the connection in a forked child, where it is the parent's."""
        # Closing would need the library's threads, which a child does not have;
        # nor may the garbage collector do it.
        _abandoned.append((self._context, self._socket))
        self._socket = None
        self._lock = threading.Lock()

    def _hello(self, deadline: float) -> _wire.Welcome:
        hello = _wire.Hello(
            version=_wire.VERSION,
            token=self._token,
            client_version=__version__,
            pid=os.getpid(),
            python=platform.python_version(),
        )
        return _expect(self._exchange(hello, deadline), _wire.Welcome)

    def _hello_again(self, deadline: float) -> None:
        """Open a renewed connection; a Hello that went into one going down is said once more."""
        while True:
            attempt = min(deadline, time.monotonic() + _HELLO_SECONDS)
            try:
                self._hello(attempt)
                return
            except _LateError:
                if attempt >= deadline:
                    raise

    def _exchange(self, message: _wire.Message, deadline: float) -> _wire.Message:
        with self._lock:
            self._seq += 1
            seq = self._seq
        try:
            frame = _wire.encode(message, seq)
        except _wire.WireError as error:
            raise InferScopeError(f"A message to the sidecar cannot be sent: {error}.") from None
        self._waiting.add(seq)
        try:
            while not self._try_send(frame):
                self._wait(deadline, type(message).__name__)
            while (answer := self._try_receive(seq)) is None:
                self._wait(deadline, type(message).__name__)
        finally:
            self._waiting.discard(seq)
            self._answers.pop(seq, None)
        if isinstance(answer, _wire.Error):
            raise RefusedError(answer.code, answer.message, answer.hint)
        return answer

    def _try_send(self, frame: bytes) -> bool:
        with self._lock:
            try:
                self._open_socket().send(frame, zmq.DONTWAIT)
            except zmq.Again:
                return False
        return True

    def _try_receive(self, seq: int) -> _wire.Message | None:
        """Take what has arrived, for every waiting thread; return the answer to seq."""
        with self._lock:
            socket = self._open_socket()
            while seq not in self._answers:
                try:
                    frame = socket.recv(zmq.DONTWAIT)
                except zmq.Again:
                    break
                self._sort(frame)
            if self._broken is not None and seq not in self._answers:
                raise self._broken
            return self._answers.pop(seq, None)

    def _sort(self, frame: bytes) -> None:
        try:
            message, answered = _wire.decode(frame)
        except _wire.VersionMismatchError as error:
            self._broken = InferScopeError(
                f"The sidecar speaks version {error.got} of the protocol, the extension version {_wire.VERSION}.",
                "Reinstall inferscope-profiler so that both come from one release, check INFERSCOPE_SIDECAR, "
                "and restart the kernel.",
            )
            return
        except _wire.WireError as error:
            self._broken = InferScopeError(f"The sidecar sent something that is no message: {error}.")
            return
        if answered in self._waiting:
            self._answers[answered] = message
        elif isinstance(message, _wire.Error) and answered == 0 and message.code == _wire.CODE_VERSION:
            # An older sidecar cannot read the number of a newer request.
            self._broken = RefusedError(message.code, message.message, message.hint)

    def _wait(self, deadline: float, what: str) -> None:
        dead = self._death()
        if dead is not None:
            raise dead
        left = deadline - time.monotonic()
        if left <= 0:
            raise _LateError(
                f"The sidecar did not answer {what} in time.", "The cell itself is not affected; see `%inferscope`."
            )
        poll = select.poll()  # one object cannot be waited on by two threads
        for descriptor in self._descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(min(left, _SLICE_SECONDS) * 1000)

    def _open_socket(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            raise InferScopeError("The connection to the sidecar is closed.")
        return self._socket

    def _with_losses(self, stop: _wire.Stop) -> _wire.Stop:
        with self._lock:
            dropped = self._dropped.pop(stop.cell_id, 0)
            self._dropped.clear()  # of cells that ended otherwise
        if not dropped:
            return stop
        loss = _wire.Loss(source="python", reason="the sidecar did not take the events fast enough", count=dropped)
        return dataclasses.replace(stop, losses=[*stop.losses, loss])


_ANSWERS: dict[type[object], type[_wire.Message]] = {
    _wire.Start: _wire.Started,
    _wire.Stop: _wire.Report,
    _wire.Cancel: _wire.Cancelled,
    _wire.Compare: _wire.Comparison,
    _wire.StatusRequest: _wire.Status,
    _wire.Shutdown: _wire.Bye,
}

# Contexts and sockets of the parent, in a forked child.
_abandoned: list[tuple[object, object]] = []


def _expect(answer: _wire.Message, want: type[_M]) -> _M:
    if type(answer) is not want:
        raise InferScopeError(f"The sidecar answered {type(answer).__name__} where {want.__name__} was due.")
    return cast("_M", answer)


def _rows(message: _wire.Events) -> int:
    columns = [message.scopes.start, message.marks.time, message.gc.start, message.samples.time, message.calls.calls]
    columns += [lines.time for lines in message.lines]
    return sum(map(len, columns)) // 8
