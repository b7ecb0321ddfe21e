"""Code that runs too often to follow: its events go off, say so, and come back."""

from __future__ import annotations

import sys
import time

import pytest

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12"),
]


def share_sampled(recording, lines):
    """Of the main thread's time on `lines`, how much is left to samples."""
    exact = sampled = 0
    rows = recording.rows()
    ends = [at for at, _, _ in rows[1:]] + [recording.end]
    for (at, line, _), end in zip(rows, ends, strict=True):
        if line in lines:
            exact += end - at
        elif -line in lines:
            sampled += end - at
    return sampled / max(1, exact + sampled)


HOT_LOOP = "x = 0\nwhile x < 3_000_000:\n    x += 1\ny = 1"


def test_hot_loop_is_left_to_samples(profile):
    recording = profile(HOT_LOOP)
    assert recording.result.success
    assert share_sampled(recording, {3, 4}) > 0.8
    assert len(recording.rows()) < 60_000
    lines = [line for _, line, _ in recording.rows()]
    assert lines[-4:-1] in ([-3, 0, 5], [-4, 0, 5], [3, 0, 5], [4, 0, 5]), "the next statement is exact again"
    assert {top for _, line, top in recording.rows() if line} <= {1, 2, 3, 4, 5}


def test_events_come_back(profile):
    # The loop calms down inside one code object: its last part must be exact.
    recording = profile(
        """
        import time
        n, end = 0, time.monotonic_ns() + 150_000_000
        while n < 3:
            if time.monotonic_ns() > end:
                time.sleep(1.2)
                n += 1
        """.strip("\n")
    )
    sleeps = [
        end - at
        for (at, line, _), (end, _, _) in zip(recording.rows(), recording.rows()[1:], strict=False)
        if line == 6
    ]
    assert len(sleeps) >= 2
    assert all(ns >= 1_190_000_000 for ns in sleeps)


def test_hot_function_is_left_to_samples_with_the_line_that_calls_it(profile):
    recording = profile(
        """
        def hot(v):
            w = v
            return w
        total = 0
        for n in range(600_000):
            total += hot(n)
        y = 1
        """.strip("\n")
    )
    assert share_sampled(recording, {3, 4, 6, 7}) > 0.8
    assert recording.trace()[-1] == (8, 8)
    assert len(recording.rows()) < 60_000


def test_hot_functions_called_from_a_calm_line(profile):
    # While the hot function's events are off, the calm line that calls it must not be claimed as exact.
    recording = profile(
        """
        import time
        def hot(v):
            return v
        def many():
            return sum(map(hot, range(200_000)))
        for n in range(10):
            many()
            time.sleep(0.01)
        """.strip("\n")
    )
    assert share_sampled(recording, {4, 6}) > 0.8
    assert share_sampled(recording, {9}) < 0.2


def test_hot_exceptions_of_a_library_do_not_matter(profile):
    recording = profile(
        """
        library = [
            "def f():", "    raise KeyError", "def g():", "    f()",
            "for _ in range(60_000):", "    try: g()", "    except KeyError: pass"]
        exec(compile("\\n".join(library), "library", "exec"), {})
        def after():
            raise KeyError
        try:
            after()
        except KeyError:
            x = 1
        """.strip("\n")
    )
    assert recording.result.success
    # Whether exceptions are looked at again by then or not, the handler's line is right.
    assert recording.lines()[-5:] in ([9, 7, 9, 10, 11], [8, 9, 7, 10, 11])


def test_rows_of_hot_threads_stay_sorted(profile):
    recording = profile(
        """
        import threading
        def hot(n):
            while n:
                n -= 1
        threads = [threading.Thread(target=hot, args=(400_000,)) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        """.strip("\n")
    )
    for tid in [recording.main, *recording.other_tids()]:
        times = [at for at, _, _ in recording.rows(tid)]
        assert times == sorted(times)
    assert recording.losses() == []


def test_many_short_threads_cost_no_memory_for_good(profile):
    recording = profile(
        """
        import threading, time
        def work():
            return 1
        for _ in range(300):
            t = threading.Thread(target=work)
            t.start()
            t.join()
        time.sleep(0.2)
        """.strip("\n")
    )
    rows = sum(len(recording.rows(tid)) for tid in recording.other_tids())
    assert rows >= 300 * 2
    assert recording.losses() == []


def test_cost_is_estimated(profile):
    recording = profile("for i in range(100):\n    x = i")
    assert 200 * 20 < recording.summary.in_process_ns < 200 * 20_000
    begin = time.monotonic_ns()
    recording = profile(HOT_LOOP)
    assert recording.summary.in_process_ns < (time.monotonic_ns() - begin) / 4
