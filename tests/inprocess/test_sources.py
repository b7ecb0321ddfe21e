"""The other sources inside the process: garbage collection, samples, functions."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from inferscope import functions as functions_module
from inferscope import sampling
from inferscope.gc_events import GCEvents

MONITORING = sys.version_info >= (3, 12)
ON_CPU, WAITING = 4, 5


def test_collections(profile):
    recording = profile(
        """
        import gc
        gc.collect()
        class A: pass
        for n in range(3):
            a = A(); a.self = a; del a
        x = gc.collect(1)
        y = gc.collect()
        """.strip("\n")
    )
    found = [row for row in recording.collections() if row[3] in (1, 2)]
    assert [generation for *_, generation, _ in found][-2:] == [1, 2]
    assert sum(collected for *_, collected in found[-2:]) >= 3
    # Recording begins before the cell does, and the collector may run in between.
    assert recording.begin <= found[-2][1]
    for tid, start, end, _, _ in found:
        assert tid == recording.main
        assert recording.asked <= start < end <= recording.end


def test_collection_in_another_thread(profile):
    recording = profile(
        "import gc, threading\nt = threading.Thread(target=gc.collect); t.start(); tid = t.native_id; t.join()"
    )
    assert recording.namespace["tid"] in {row[0] for row in recording.collections()}


def test_a_flood_of_short_collections_is_summed(monkeypatch):
    from inferscope import gc_events
    from inferscope.columns import Outbox

    box = Outbox("c", lambda m: None, 0)
    events = GCEvents(box)
    clock = iter(range(0, 10**9, 1000))
    monkeypatch.setattr(gc_events, "monotonic_ns", lambda: next(clock) + 10**9)
    for _ in range(800):
        events._on_gc("start", {})
        events._on_gc("stop", {"generation": 0, "collected": 0})
    events.stop()
    kept = len(box._gc)
    (loss,) = events.losses
    assert kept + loss.count == 800
    assert 500 <= kept < 800


@pytest.mark.alone
def test_samples_name_the_lines_of_the_cell_and_tell_running_from_waiting(profile):
    recording = profile(
        """
        import threading, time
        def spin():
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                pass
        t = threading.Thread(target=time.sleep, args=(0.7,)); t.start()
        tid = t.native_id
        spin()
        time.sleep(0.3)
        t.join()
        """.strip("\n"),
        samples=True,
    )
    assert recording.result.success
    main = [(kind, stack) for tid, _, kind, stack in recording.samples() if tid == recording.main]
    in_spin = [kind for kind, stack in main if stack and stack[0][0].endswith("spin")]
    in_sleep = [kind for kind, stack in main if ("<cell>", 10) in [(file, line) for _, file, line in stack[:1]]]
    assert len(in_spin) > 60 and len(in_sleep) > 60
    # The machine may be busy: the spinning thread may itself wait for a CPU.
    assert in_spin.count(ON_CPU) / len(in_spin) > 3 * in_sleep.count(ON_CPU) / len(in_sleep)
    for _, stack in main:
        for function, file, line in stack:
            if function.endswith("spin"):
                assert file == "<cell>" and 3 <= line <= 6
    waiting = [kind for tid, _, kind, _ in recording.samples() if tid == recording.namespace["tid"]]
    assert waiting.count(WAITING) > 0.8 * len(waiting)
    sampled = {recording.names().get(tid, "") for tid, _, _, _ in recording.samples()}
    assert not any(name.startswith("inferscope") for name in sampled)


@pytest.mark.alone
def test_samples_are_sorted_and_cover_the_time(profile):
    recording = profile("import time\ntime.sleep(0.5)", samples=True, hz=200)
    times = [at for tid, at, *_ in recording.samples() if tid == recording.main]
    assert times == sorted(set(times))
    assert all(at > recording.asked for at in times)
    covered = len(times) * 5_000_000
    assert 0.8 * (recording.end - recording.asked) < covered < 1.05 * (recording.end - recording.asked)
    assert {message.samples.period_ns for message in recording.messages} == {5_000_000}


@pytest.mark.alone
def test_samples_during_a_call_that_holds_the_lock_are_made_up(profile):
    # One long call in C without the interpreter's lock being given up.
    recording = profile("x = sum(range(12_000_000))\nwhile x > 71_999_993_800_000: x -= 1", samples=True, hz=200)
    stacks = [stack for tid, _, _, stack in recording.samples() if tid == recording.main]
    covered = len(stacks) * 5_000_000
    assert covered > 0.7 * (recording.end - recording.begin)
    on_line = sum(any(frame[1:] == ("<cell>", 2) for frame in stack) for stack in stacks)
    assert on_line > 0.7 * len(stacks)


def test_any_thread_of_ours_takes_the_samples_that_are_due(profile, monkeypatch):
    """After a call that held the lock, the recorder's thread may get it before the sampling thread does."""
    monkeypatch.setattr(sampling.Sampler, "_run", lambda self: None)
    recording = profile("import time\ntime.sleep(0.5)", samples=True, hz=200)
    in_sleep = [at for _, at, _, stack in recording.samples() if any(frame[1:] == ("<cell>", 3) for frame in stack)]
    assert in_sleep == sorted(set(in_sleep))
    assert len(in_sleep) > 50


@pytest.mark.alone
def test_samples_that_cannot_be_made_up_are_a_loss():
    from inferscope.columns import Outbox
    from inferscope.sampling import Sampler

    box = Outbox("c", lambda m: None, 0)
    sampler = Sampler(box, 200, "", 0)
    sampler.start()
    sum(range(12_000_000))  # and nothing that would let the sampler have the lock
    sampler.stop()
    seen = len({row.time for row in box._samples}) + sum(loss.count for loss in sampler.losses)
    assert seen * 5_000_000 > 50_000_000


def test_functions_are_counted_exactly(profile):
    recording = profile(
        """
        import time
        def leaf():
            time.sleep(0.002)
        def recursive(n):
            return recursive(n - 1) if n else 0
        def generator():
            yield 1
            yield 2
        def outer():
            for _ in range(5):
                leaf()
            recursive(4)
            return list(generator())
        outer()
        try:
            (lambda: 1 / 0)()
        except ZeroDivisionError:
            pass
        """.strip("\n"),
        functions=True,
    )
    assert recording.result.success
    totals = recording.functions()
    assert totals["leaf"][:3] == ("<cell>", 3, 5)
    assert totals["recursive"][2] == 5
    assert totals["generator"][2] == 1
    assert totals["outer"][2] == 1
    assert totals["<lambda>"][2] == 1
    assert not any(off for *_, off in totals.values())
    *_, leaf_self, leaf_total, _ = totals["leaf"]
    assert leaf_self == leaf_total >= 5 * 2_000_000
    *_, outer_self, outer_total, _ = totals["outer"]
    assert outer_total >= leaf_total + totals["recursive"][4]
    assert outer_self < outer_total - leaf_total
    assert totals["recursive"][3] == totals["recursive"][4], "nothing below it but itself"


def test_functions_of_libraries_are_left_out(profile):
    recording = profile(
        "import json, textwrap\nx = json.loads(json.dumps({'a': [1]}))\ny = textwrap.dedent(' a')", functions=True
    )
    assert all(file == "<cell>" for file, *_ in recording.functions().values())


def test_functions_of_own_modules_take_part(profile, tmp_path, monkeypatch):
    (tmp_path / "own_module.py").write_text("def f(n):\n    return n\n")
    monkeypatch.syspath_prepend(tmp_path)
    recording = profile("import own_module\nfor n in range(3):\n    own_module.f(n)", functions=True)
    file, line, calls, *_ = recording.functions()["f"]
    assert (file, line, calls) == (str(tmp_path / "own_module.py"), 1, 3)
    sys.modules.pop("own_module")


def test_excluded_folders():
    one = functions_module.Functions("cell", 0, exclude=["/opt/library/"])
    assert one.is_own("/home/user/x.py")
    assert one.is_own("cell")
    assert not one.is_own("/opt/library/x.py")
    assert not one.is_own("<frozen importlib._bootstrap>")


@pytest.mark.skipif(not MONITORING, reason="single functions can be switched off from Python 3.12")
def test_a_hot_function_is_switched_off_and_flagged(profile):
    recording = profile(
        "def hot(n):\n    return n\ndef calm():\n    return sum(map(hot, range(100_000)))\nx = calm()\ny = calm()",
        functions=True,
    )
    totals = recording.functions()
    assert totals["hot"][5] == 1
    assert totals["hot"][2] < 10_000
    assert totals["calm"][2] == 2 and totals["calm"][5] == 0
    # The next cell begins anew, in the same code objects or not.
    again = profile("def hot(n):\n    return n\nfor n in range(10):\n    hot(n)", functions=True)
    assert again.functions()["hot"][2] == 10


@pytest.mark.skipif(MONITORING, reason="sys.setprofile is used before Python 3.12")
def test_too_many_calls_switch_everything_off(profile, monkeypatch):
    monkeypatch.setattr(functions_module, "_HOT_EVENTS", 5_000)
    recording = profile("def f(n):\n    return n\nfor n in range(100_000):\n    f(n)", functions=True)
    assert any("switched off" in reason for reason in recording.losses())
    assert recording.functions()["f"][2] < 100_000


def test_functions_in_threads(profile):
    recording = profile(
        "import threading\ndef work():\n    return 1\n"
        "ts = [threading.Thread(target=work) for _ in range(4)]\nfor t in ts: t.start()\nfor t in ts: t.join()",
        functions=True,
    )
    assert recording.functions()["work"][2] == 4
    assert threading.active_count() >= 1


@pytest.mark.alone
def test_samples_of_a_sleep_take_nothing_from_it():
    """The sampling thread runs as long in both, but one of them has nobody who waits for it."""
    from inferscope.columns import Outbox
    from inferscope.sampling import Sampler

    def cost_over_cpu(work) -> float:
        sampler = Sampler(Outbox("c", lambda m: None, 0), 1000, "", 0)
        sampler.start()
        work()
        sampler.stop()
        return sampler.cost_ns() / sampler._used

    def compute() -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass

    # A test's other threads may run a little, and so does this one at both ends of its sleep.
    assert cost_over_cpu(lambda: time.sleep(0.3)) < 0.3
    assert cost_over_cpu(compute) > 0.7
