"""Signals reach the script as they would under `python`, and the report of what was collected is written."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Folder, Running

Start = Callable[..., Running]

WAITS = """\
import time
def work():
    print('ready', flush=True)
    time.sleep(600)
work()
"""
COMPUTES = """\
print('ready', flush=True)
x = 0
while True:
    x += 1
"""


def summary(folder: Folder, name: str = "r.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder.path / name).read_text())
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("program", [WAITS, COMPUTES], ids=["waiting", "computing"])
def test_told_to_end(folder: Folder, start: Start, program: str, number: signal.Signals) -> None:
    folder.write("s.py", program)
    running = start("-o", "r.json", "s.py")
    running.await_line("ready")
    running.signal(number)
    done = running.end()
    assert done.status == -number
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert summary(folder)["cell"]["outcome"] == "interrupted"


def test_interrupted(folder: Folder, start: Start) -> None:
    folder.write("s.py", WAITS)
    running = start("-o", "r.json", "s.py")
    running.await_line("ready")
    running.signal(signal.SIGINT)
    done = running.end()
    assert done.status == -signal.SIGINT
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[-2] == "KeyboardInterrupt"
    assert "inferscope/" not in done.stderr.split("KeyboardInterrupt")[0]
    assert summary(folder)["cell"]["outcome"] == "interrupted"


def test_killed_is_said(folder: Folder, start: Start) -> None:
    folder.write("s.py", WAITS)
    running = start("-o", "r.json", "s.py")
    running.await_line("ready")
    running.signal(signal.SIGKILL)
    done = running.end()
    assert done.status == -signal.SIGKILL
    assert done.stderr.startswith("inferscope: the script ended without the end of its interpreter")
    assert not (folder.path / "r.json").exists()


def test_a_handler_of_the_scripts_own_comes_first(folder: Folder, start: Start) -> None:
    folder.write(
        "s.py",
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\ntime.sleep(600)\n",
    )
    running = start("-o", "r.json", "s.py")
    running.await_line("ready")
    running.signal(signal.SIGTERM)
    assert running.end().status == 5
    assert summary(folder)["cell"]["outcome"] == "exit"


def test_a_signal_switches_collecting(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import inferscope, os, signal\n"
        "def toggle():\n    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "def part(name):\n    with inferscope.scope(name): pass\n"
        "part('before')\ntoggle()\npart('first')\ntoggle()\npart('between')\ntoggle()\npart('last')\n",
    )
    done = folder.run("--signal", "USR1", "-o", "r.json", "s.py")
    assert done.status == 0
    assert len(done.stderr.splitlines()) == 2
    for name, scope in (("r.json", "first"), ("r-2.json", "last")):
        assert [one["name"] for one in summary(folder, name)["host"]["scopes"]] == [scope]
    assert not (folder.path / "r-3.json").exists()


def test_a_signal_that_never_comes(folder: Folder) -> None:
    done = folder.run("--signal", "SIGUSR2", "-c", "print(1)")
    assert (done.status, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_child_ends_by_signals_as_ever(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import multiprocessing as m, time\n"
        "if __name__ == '__main__':\n    p = m.get_context('fork').Process(target=time.sleep, args=(600,))\n"
        "    p.start()\n    p.terminate()\n    p.join()\n    print(p.exitcode)\n",
    )
    done = folder.run("-o", "r.json", "s.py")
    assert done.stdout == f"{-signal.SIGTERM}\n"
    assert len(done.stderr.splitlines()) == 1
