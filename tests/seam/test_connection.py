"""Requests, answers and events over a connection to a real sidecar process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from inferscope import _wire
from inferscope.client import Connection, RefusedError
from inferscope.errors import InferScopeError
from inferscope.sidecar import Sidecar

from .conftest import PATIENCE


def lines(rows: int) -> list[_wire.LineColumns]:
    return [_wire.LineColumns(tid=1, time=bytes(8 * rows), line=bytes(4 * rows), top=bytes(4 * rows))]


def test_a_cell_from_start_to_report(connection: Connection) -> None:
    assert connection.welcome.sidecar_version == "stub"
    started = connection.request(_wire.Start(cell_id="a", source="x"), PATIENCE)
    assert started.collectors[0].detail == f"peer {os.getpid()} of user {os.getuid()}"
    for _ in range(3):
        assert connection.send(_wire.Events(cell_id="a", lines=lines(1000)))
    report = connection.request(_wire.Stop(cell_id="a"), PATIENCE)
    assert report.text == "batches=3 bytes=48000 order=start,events,events,events,stop"
    assert report.losses == []
    assert connection.request(_wire.StatusRequest(), PATIENCE).cells_profiled == 1


def test_an_error_is_a_sentence_with_a_code_and_a_hint(connection: Connection) -> None:
    with pytest.raises(RefusedError) as caught:
        connection.request(_wire.Start(source="busy"), PATIENCE)
    assert (caught.value.code, caught.value.sentence, caught.value.hint) == ("busy", "The stub is busy.", "Wait.")
    with pytest.raises(RefusedError, match="told to panic") as caught:
        connection.request(_wire.Start(source="panic"), PATIENCE)
    assert caught.value.code == _wire.CODE_INTERNAL
    assert connection.request(_wire.StatusRequest(), PATIENCE)


def test_large_and_too_large_reports(connection: Connection) -> None:
    connection.request(_wire.Start(cell_id="a", source="large"), PATIENCE)
    assert len(connection.request(_wire.Stop(cell_id="a"), PATIENCE).html) == 8 << 20
    connection.request(_wire.Start(cell_id="a", source="too large"), PATIENCE)
    with pytest.raises(RefusedError, match="could not send its answer"):
        connection.request(_wire.Stop(cell_id="a"), PATIENCE)


def test_an_answer_that_came_too_late_is_skipped(connection: Connection) -> None:
    connection.request(_wire.Start(cell_id="a", source="hang"), PATIENCE)
    with pytest.raises(InferScopeError, match="did not answer Stop in time"):
        connection.request(_wire.Stop(cell_id="a"), 0.05)
    # Cancel frees the handler, whose answer to Stop now comes before the one to Cancel.
    assert connection.request(_wire.Cancel(cell_id="a"), PATIENCE).cell_id == "a"
    assert connection.request(_wire.StatusRequest(), PATIENCE).pid
    assert connection._answers == {} and connection._waiting == set()


def test_an_interrupt_leaves_the_connection_usable(connection: Connection) -> None:
    connection.request(_wire.Start(cell_id="a", source="hang"), PATIENCE)
    main = threading.main_thread().ident
    assert main is not None
    done = threading.Event()

    def interrupt() -> None:
        # Stop is on its way once it is waited for.
        while not connection._waiting and not done.is_set():
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        connection.request(_wire.Stop(cell_id="a"), PATIENCE)
    done.set()
    thread.join()
    connection.request(_wire.Cancel(cell_id="a"), PATIENCE)
    assert connection.request(_wire.Start(cell_id="b"), PATIENCE).cell_id == "b"


def test_many_threads_share_the_connection(connection: Connection) -> None:
    connection.request(_wire.Start(cell_id="a"), PATIENCE)

    def work(number: int) -> int:
        for _ in range(50):
            if number % 2:
                assert connection.send(_wire.Events(cell_id="a", lines=lines(10)))
            assert connection.request(_wire.StatusRequest(), PATIENCE).active_cell == "a"
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))
    report = connection.request(_wire.Stop(cell_id="a"), PATIENCE)
    assert report.text.startswith("batches=200 bytes=32000 ")


def test_a_stopped_sidecar_costs_bounded_memory_and_a_loss(sidecar: Sidecar, connection: Connection) -> None:
    connection.request(_wire.Start(cell_id="a"), PATIENCE)
    pid = sidecar.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    rows = 1 << 14
    try:
        sent = 0
        while connection.send(_wire.Events(cell_id="a", lines=lines(rows))):
            sent += 1
            assert sent < 1000, "nothing was ever dropped"
        assert not connection.send(_wire.Events(cell_id="a", lines=lines(rows)))
    finally:
        os.kill(pid, signal.SIGCONT)
    report = connection.request(_wire.Stop(cell_id="a"), PATIENCE)
    assert f"batches={sent} " in report.text
    assert [loss.count for loss in report.losses] == [2 * rows]
    connection.request(_wire.Start(cell_id="b"), PATIENCE)
    assert connection.request(_wire.Stop(cell_id="b"), PATIENCE).losses == []


def test_send_never_raises(sidecar: Sidecar, connection: Connection) -> None:
    assert not connection.send(_wire.Events(cell_id="a", strings=[1]))  # type: ignore[list-item]
    assert not connection.send(None)  # type: ignore[arg-type]
    sidecar.shutdown()
    assert not connection.send(_wire.Events(cell_id="a"))


def test_a_dropped_connection_is_opened_again(connection: Connection) -> None:
    # A second Hello of the same process takes the first connection's place.
    other = Connection(endpoint_of(connection), connection._token, -1, lambda: None, PATIENCE)
    other.close()
    assert connection.request(_wire.StatusRequest(), PATIENCE).sidecar_version == "stub"


def raw_client(endpoint: str, *frames: bytes) -> list[_wire.Message]:
    """What a plain DEALER with heartbeats gets back."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 20)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 2000)
    socket.connect(endpoint)
    try:
        answers = []
        for frame in frames:
            socket.send(frame)
            assert socket.poll(PATIENCE * 1000)
            answers.append(_wire.decode(socket.recv())[0])
        return answers
    finally:
        context.destroy(0)


def endpoint_of(connection: Connection) -> str:
    socket = connection._socket
    assert socket is not None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def test_who_does_not_know_the_token_or_skips_hello_is_refused(connection: Connection) -> None:
    endpoint = endpoint_of(connection)
    [answer] = raw_client(endpoint, _wire.encode(_wire.Hello(version=_wire.VERSION, token=bytes(32)), 1))
    assert isinstance(answer, _wire.Error) and answer.code == _wire.CODE_TOKEN
    [answer] = raw_client(endpoint, _wire.encode(_wire.Shutdown(), 1))
    assert isinstance(answer, _wire.Error) and answer.code == _wire.CODE_HELLO
    assert connection.request(_wire.StatusRequest(), PATIENCE)


def test_another_version_is_refused_with_a_hint(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _wire.encode(_wire.Hello(version=_wire.VERSION, token=connection._token), 1)
    assert frame[1] == _wire.VERSION
    newer = frame[:1] + bytes([_wire.VERSION + 1]) + frame[2:]
    [answer] = raw_client(endpoint_of(connection), newer)
    assert isinstance(answer, _wire.Error) and answer.code == _wire.CODE_VERSION and answer.hint
    # The other way round: this extension is the newer one and sees the version in the answer.
    endpoint, token = endpoint_of(connection), connection._token
    monkeypatch.setattr(_wire, "VERSION", _wire.VERSION + 1)
    with pytest.raises(InferScopeError, match="speaks version") as caught:
        Connection(endpoint, token, -1, lambda: None, PATIENCE)
    assert "Reinstall" in caught.value.hint


def test_heartbeats_of_libzmq_keep_a_connection(connection: Connection) -> None:
    """With a heartbeat of 20 ms, a peer that answered with anything but PONG would be dropped or confused."""
    hello = _wire.encode(_wire.Hello(version=_wire.VERSION, token=connection._token), 1)
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    for option, value in (
        (zmq.LINGER, 0),
        (zmq.HEARTBEAT_IVL, 20),
        (zmq.HEARTBEAT_TIMEOUT, 1000),
        (zmq.RECONNECT_IVL, -1),
    ):
        socket.setsockopt(option, value)
    monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    try:
        socket.connect(endpoint_of(connection))
        for number in range(20):
            socket.send(hello if number == 0 else _wire.encode(_wire.StatusRequest(), 1))
            assert socket.poll(PATIENCE * 1000)
            answer, _ = _wire.decode(socket.recv())
            assert isinstance(answer, (_wire.Welcome, _wire.Status))
            assert not monitor.poll(50), "disconnected"
    finally:
        socket.disable_monitor()
        monitor.close(0)
        context.destroy(0)


def test_another_process_of_the_user_is_refused(connection: Connection) -> None:
    """It has the token and the same user, but it is not the process that started the sidecar."""
    code = (
        "import sys\n"
        "from inferscope.client import Connection\n"
        "from inferscope.errors import InferScopeError\n"
        "try:\n"
        "    Connection(sys.argv[1], bytes.fromhex(sys.argv[2]), -1, lambda: None, 0.5)\n"
        "except InferScopeError as error:\n"
        "    print(error.sentence)\n"
    )
    arguments = [endpoint_of(connection), connection._token.hex()]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout == "The sidecar did not answer Hello in time.\n"
    log = Path(endpoint_of(connection).removeprefix("ipc://")).parent / "log"
    assert f"the client is process {os.getpid()}" in log.read_text()
    assert connection.request(_wire.StatusRequest(), PATIENCE)
