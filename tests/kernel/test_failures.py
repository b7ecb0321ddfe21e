"""What fails of ours is one sentence; the user's cell runs as it would have."""

from __future__ import annotations

import os
import platform
import signal
import time
from pathlib import Path

import pytest

# The number of the system call in which the client waits for an answer: poll, ppoll.
WAITING = {"x86_64": "7", "aarch64": "73"}
SIDECAR = "__import__('inferscope.cell').cell._profiler._sidecar"


def sidecar_pid(kernel) -> int:
    return int(kernel.value(f"{SIDECAR}.pid"))


def started(kernel) -> int:
    """The sidecar's pid, once it answers."""
    assert "the sidecar runs" in kernel.run("%inferscope").stdout
    return sidecar_pid(kernel)


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return
        # The first thread may end before the others: only with the last of them has the process ended.
        if state == "Z" and len(tasks) <= 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


def interrupt_while_waiting(kernel) -> None:
    """Interrupt the kernel once its main thread waits for the sidecar's answer."""
    deadline = time.monotonic() + 30
    path = Path(f"/proc/{kernel.pid}/task/{kernel.pid}/syscall")
    seen = 0
    while seen < 5:
        assert time.monotonic() < deadline, "the kernel never waited for the sidecar"
        seen = seen + 1 if path.read_text().split()[0] == WAITING[platform.machine()] else 0
        time.sleep(0.01)
    os.kill(kernel.pid, signal.SIGINT)


@pytest.fixture
def waiting_is_visible() -> None:
    if platform.machine() not in WAITING or not os.access("/proc/self/syscall", os.R_OK):
        pytest.skip("this kernel does not show the system call of a process")


def test_sidecar_killed_in_the_middle_of_a_cell(kernel):
    pid = started(kernel)
    reply = kernel.run(f"%%inferscope -o kept\nimport os\nprint('a')\nos.kill({pid}, 9)\nprint('b')\n6 * 7")
    assert (reply.status, reply.result, reply.stdout) == ("ok", "42", "a\nb\n")
    assert reply.reports == []
    assert len(reply.said) == 1 and "killed" in reply.said[0]
    assert kernel.value("'kept' in globals()") == "False"
    again = kernel.run("%%inferscope\n6 * 7")
    assert (again.result, len(again.reports), again.said) == ("42", 1, [])
    assert sidecar_pid(kernel) != pid


def test_sidecar_killed_between_cells(kernel):
    pid = started(kernel)
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    reply = kernel.run("%%inferscope\n6 * 7")
    assert (reply.status, reply.result, len(reply.reports), reply.said) == ("ok", "42", 1, [])


def test_interrupt_while_the_cell_begins(kernel, waiting_is_visible):
    pid = started(kernel)
    kernel.run("ran = False")
    os.kill(pid, signal.SIGSTOP)
    try:
        request = kernel.send("%%inferscope\nran = True")
        interrupt_while_waiting(kernel)
        reply = kernel.receive(request)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert reply.content["ename"] == "KeyboardInterrupt"
    assert len(reply.errors) == 1
    assert kernel.value("ran") == "False"
    assert len(kernel.run("%%inferscope\n6 * 7").reports) == 1


def test_interrupt_while_the_report_is_made(kernel, waiting_is_visible):
    pid = started(kernel)
    try:
        request = kernel.send(f"%%inferscope\nimport os, signal\nos.kill({pid}, signal.SIGSTOP)\n6 * 7")
        interrupt_while_waiting(kernel)
        reply = kernel.receive(request)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (reply.status, reply.result, reply.errors) == ("ok", "42", [])
    assert reply.reports == []
    assert len(reply.said) == 1 and "cut short" in reply.said[0]
    assert len(kernel.run("%%inferscope\n6 * 7").reports) == 1


def test_a_sidecar_that_does_not_answer(kernel):
    """Nothing is waited for longer than a few seconds, and the cell still runs."""
    pid = started(kernel)
    os.kill(pid, signal.SIGSTOP)
    try:
        reply = kernel.run("%%inferscope\n6 * 7")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (reply.status, reply.result, reply.reports) == ("ok", "42", [])
    assert len(reply.said) == 1 and "without a profile" in reply.said[0]
    assert len(kernel.run("%%inferscope\n6 * 7").reports) == 1


def test_no_sidecar_program(start_kernel):
    kernel = start_kernel(INFERSCOPE_SIDECAR="/nonexistent/sidecar")
    assert kernel.run("%load_ext inferscope").outputs == []
    for _ in range(2):
        reply = kernel.run("%%inferscope\n6 * 7")
        assert (reply.status, reply.result, reply.reports) == ("ok", "42", [])
        assert len(reply.said) == 1 and "INFERSCOPE_SIDECAR" in reply.said[0]
    assert "INFERSCOPE_SIDECAR" in kernel.run("%inferscope").stdout


def test_a_sidecar_that_ends_at_once(start_kernel):
    kernel = start_kernel(INFERSCOPE_SIDECAR="/bin/false")
    assert kernel.run("%load_ext inferscope").outputs == []
    reply = kernel.run("%%inferscope\n1 / 0")
    assert reply.content["ename"] == "ZeroDivisionError"
    assert len(reply.said) == 1 and len(reply.errors) == 1


def test_msgpack_is_missing(bare):
    bare.run("import sys\nsys.modules['msgpack'] = None")
    assert bare.run("%load_ext inferscope").outputs == []
    reply = bare.run("%%inferscope\n6 * 7")
    assert (reply.status, reply.result, reply.reports) == ("ok", "42", [])
    assert len(reply.said) == 1 and "%pip install msgpack" in reply.said[0]
    assert "%pip install msgpack" in bare.run("%inferscope").stdout


def test_another_system(bare):
    """As on macOS or Windows, where nothing can be collected."""
    bare.run("%load_ext inferscope")
    bare.run("import inferscope.cell, sys, types\n"
             "inferscope.cell.sys = types.SimpleNamespace(platform='darwin', _getframe=sys._getframe)")  # fmt: skip
    reply = bare.run("%%inferscope\n6 * 7")
    assert (reply.status, reply.result, reply.reports) == ("ok", "42", [])
    assert len(reply.said) == 1 and "Linux only" in reply.said[0]
    assert "Linux only" in bare.run("%inferscope").stdout


def test_loading_twice_is_harmless(bare):
    assert bare.run("%load_ext inferscope").outputs == []
    assert "already loaded" in bare.run("%load_ext inferscope").stdout
    bare.run("import inferscope\ninferscope.load_ipython_extension(get_ipython())")
    reply = bare.run("%%inferscope\n6 * 7")
    assert (reply.result, len(reply.reports), reply.said) == ("42", 1, [])


def test_unload_takes_everything_back(bare):
    state = (
        "ip = get_ipython()\n"
        "print(len(ip.input_transformers_cleanup), len(ip.ast_transformers), "
        "{k: len(v) for k, v in ip.events.callbacks.items()}, 'inferscope' in ip.magics_manager.magics['cell'], "
        "'inferscope' in ip.magics_manager.magics['line'])"
    )
    before = bare.run(state).stdout
    bare.run("%load_ext inferscope")
    assert bare.run(state).stdout != before
    pid = started(bare)
    assert bare.run("%unload_ext inferscope").outputs == []
    wait_until_gone(pid)
    assert bare.run(state).stdout == before
    assert bare.run("%%inferscope\n1").status == "error"
    bare.run("%load_ext inferscope")
    assert len(bare.run("%%inferscope\n1").reports) == 1


def test_reload(bare):
    bare.run("%load_ext inferscope")
    pid = started(bare)
    for _ in range(2):
        assert bare.run("%reload_ext inferscope").outputs == []
    wait_until_gone(pid)
    reply = bare.run("%%inferscope\n6 * 7")
    assert (reply.result, len(reply.reports), reply.said) == ("42", 1, [])


def test_unload_inside_a_profiled_cell(bare):
    bare.run("%load_ext inferscope")
    reply = bare.run("%%inferscope\nprint('a')\n%unload_ext inferscope\nprint('b')\n6 * 7")
    assert (reply.status, reply.result, reply.stdout) == ("ok", "42", "a\nb\n")
    assert reply.reports == []
    assert len(reply.said) == 1 and "unloaded" in reply.said[0]


def test_a_broken_stderr_does_not_matter(kernel):
    reply = kernel.run(
        "%%inferscope\nimport sys\nheld = sys.stderr\n"
        "class Broken:\n    def write(self, text):\n        raise OSError('full')\n    def flush(self):\n        pass\n"
        "sys.stderr = Broken()\nget_ipython().run_cell('%%inferscope\\nq = 1')\nsys.stderr = held\nq"
    )
    assert (reply.status, reply.result, len(reply.reports)) == ("ok", "1", 1)


def test_hostile_text(kernel):
    """A lone surrogate and a null character in the cell's text."""
    reply = kernel.run("%%inferscope\nx = '\\ud800'\n# \u2028 \x0b <script>alert(1)</script>\n6 * 7")
    assert (reply.status, reply.result, len(reply.reports)) == ("ok", "42", 1)


def test_a_lost_end_is_noticed_by_the_next_cell(kernel):
    """An interrupt between two callbacks can keep IPython from announcing the end of a cell."""
    kernel.run("%%inferscope\nends = get_ipython().events.callbacks['post_run_cell']\nheld = ends[:]\nends.clear()")
    kernel.run("ends.extend(held)")
    reply = kernel.run("%%inferscope\n6 * 7")
    assert (reply.result, len(reply.reports), reply.said) == ("42", 1, [])
