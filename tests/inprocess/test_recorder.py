"""The recorder as a whole: it leaves nothing behind, harms no other tool, and never fails the cell."""

from __future__ import annotations

import builtins
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

import pytest

from inferscope import _wire, api, recorder, statements

MONITORING = sys.version_info >= (3, 12)


def residue():
    """What a recording could leave in the interpreter."""
    return {
        "tools": [sys.monitoring.get_tool(n) for n in range(6)] if MONITORING else [],
        "gc": [one for one in gc.callbacks if "inferscope" in getattr(one, "__module__", "")],
        "threads": [thread.name for thread in threading.enumerate() if thread.name.startswith("inferscope")],
        "listener": api._active,
        "marker": getattr(builtins, statements.MARKER, bool) is bool,
        "profile": sys.getprofile(),
        "trace": sys.gettrace(),
        "current": recorder._current,
    }


CLEAN = {
    "tools": [None] * 6 if MONITORING else [],
    "gc": [],
    "threads": [],
    "listener": None,
    "marker": True,
    "profile": None,
    "trace": None,
    "current": None,
}

BODIES = {
    "ok": "def f():\n    return 1\nx = [f() for _ in range(3)]",
    "error": "def f():\n    1 / 0\nf()",
    "interrupt": "def f():\n    raise KeyboardInterrupt\nf()",
    "exit": "raise SystemExit(3)",
    "generator left open": "def g():\n    yield 1\n    yield 2\ni = g()\nx = next(i)",
    "thread left running": (
        "import threading\nstop = threading.Event()\ndef work():\n    while not stop.wait(0.001):\n        x = 1\n"
        "t = threading.Thread(target=work)\nt.start()"
    ),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("everything", [False, True], ids=["lines", "everything"])
def test_nothing_is_left(profile, shell, name, everything):
    assert residue() == CLEAN
    recording = profile(BODIES[name], samples=everything, functions=everything)
    assert residue() == CLEAN
    assert recording.losses() == []
    if name == "generator left open":
        assert list(shell.user_ns["i"]) == [2]
    if name == "thread left running":
        sent = len(recording.messages)
        shell.user_ns["stop"].set()
        shell.user_ns["t"].join()
        assert len(recording.messages) == sent


def test_code_of_the_cell_is_not_instrumented_afterwards(profile, shell):
    if not MONITORING:
        pytest.skip("sys.monitoring came with Python 3.12")
    profile(BODIES["ok"])
    seen = []
    sys.monitoring.use_tool_id(3, "test")
    try:
        for event in (sys.monitoring.events.LINE, sys.monitoring.events.PY_START):
            sys.monitoring.register_callback(3, event, lambda *args: seen.append(args))
        shell.user_ns["f"]()
    finally:
        sys.monitoring.free_tool_id(3)
    assert seen == []


def test_stop_twice_and_without_start():
    one = recorder.Recorder("c", lambda m: None, "", _wire.Options(), False)
    assert one.stop().losses == []
    assert one.stop() == recorder.RecorderSummary(0, [])
    assert residue() == CLEAN


def test_without_a_frame(shell, profile):
    # What a caller outside of the cell's code can do: rows from the next code the shell runs.
    messages = []
    one = recorder.Recorder("c", messages.append, "", _wire.Options(sample_hz=199), False)
    one.start(None)
    shell.run_cell("x = 1\ny = 2")
    assert one.stop().losses == []
    assert residue() == CLEAN


def test_send_that_fails_is_a_loss_and_not_an_error(profile):
    def send(message):
        raise OSError("gone")

    recording = profile("import inferscope\nfor i in range(50):\n    inferscope.mark_event('m')", send=send)
    assert recording.result.success
    losses = {loss.reason.split(" were")[0]: loss.count for loss in recording.summary.losses}
    assert losses["marks"] == 50
    assert losses["line events"] >= 100


def test_send_that_blocks_does_not_block_the_cell(profile, monkeypatch):
    monkeypatch.setattr(recorder, "_SEND_TIMEOUT_S", 0.05)
    release, entered = threading.Event(), threading.Event()

    def send(message):
        entered.set()
        release.wait()

    body = """\
import inferscope
while not entered.is_set():
    for i in range(5000):
        inferscope.mark_event('m')
x = 7"""
    monkeypatch.setattr(builtins, "entered", entered, raising=False)
    recording = profile(body, send=send)
    try:
        assert recording.result.success
        assert any("did not take them in time" in reason for reason in recording.losses())
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "inferscope-recorder":
                thread.join()
    assert residue() == CLEAN


def test_memory_is_bounded_while_nothing_is_taken():
    from inferscope import columns

    box = columns.Outbox("c", lambda m: None, 0)
    for n in range(columns.MAX_ROWS + 5):
        box.add_scope(columns.ScopeRow(1, n, n + 1, "s", 0))
    for _ in range(columns.MAX_MARKS + 5):
        box.add_mark(columns.MarkRow(1, 1, "m", "{}"))
    for _ in range(columns.MAX_CHUNKS + 5):
        box.add_lines(1, [1], [1], [1])
    assert {loss.reason.split(" were")[0]: loss.count for loss in box.dropped()} == {
        "scopes": 5,
        "marks": 5,
        "line events": 5,
    }


def test_events_are_sent_in_batches_while_the_cell_runs(profile, monkeypatch):
    arrived = []
    monkeypatch.setattr(builtins, "arrived", arrived, raising=False)
    recording = profile(
        "import inferscope\nwhile not arrived:\n    with inferscope.scope('s'):\n        pass",
        send=lambda message: arrived.append((time.monotonic_ns(), message)),
    )
    assert recording.result.success
    early = [message for at, message in arrived if at < recording.end]
    assert early
    for message in early:
        size = sum(len(one.time) + len(one.line) + len(one.top) for one in message.lines)
        size += 28 * (len(message.scopes.tid) // 4)
        assert size >= 64 * 1024


def test_messages_can_be_encoded(profile):
    recording = profile(
        "import inferscope, threading\n"
        "threading.current_thread().name = 'bad \\ud800 name'\n"
        "inferscope.mark_event('\\ud800', a='\\udfff')\nwith inferscope.scope('\\ud800'):\n    x = 1\n"
        "threading.current_thread().name = 'MainThread'",
        samples=True,
        functions=True,
    )
    for message in recording.messages:
        _wire.encode(message, 0)
    assert recording.losses() == []


def test_interrupt_in_the_middle_of_a_cell(profile):
    main = threading.main_thread().ident
    timer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    recording = profile("n = 0\nwhile True:\n    n += 1", samples=True)
    timer.join()
    assert isinstance(recording.result.error_in_exec, KeyboardInterrupt)
    assert residue() == CLEAN


@pytest.mark.skipif(not MONITORING, reason="a marker is a call in the cell's code: its frame shows")
def test_interrupt_during_a_callback_shows_the_cells_line_alone(profile, monkeypatch):
    from inferscope import lines

    reads = []

    def interrupted():
        reads.append(None)
        if len(reads) == 30:
            raise KeyboardInterrupt
        return time.monotonic_ns()

    monkeypatch.setattr(lines, "monotonic_ns", interrupted)
    recording = profile("def f():\n    for i in range(100):\n        x = i\nf()")
    error = recording.result.error_in_exec
    assert isinstance(error, KeyboardInterrupt)
    shown = [entry.name.split()[0] for entry in traceback.extract_tb(error.__traceback__)]
    assert shown[-1] == "f"
    assert "on_line" not in shown
    assert residue() == CLEAN


def test_interrupts_at_any_moment(profile):
    """A storm of interrupts, also while recording begins and ends: the cell may be cut short, nothing else."""
    main = threading.main_thread().ident
    for n in range(24):
        timer = threading.Timer(0.0005 * n, lambda: signal.pthread_kill(main, signal.SIGINT))
        try:
            timer.start()
            profile("def f(n):\n    return n\nfor i in range(20_000):\n    f(i)", samples=n % 2 == 0)
            timer.join()
        except KeyboardInterrupt:
            timer.join()
        current = recorder._current
        if current is not None:  # interrupted inside start or stop: what the next end does
            current.stop()
            current.disarm()
            recorder._current = None
        # Not join(): one that is interrupted calls a live thread stopped (bpo-45274).
        deadline = time.monotonic() + 30
        while residue()["threads"] and time.monotonic() < deadline:
            time.sleep(0.001)
        assert residue() == CLEAN, n


def test_forked_child_is_inert(profile):
    context = multiprocessing.get_context("fork")
    receive, give = context.Pipe(False)
    parent = os.getpid()
    sent_by = []

    def child(give, work):
        before = residue()
        for n in range(1000):
            work(n)
        give.send((before, os.getpid() != parent))

    builtins.fork_tools = (context, give, child)
    try:
        recording = profile(
            "import inferscope\ncontext, give, child = fork_tools\n@inferscope.scope('s')\ndef work(n):\n"
            "    inferscope.mark_event('m')\n    return n\n"
            "p = context.Process(target=child, args=(give, work))\np.start()\np.join()\nx = work(1)",
            samples=True,
            functions=True,
            send=lambda message: sent_by.append((os.getpid(), message)),
        )
    finally:
        del builtins.fork_tools
    assert recording.result.success
    assert receive.poll(0)
    before, forked = receive.recv()
    assert forked
    assert {**before, "threads": []} == CLEAN
    assert {pid for pid, _ in sent_by} == {parent}
    recording.messages = [message for _, message in sent_by]
    assert len(recording.marks()) == 1
    assert residue() == CLEAN


# Other tools in the same process.


@pytest.mark.skipif(not MONITORING, reason="sys.monitoring came with Python 3.12")
def test_another_monitoring_tool_sees_what_it_would_have_seen(profile, shell):
    body = "def f(n):\n    x = n\n    return x\nfor i in range(5):\n    f(i)"
    event = sys.monitoring.events

    def run(profiled):
        seen = []

        def line(code, number):
            if code.co_filename.startswith("<ipython-input"):
                seen.append((code.co_name.split()[0], number))
                if number == 3:
                    return sys.monitoring.DISABLE
            return None

        sys.monitoring.use_tool_id(sys.monitoring.COVERAGE_ID, "other")
        sys.monitoring.register_callback(sys.monitoring.COVERAGE_ID, event.LINE, line)
        sys.monitoring.set_events(sys.monitoring.COVERAGE_ID, event.LINE)
        try:
            if profiled:
                assert profile(body, functions=True).result.success
            else:
                shell.run_cell("pass\n" + body)
            assert sys.monitoring.get_tool(sys.monitoring.COVERAGE_ID) == "other"
            assert sys.monitoring.get_events(sys.monitoring.COVERAGE_ID) == event.LINE
        finally:
            sys.monitoring.set_events(sys.monitoring.COVERAGE_ID, 0)
            sys.monitoring.register_callback(sys.monitoring.COVERAGE_ID, event.LINE, None)
            sys.monitoring.free_tool_id(sys.monitoring.COVERAGE_ID)
        return [row for row in seen if row[1] > 1]

    assert run(True) == run(False)


@pytest.mark.skipif(not MONITORING, reason="sys.monitoring came with Python 3.12")
def test_no_free_tool_is_a_loss(profile):
    for tool in range(6):
        sys.monitoring.use_tool_id(tool, f"tool {tool}")
    try:
        recording = profile("x = 1", functions=True)
        assert recording.result.success
        assert sum("every tool id" in reason for reason in recording.losses()) == 2
        assert [sys.monitoring.get_tool(tool) for tool in range(6)] == [f"tool {tool}" for tool in range(6)]
    finally:
        for tool in range(6):
            sys.monitoring.free_tool_id(tool)


def test_a_debugger_by_settrace_sees_what_it_would_have_seen(profile, shell):
    body = "def f(n):\n    x = n\n    return x\nf(1)"

    def run(profiled):
        seen = []

        def trace(frame, event, argument):
            if frame.f_code.co_name != "f":
                return None
            seen.append((event, frame.f_lineno))
            return trace

        sys.settrace(trace)
        try:
            if profiled:
                recording = profile(body)
                assert recording.result.success
                assert 3 in map(abs, recording.lines()) or not MONITORING
            else:
                shell.run_cell("pass\n" + body)
            assert sys.gettrace() is trace
        finally:
            sys.settrace(None)
        return seen

    assert run(True) == run(False) == [("call", 2), ("line", 3), ("line", 4), ("return", 4)]


def test_a_profiler_by_setprofile_stays(profile):
    calls = []

    def hook(frame, event, argument):
        calls.append(event)

    sys.setprofile(hook)
    try:
        recording = profile("def f():\n    return 1\nx = f()", functions=True)
        assert sys.getprofile() is hook
    finally:
        sys.setprofile(None)
    assert recording.result.success
    assert calls
    if not MONITORING:
        assert any("another profiler" in reason for reason in recording.losses())


# Clocks.


def test_times_lie_between_those_of_an_independent_clock(profile):
    """Each stamp is bracketed by CLOCK_MONOTONIC as the C library reads it."""
    recording = profile(
        """
        import ctypes, inferscope
        class timespec(ctypes.Structure):
            _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
        libc, at = ctypes.CDLL(None), timespec()
        def clock():
            libc.clock_gettime(1, ctypes.byref(at)); return at.s * 10**9 + at.ns
        brackets = []
        for n in range(50):
            before = clock()
            x = n
            between = clock()
            with inferscope.scope("s"):
                inside = clock()
            after = clock()
            inferscope.mark_event("m")
            brackets.append((before, between, inside, after, clock()))
        """.strip("\n")
    )
    assert recording.result.success
    brackets = recording.namespace["brackets"]
    rows = [(at, abs(line)) for at, line, _ in recording.rows()]
    assigned = [at for at, line in rows if line == 11]
    scopes, marks = recording.scopes(), recording.marks()
    assert len(scopes) == len(marks) == 50
    if len(assigned) == 50:  # unless the loop was found too hot
        assert all(before <= at <= between for at, (before, between, *_) in zip(assigned, brackets, strict=True))
    for (_, _, _, start, end), (_, between, inside, after, _) in zip(scopes, brackets, strict=True):
        assert between <= start <= inside <= end <= after
    for (*_, at), (*_, after, last) in zip(marks, brackets, strict=True):
        assert after <= at <= last
