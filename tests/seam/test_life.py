"""The sidecar's life: when it begins, when it ends, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferscope import _wire
from inferscope import binary as binary_module
from inferscope import sidecar as sidecar_module
from inferscope.binary import find_binary
from inferscope.client import Connection
from inferscope.errors import InferScopeError
from inferscope.sidecar import Sidecar

from .conftest import PATIENCE, wait_gone

BEGIN = """
import json, os, signal, sys
from pathlib import Path
from inferscope import _wire
from inferscope.sidecar import Sidecar
sidecar = Sidecar(Path(sys.argv[1]))
connection = sidecar.connection(30)
print(json.dumps(sidecar.pid), flush=True)
"""


class Parent:
    """A Python process with a sidecar, which then runs `code`."""

    def __init__(self, stub: Path, code: str) -> None:
        self.process = subprocess.Popen(
            # Since 3.12 a fork of a process with threads is a warning.
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + code, str(stub)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.sidecar = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def finish(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors.decode()


@pytest.fixture
def nothing_left(temporary: Path) -> Iterator[Path]:
    """Where a sidecar would leave something. The stub makes no shared memory: tests/cupti looks after that."""
    yield temporary
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_it_does_not_outlive_a_killed_parent(stub: Path, nothing_left: Path, how: signal.Signals) -> None:
    parent = Parent(stub, "signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); sys.stdin.read()")
    parent.line()
    parent.process.send_signal(how)
    assert parent.finish()[0] == -how
    wait_gone(parent.sidecar)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("os._exit(4)", 4),
        ("os.execv('/bin/true', ['true'])", 0),
        ("os.kill(sidecar.pid, signal.SIGKILL)", 0),
        ("os.kill(sidecar.pid, signal.SIGSTOP)", 0),
        ("sidecar.shutdown(); sidecar.start()", 0),
        ("sidecar.shutdown(); sidecar.shutdown()", 0),
        ("del sidecar, connection; import gc; gc.collect()", 0),
        ("import threading; threading.Thread(target=sidecar.shutdown).start()", 0),
    ],
)
def test_it_ends_with_the_interpreter(stub: Path, nothing_left: Path, code: str, status: int) -> None:
    parent = Parent(stub, code)
    returned, errors = parent.finish()
    assert returned == status
    if "KeyboardInterrupt" not in code:
        assert errors == ""
    wait_gone(parent.sidecar)


def test_an_exit_waits_for_what_a_start_is_about(stub: Path, nothing_left: Path) -> None:
    """The interpreter stops daemon threads wherever they are, be it between a file's making and its removal."""
    code = f"""
import atexit, threading, time
from pathlib import Path
from inferscope import sidecar
begun, exiting = threading.Event(), threading.Event()
def slow():
    file = Path({str(nothing_left)!r}) / "probe"
    file.touch()
    begun.set()
    exiting.wait()
    time.sleep(0.2)
    file.unlink()
sidecar._sweep = slow
sidecar.Sidecar(Path({str(stub)!r})).start()
begun.wait()
atexit.register(exiting.set)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exit_while_it_starts(stub: Path, nothing_left: Path) -> None:
    for wait in ("", "import time; time.sleep(0.01)", "import time; time.sleep(0.05)"):
        code = (
            "import sys; from pathlib import Path; from inferscope.sidecar import Sidecar\n"
            f"Sidecar(Path({str(stub)!r})).start(); {wait}"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stderr) == (0, "")
        assert list(nothing_left.iterdir()) == []


def test_interrupts_do_not_reach_it(stub: Path, nothing_left: Path) -> None:
    parent = Parent(stub, "print(os.getsid(sidecar.pid) == sidecar.pid, os.getsid(0) != sidecar.pid)")
    assert parent.line() == "True True\n"
    assert parent.finish()[0] == 0


def test_sigterm_ends_it_and_it_removes_its_directory(stub: Path, nothing_left: Path) -> None:
    parent = Parent(stub, "sys.stdin.read()")
    [directory] = nothing_left.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "socket").stat().st_mode & 0o777 == 0o600
    os.kill(parent.sidecar, signal.SIGTERM)
    wait_gone(parent.sidecar)
    assert not directory.exists()
    assert parent.finish() == (0, "")


def test_the_token_is_on_no_command_line_and_in_no_environment(sidecar: Sidecar, connection: Connection) -> None:
    process = Path(f"/proc/{sidecar.pid}")
    token = connection._token
    for name in ("cmdline", "environ"):
        content = (process / name).read_bytes()
        assert token not in content and token.hex().encode() not in content


def test_it_inherits_no_descriptor(stub: Path, nothing_left: Path) -> None:
    code = "sys.stdin.read()"
    inherited, other = os.pipe()
    os.set_inheritable(inherited, True)
    try:
        parent = Parent(stub, code)
        link = os.readlink(f"/proc/self/fd/{inherited}")
        links = [os.readlink(path) for path in Path(f"/proc/{parent.sidecar}/fd").iterdir()]
        assert link not in links
        assert parent.finish() == (0, "")
    finally:
        os.close(inherited)
        os.close(other)


FORK = """
child = os.fork()
if child == 0:
    assert not sidecar.alive() and sidecar.pid is None
    assert not connection.send(_wire.Events())
    try:
        connection.request(_wire.StatusRequest(), 5)
    except Exception as error:
        assert "closed" in str(error), error
    else:
        raise AssertionError("the child used the parent's connection")
    import gc; gc.collect()
    sidecar.shutdown()
    {child}
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
print(connection.request(_wire.StatusRequest(), 30).pid == sidecar.pid, flush=True)
"""


@pytest.mark.parametrize("child", ["sys.exit(0)", "os._exit(0)", "sidecar.connection(30); sys.exit(0)"])
def test_a_fork_leaves_the_parents_sidecar_alone(stub: Path, nothing_left: Path, child: str) -> None:
    parent = Parent(stub, FORK.format(child=child))
    assert parent.line() == "0\n"
    assert parent.line() == "True\n"
    assert parent.finish() == (0, "")


def test_a_child_that_outlives_the_parent_does_not_keep_it(stub: Path, nothing_left: Path) -> None:
    code = (
        "child = os.fork()\n"
        "if child == 0: sys.stdin.read(); os._exit(0)\n"
        "print(child, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = Parent(stub, code)
    child = int(parent.line())
    parent.process.wait(PATIENCE)
    wait_gone(parent.sidecar)
    assert parent.process.stdin is not None
    parent.process.stdin.close()  # only now does the child end
    wait_gone(child)


def test_twenty_restarts(sidecar: Sidecar, temporary: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    seen = set()
    for number in range(20):
        connection = sidecar.connection(PATIENCE)
        assert connection.request(_wire.Start(cell_id=str(number)), PATIENCE).cell_id == str(number)
        pid = sidecar.pid
        assert pid is not None
        seen.add(pid)
        assert len(list(temporary.iterdir())) == 1
        if number % 2:
            sidecar.shutdown()
        else:
            os.kill(pid, signal.SIGKILL)
        wait_gone(pid)
    assert len(seen) == 20
    sidecar.shutdown()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads


def test_killed_in_mid_request_it_is_told_in_one_sentence_and_replaced(
    sidecar: Sidecar, connection: Connection
) -> None:
    connection.request(_wire.Start(cell_id="a", source="hang"), PATIENCE)
    pid = sidecar.pid
    assert pid is not None

    def kill() -> None:
        while not connection._waiting:
            pass
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(InferScopeError) as caught:
        connection.request(_wire.Stop(cell_id="a"), 3600)
    thread.join()
    assert caught.value.sentence == "The sidecar was killed by SIGKILL."
    assert "next profiled cell" in caught.value.hint
    assert not sidecar.alive()
    again = sidecar.connection(PATIENCE)
    assert again is not connection
    assert again.request(_wire.Start(cell_id="b"), PATIENCE).cell_id == "b"


def test_a_crash_is_told_with_its_reason(sidecar: Sidecar, connection: Connection) -> None:
    with pytest.raises(InferScopeError) as caught:
        connection.request(_wire.Start(source="crash"), 3600)
    assert "ended unexpectedly (exit status 2)" in caught.value.sentence
    assert "panic: the stub was told to crash in a goroutine" in caught.value.hint


def test_an_idle_one_ends_and_the_next_connection_starts_another(
    stub: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_IDLE", "500ms")
    sidecar = Sidecar(stub)
    sidecar.connection(PATIENCE)
    process = sidecar._process
    assert process is not None and process.pid is not None
    wait_gone(process.pid)
    assert list(temporary.iterdir()) == []
    assert not sidecar.alive()
    other = Sidecar(stub)
    monkeypatch.delenv("STUB_IDLE")
    assert sidecar.connection(PATIENCE).request(_wire.StatusRequest(), PATIENCE).pid == sidecar.pid
    sidecar.shutdown()
    other.shutdown()


def test_two_in_one_process_are_apart(stub: Path, sidecar: Sidecar, connection: Connection) -> None:
    other = Sidecar(stub)
    assert other.connection(PATIENCE).request(_wire.Start(cell_id="b"), PATIENCE)
    assert connection.request(_wire.StatusRequest(), PATIENCE).active_cell == ""
    other.shutdown()
    assert connection.request(_wire.StatusRequest(), PATIENCE).pid == sidecar.pid


def test_what_two_killed_processes_left_is_removed_by_the_next(stub: Path, nothing_left: Path) -> None:
    parent = Parent(stub, "os.kill(sidecar.pid, 9); os.kill(os.getpid(), 9)")
    parent.finish()
    wait_gone(parent.sidecar)
    [left] = nothing_left.iterdir()
    foreign = nothing_left / "inferscope-looks-like-it"  # a file, not a directory
    foreign.touch()
    for path in (left, foreign):
        os.utime(path, (0, 0))
    running = Parent(stub, "sys.stdin.read()")
    assert not left.exists()
    [directory] = set(nothing_left.iterdir()) - {foreign}
    os.utime(directory, (0, 0))
    assert Parent(stub, "").finish() == (0, "")
    assert directory.exists(), "the directory of a running sidecar was removed"
    assert running.finish() == (0, "")
    foreign.unlink()


@pytest.mark.parametrize(
    ("mode", "sentence", "hint"),
    [
        ("refuse", "The sidecar could not start: the stub was told to refuse.", ""),
        ("crash", "The sidecar ended before it was ready.", "panic: the stub was told to crash"),
    ],
)
def test_a_failure_to_start_is_a_sentence(
    sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch, mode: str, sentence: str, hint: str
) -> None:
    monkeypatch.setenv("STUB_SIDECAR", mode)
    sidecar.start()
    with pytest.raises(InferScopeError) as caught:
        sidecar.connection(PATIENCE)
    assert caught.value.sentence == sentence
    assert hint in caught.value.hint
    assert not sidecar.alive()
    monkeypatch.delenv("STUB_SIDECAR")
    assert sidecar.connection(PATIENCE).request(_wire.StatusRequest(), PATIENCE)


def test_one_that_never_gets_ready_is_given_up(sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_SIDECAR", "mute")
    with pytest.raises(InferScopeError, match="was not ready after"):
        sidecar.connection(0.05)
    monkeypatch.setattr(sidecar_module, "_START_SECONDS", 0.05)
    sidecar.shutdown()
    with pytest.raises(InferScopeError, match=r"not ready after 0\.05 s"):
        sidecar.connection(PATIENCE)


@pytest.mark.parametrize(
    "content", ["#!/bin/sh\nexit 0\n", "#!/bin/sh\necho garbage\n", "not a program", "#!/nonexistent/interpreter\n"]
)
def test_a_binary_that_is_none(tmp_path: Path, temporary: Path, content: str) -> None:
    binary = tmp_path / "binary"
    binary.write_text(content)
    binary.chmod(0o755)
    sidecar = Sidecar(binary)
    with pytest.raises(InferScopeError) as caught:
        sidecar.connection(PATIENCE)
    assert caught.value.sentence.endswith(".")
    sidecar.shutdown()
    assert list(temporary.iterdir()) == []


def test_the_binary_is_found_or_there_is_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stub: Path) -> None:
    monkeypatch.setenv("INFERSCOPE_SIDECAR", str(stub))
    assert find_binary() == str(stub)
    monkeypatch.setenv("INFERSCOPE_SIDECAR", str(tmp_path))
    with pytest.raises(InferScopeError, match="INFERSCOPE_SIDECAR names"):
        find_binary()
    monkeypatch.delenv("INFERSCOPE_SIDECAR")
    monkeypatch.setattr(binary_module, "__file__", str(tmp_path / "binary.py"))
    with pytest.raises(InferScopeError, match="make build"):
        find_binary()


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["serve", "more"]])
def test_bad_usage_is_told_on_standard_error(stub: Path, arguments: list[str]) -> None:
    done = subprocess.run([stub, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize(
    "boot",
    [
        "",
        "not json\n",
        "{}\n",
        json.dumps({"token": "zz", "pid": 1, "dir": "/tmp"}) + "\n",
        json.dumps({"token": "00" * 32, "pid": os.getpid(), "dir": "/tmp"}) + "\n",
        json.dumps({"token": "00" * 32, "pid": os.getpid(), "dir": "/nonexistent"}) + "\n",
        json.dumps({"token": "00" * 32, "pid": 0, "dir": "/tmp"}) + "\n",
    ],
)
def test_a_broken_start_up_line_is_refused_with_a_sentence(stub: Path, boot: str) -> None:
    done = subprocess.run([stub, "serve"], input=boot, capture_output=True, text=True)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]
    assert Path("/tmp").is_dir()


def test_a_parent_that_is_gone_already_is_not_served(stub: Path, tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    directory = tmp_path / "d"
    directory.mkdir(mode=0o700)
    boot = json.dumps({"token": "00" * 32, "pid": gone.pid, "dir": str(directory)}) + "\n"
    done = subprocess.run([stub, "serve"], input=boot, capture_output=True, text=True)
    assert done.returncode == 1 and "gone" in json.loads(done.stdout)["error"]
    assert not directory.exists()
