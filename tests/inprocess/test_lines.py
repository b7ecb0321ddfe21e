"""Exact lines by sys.monitoring: which lines run, in which order, for many shapes of code."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")


def top(*lines):
    return [(line, line) for line in lines]


SHAPES = {
    "statements": ("x = 1\ny = 2\n\nx + y", top(2, 3, 5)),
    "loop": ("for i in range(2):\n    x = i\ny = 1", top(2, 3, 2, 3, 2, 4)),
    "while": ("n = 2\nwhile n:\n    n -= 1", top(2, 3, 4, 3, 4, 3)),
    "branches": ("x = 2\nif x == 1:\n    y = 1\nelif x == 2:\n    y = 2\nelse:\n    y = 3", top(2, 3, 5, 6)),
    "function": (
        "def f(a):\n    b = a\n    return b\nf(1)\nx = [f(2),\n     f(3)]",
        [
            (2, 2),
            (5, 5),
            (3, 5),
            (4, 5),
            (5, 5),
            (6, 6),
            (3, 6),
            (4, 6),
            (6, 6),
            (7, 7),
            (3, 7),
            (4, 7),
            (7, 7),
            (6, 6),
        ],
    ),
    "recursion": (
        "def f(n):\n    if n:\n        f(n - 1)\n    return n\nf(2)",
        [(2, 2), (6, 6), (3, 6), (4, 6), (3, 6), (4, 6), (3, 6), (5, 6), (4, 6), (5, 6), (4, 6), (5, 6), (6, 6)],
    ),
    "called by a library": (
        "def key(v):\n    w = -v\n    return w\nx = sorted([1, 2], key=key)",
        [(2, 2), (5, 5), (3, 5), (4, 5), (5, 5), (3, 5), (4, 5), (5, 5)],
    ),
    "generator": (
        "def g():\n    yield 1\n    yield 2\nfor i in g():\n    x = i",
        [(2, 2), (5, 5), (3, 5), (5, 5), (6, 6), (5, 5), (3, 5), (4, 5), (5, 5), (6, 6), (5, 5), (4, 5), (5, 5)],
    ),
    "generator with return and yield from": (
        "def a():\n    yield 1\n    return 5\ndef b():\n    x = yield from a()\n    return x\nlist(b())",
        [(2, 2), (5, 5), (8, 8), (6, 8), (3, 8), (6, 8), (8, 8), (6, 8), (3, 8), (4, 8), (6, 8), (7, 8), (8, 8)],
    ),
    "generator left by throw": (
        "def g():\n    try:\n        yield 1\n    except KeyError:\n        pass\n    yield 2\n"
        "i = g()\nx = next(i)\nx = i.throw(KeyError())",
        [
            *[(2, 2), (8, 8), (9, 9), (3, 9), (4, 9), (9, 9)],
            *[(10, 10), (4, 10), (5, 10), (6, 10), (7, 10), (10, 10)],
        ],
    ),
    "comprehension": ("x = [\n    i\n    for i in (1, 2)\n]", None),
    "generator expression": ("x = sum(\n    i for i in (1, 2)\n)", None),
    "lambda": ("f = lambda: 5\nx = f()", [(2, 2), (3, 3), (2, 3), (3, 3)]),
    "class body": (
        "class A:\n    x = 1\n    def f(self):\n        return 2\ny = A().f()",
        [(2, 2), (3, 2), (4, 2), (2, 2), (6, 6), (5, 6), (6, 6)],
    ),
    "decorator": (
        "def d(f):\n    return f\n@d\ndef f():\n    return 1\nf()",
        [(2, 2), (4, 4), (5, 5), (4, 4), (3, 4), (4, 4), (5, 5), (7, 7), (6, 7), (7, 7)],
    ),
    "exception": (
        "def f():\n    raise KeyError\ntry:\n    f()\nexcept KeyError:\n    x = 1\ny = 2",
        [(2, 2), (4, 4), (5, 5), (3, 5), (5, 5), (6, 6), (7, 7), (8, 8)],
    ),
    "exception caught by a library": (
        "class A:\n    def __getattr__(self, name):\n        raise AttributeError\nx = getattr(A(), 'y', 0)\ny = 2",
        [(2, 2), (3, 2), (2, 2), (5, 5), (4, 5), (5, 5), (6, 6)],
    ),
    "exception through recursion": (
        "def f(n):\n    if not n:\n        raise KeyError\n    f(n - 1)\ntry:\n    f(1)\nexcept KeyError:\n    pass",
        [(2, 2), (6, 6), (7, 7), (3, 7), (5, 7), (3, 7), (4, 7), (5, 7), (7, 7), (8, 8), (9, 9)],
    ),
    "finally": ("try:\n    x = 1\nfinally:\n    y = 2", top(2, 3, 5)),
    "with": (
        "class C:\n    def __enter__(self):\n        return self\n    def __exit__(self, *a):\n        return None\n"
        "with C():\n    x = 1",
        [(2, 2), (3, 2), (5, 2), (2, 2), (7, 7), (4, 7), (7, 7), (8, 8), (7, 7), (6, 7), (7, 7)],
    ),
    "match": ("match [1, 2]:\n    case [a]:\n        x = 1\n    case [a, b]:\n        x = 2", top(2, 3, 5, 6)),
    "nested": (
        "def f():\n    def g():\n        return 1\n    return g()\nf()",
        [(2, 2), (6, 6), (3, 6), (5, 6), (4, 6), (5, 6), (6, 6)],
    ),
    "await": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 1\nx = await f()\ny = 2",
        # Out to the event loop, where the cell waits on its deepest awaiting line, and back in.
        [(2, 2), (3, 3), (6, 6), (4, 6), (6, 6), (4, 6), (6, 6), (4, 6), (5, 6), (6, 6), (7, 7)],
    ),
    "async for and async with": (
        "class C:\n    async def __aenter__(self):\n        pass\n    async def __aexit__(self, *a):\n        pass\n"
        "async def g():\n    yield 1\nasync with C():\n    async for i in g():\n        x = i",
        None,
    ),
}


@pytest.mark.parametrize("name", [name for name, (_, want) in SHAPES.items() if want is not None])
def test_lines_in_order(profile, name):
    body, want = SHAPES[name]
    recording = profile(body)
    assert recording.result.success
    assert recording.trace() == want
    assert recording.losses() == []


@pytest.mark.parametrize("name", SHAPES)
def test_rows_are_sorted_inside_the_cell_and_end_with_none(profile, name):
    recording = profile(SHAPES[name][0])
    rows = recording.rows()
    times = [at for at, _, _ in rows]
    assert times == sorted(times)
    assert all(at <= recording.end for at in times)
    assert sum(at < recording.begin for at in times) <= 1, "only the row of the first line itself"
    assert rows[-1][1:] == (0, 0)
    count = len(SHAPES[name][0].splitlines()) + 1
    assert {line for _, line, _ in rows} <= set(range(count + 1))
    assert all(top_line == 0 for _, line, top_line in rows if line == 0)


def test_comprehensions_belong_to_the_cell(profile):
    assert set(profile(SHAPES["comprehension"][0]).lines()) == {2, 3, 4}
    assert set(profile(SHAPES["generator expression"][0]).lines()) == {2, 3}


def test_async_statements(profile):
    recording = profile(SHAPES["async for and async with"][0])
    assert recording.result.success
    lines = recording.lines()
    assert [line for line in lines if line in (4, 6, 8, 11)] == [4, 8, 11, 8, 6]


def test_waiting_cell_stays_on_the_deepest_awaiting_line(profile):
    recording = profile(
        """
        import asyncio
        async def inner():
            await asyncio.sleep(0.02)
        async def outer():
            await inner()
        await outer()
        """.strip("\n")
    )
    longest = max(zip(recording.rows(), recording.rows()[1:], strict=False), key=lambda pair: pair[1][0] - pair[0][0])
    (start, line, top_line), (end, _, _) = longest
    assert end - start >= 20_000_000 * 0.9
    assert (line, top_line) == (4, 7)


def test_tasks_run_while_the_top_level_waits(profile):
    recording = profile(
        """
        import asyncio
        async def a():
            for _ in range(2):
                await asyncio.sleep(0)
        async def b():
            await asyncio.sleep(0)
            raise KeyError
        x = await asyncio.gather(a(), b(), return_exceptions=True)
        y = 1
        """.strip("\n")
    )
    assert recording.result.success
    trace = recording.trace()
    assert {top_line for line, top_line in trace if line in (4, 5, 7, 8)} == {9}
    after = trace[trace.index((8, 9)) + 1]
    assert after == (9, 9), "the raising task is left, and the awaiting line is the thread's line again"
    assert trace[-1] == (10, 10)


def test_threads_have_their_own_rows(profile):
    recording = profile(
        """
        import threading
        def work():
            x = 1
            return x
        threads = [threading.Thread(target=work, name=f"worker {n}") for n in range(3)]
        for t in threads: t.start()
        for t in threads: t.join()
        """.strip("\n")
    )
    others = recording.other_tids()
    assert len(others) >= 1  # an ended thread's id may be given to the next
    rows = [row[1:] for tid in others for row in recording.rows(tid)]
    assert rows == [(4, 0), (5, 0), (0, 0)] * 3
    assert {recording.names()[tid] for tid in others} <= {"worker 0", "worker 1", "worker 2"}
    assert not {line for line, _ in recording.trace()} & {4, 5}


def test_worker_that_failed_is_not_left_on_its_line(profile):
    recording = profile(
        """
        from concurrent.futures import ThreadPoolExecutor
        def work():
            raise KeyError
        with ThreadPoolExecutor(1) as pool:
            error = pool.submit(work).exception()
        """.strip("\n")
    )
    (tid,) = recording.other_tids()
    assert [row[1:] for row in recording.rows(tid)] == [(4, 0), (0, 0)]


def test_error_of_the_cell(profile):
    recording = profile("def f():\n    1 / 0\nf()\nx = 1")
    assert isinstance(recording.result.error_in_exec, ZeroDivisionError)
    assert recording.trace() == [(2, 2), (4, 4), (3, 4), (4, 4)]
    assert recording.rows()[-1][1] == 0


def test_functions_of_other_cells_are_not_followed(profile, shell):
    shell.run_cell("def earlier():\n    x = 1\n    return x")
    assert profile("earlier()\nx = 2").trace() == top(2, 3)


def test_same_cell_again(profile):
    body, want = SHAPES["function"]
    assert [profile(body).trace() for _ in range(3)] == [want] * 3


def test_lines_of_a_timed_body_are_those_the_user_sees(profile):
    raw = "%%time\n%%inferscope\ndef f():\n    return 1\nf()\nx = f()"
    recording = profile("", raw=raw, directive=2)
    assert recording.result.success
    assert recording.lines() == [2, 3, 5, 4, 5, 6, 4, 6]


def test_last_expression_of_a_timed_body(profile):
    recording = profile("", raw="%%time\n%%inferscope\nx = 1\nx + 1", directive=2)
    assert recording.lines() == [2, 3, 4]


def test_lines_of_a_captured_body_are_those_the_user_sees(profile):
    recording = profile("", raw="%%inferscope\n%%capture\nx = 1\ny = 2", directive=2)
    assert recording.result.success
    assert recording.lines() == [2, 3, 4]
