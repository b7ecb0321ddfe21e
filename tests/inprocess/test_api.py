"""Scopes and marks: nesting, threads, tasks, decorators, and clipping."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import json
import threading

import pytest

from inferscope import api
from inferscope.api import mark_event, scope
from inferscope.columns import Outbox


class Listening:
    """A listener without a cell."""

    def __init__(self):
        self.outbox = Outbox("cell", lambda message: None, 0)
        self.listener = api.Listener(self.outbox)

    def __enter__(self):
        self.listener.start()
        return self

    def __exit__(self, *error):
        self.listener.stop()

    @property
    def scopes(self):
        return list(self.outbox._scopes)

    @property
    def marks(self):
        return list(self.outbox._marks)


@pytest.fixture
def listening():
    with Listening() as one:
        yield one


def by_name(rows):
    return {row.name: row for row in rows}


def test_scopes_nest(listening):
    with scope("outer"):
        with scope("a"):
            pass
        with scope("b"), scope("c"):
            pass
    assert [(row.name, row.depth) for row in listening.scopes] == [("a", 1), ("c", 2), ("b", 1), ("outer", 0)]
    rows = by_name(listening.scopes)
    assert rows["outer"].start <= rows["a"].start <= rows["a"].end <= rows["b"].start <= rows["c"].start
    assert rows["c"].end <= rows["b"].end <= rows["outer"].end
    assert rows["a"].tid == threading.get_native_id()


def test_scope_ends_when_an_exception_leaves_it(listening):
    with pytest.raises(KeyError), scope("a"):
        raise KeyError
    with scope("b"):
        pass
    assert [(row.name, row.depth) for row in listening.scopes] == [("a", 0), ("b", 0)]


def test_one_scope_inside_itself(listening):
    one = scope("r")
    with one, one, one:
        pass
    assert [row.depth for row in listening.scopes] == [2, 1, 0]
    starts = [row.start for row in listening.scopes]
    assert starts == sorted(starts, reverse=True)
    with one:
        pass
    assert listening.scopes[-1].depth == 0
    assert not api._open


def test_one_scope_in_many_threads(listening):
    one = scope("shared")
    inside = threading.Barrier(3)
    leave = [threading.Event() for _ in range(3)]

    def work(n):
        with one:
            inside.wait()
            leave[n].wait()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    tids = [thread.native_id for thread in threads]
    for n in (1, 0, 2):
        leave[n].set()
        threads[n].join()
    assert [row.tid for row in listening.scopes] == [tids[1], tids[0], tids[2]]
    assert [row.depth for row in listening.scopes] == [0, 0, 0]
    assert not api._open


def test_one_scope_in_many_tasks(listening):
    one = scope("shared")
    order = []

    async def work(n, gates):
        with one:
            order.append(n)
            with scope(f"inner {n}"):
                await gates[n].wait()

    async def main():
        gates = [asyncio.Event() for _ in range(3)]
        tasks = [asyncio.create_task(work(n, gates)) for n in range(3)]
        await asyncio.sleep(0)
        for n in (1, 2, 0):
            gates[n].set()
            await tasks[n]

    asyncio.run(main())
    rows = listening.scopes
    assert [row.name for row in rows] == ["inner 1", "shared", "inner 2", "shared", "inner 0", "shared"]
    assert [row.depth for row in rows] == [1, 0, 1, 0, 1, 0]
    for inner, outer in zip(rows[::2], rows[1::2], strict=True):
        assert outer.start <= inner.start <= inner.end <= outer.end
    assert order == [0, 1, 2]
    assert not api._open


def test_decorator_on_every_kind_of_function(listening):
    @scope("plain")
    def plain(a, *, b):
        """Doc."""
        return a + b

    @scope("coroutine")
    async def coroutine(a):
        await asyncio.sleep(0)
        return a

    @scope("generator")
    def generator():
        sent = yield 1
        yield sent
        return 3

    @scope("async generator")
    async def async_generator():
        try:
            sent = yield 1
        except KeyError:
            sent = "caught"
        yield sent

    class A:
        @scope("method")
        def method(self):
            return self

    assert plain(1, b=2) == 3
    assert plain.__doc__ == "Doc." and plain.__name__ == "plain"
    assert inspect.iscoroutinefunction(coroutine)
    assert asyncio.run(coroutine(5)) == 5
    steps = generator()
    assert next(steps) == 1
    assert steps.send("x") == "x"
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == 3

    async def consume():
        steps = async_generator()
        assert await steps.__anext__() == 1
        assert await steps.asend("y") == "y"
        with pytest.raises(StopAsyncIteration):
            await steps.__anext__()
        steps = async_generator()
        assert await steps.__anext__() == 1
        assert await steps.athrow(KeyError) == "caught"
        await steps.aclose()

    asyncio.run(consume())
    one = A()
    assert one.method() is one
    assert [row.name for row in listening.scopes] == [
        *("plain", "coroutine", "generator", "async generator", "async generator", "method")
    ]
    assert {row.depth for row in listening.scopes} == {0}
    assert not api._open


def test_decorating_a_class_says_what_to_do():
    with pytest.raises(TypeError, match="on the methods"):
        scope("x")(type("A", (), {}))


def test_scope_open_at_the_ends_is_recorded():
    before = scope("before")
    with before, Listening() as one:
        with scope("inside"):
            pass
        late = scope("late")
        late.__enter__()
    rows = by_name(one.scopes)
    assert set(rows) == {"before", "inside", "late"}
    assert rows["before"].start <= rows["inside"].start
    assert rows["before"].end >= rows["inside"].end
    assert rows["late"].end >= rows["late"].start >= rows["inside"].end
    late.__exit__(None, None, None)
    assert api._depth.get() == 0
    assert not api._open


def test_scope_of_another_thread_open_through_the_whole_cell():
    entered, leave = threading.Event(), threading.Event()

    def work():
        with scope("background"):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    with Listening() as one:
        pass
    (row,) = one.scopes
    assert (row.name, row.tid) == ("background", thread.native_id)
    leave.set()
    thread.join()


def test_leaving_what_was_not_entered_does_nothing(listening):
    scope("x").__exit__(None, None, None)
    assert listening.scopes == []


def test_depth_is_of_the_context():
    with Listening() as one, scope("outer"):
        contextvars.Context().run(lambda: scope("fresh")(lambda: None)())
        contextvars.copy_context().run(lambda: scope("inherited")(lambda: None)())
    assert [(row.name, row.depth) for row in one.scopes] == [("fresh", 0), ("inherited", 1), ("outer", 0)]


def test_marks(listening):
    with scope("s"):
        mark_event("tick", n=1, share=0.5, ok=True, none=None, text="é")
    (mark,) = listening.marks
    (around,) = listening.scopes
    assert around.start <= mark.time <= around.end
    assert mark.name == "tick"
    assert json.loads(mark.attributes) == {"n": 1, "share": 0.5, "ok": True, "none": None, "text": "é"}
    assert mark.tid == threading.get_native_id()


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class LoudInt(int):
    def __int__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        10**400,
        "x" * 10**6,
        b"\xff",
        "\ud800",
        Hostile(),
        [1] * 10**5,
        {1: Hostile()},
        LoudInt(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_attribute_is_a_small_json_object(listening, value):
    mark_event("m", value=value, other=1)
    (mark,) = listening.marks
    assert isinstance(json.loads(mark.attributes), dict)
    assert len(mark.attributes) <= 1100
    mark.attributes.encode()


def test_many_attributes_are_cut(listening):
    mark_event("m", **{f"key{n}": "v" * 50 for n in range(500)})
    (mark,) = listening.marks
    assert len(mark.attributes) <= 1100
    assert len(json.loads(mark.attributes)) > 5


def test_names_of_any_kind(listening):
    mark_event(5)  # type: ignore[arg-type]
    mark_event(Hostile())  # type: ignore[arg-type]
    mark_event("name", name="an attribute")
    with scope("n" * 10_000):
        pass
    assert [mark.name for mark in listening.marks] == ["5", "<Hostile>", "name"]
    assert len(listening.scopes[0].name) == 200


def test_idle_scopes_and_marks_keep_nothing():
    gc.collect()
    before = len(gc.get_objects())
    for n in range(2000):
        with scope("s"):
            mark_event("m", n=n)
    gc.collect()
    assert not api._open
    assert len(gc.get_objects()) < before + 200


def test_in_a_cell(profile):
    recording = profile(
        """
        import inferscope, asyncio, threading
        @inferscope.scope("work")
        def work(n):
            inferscope.mark_event("step", n=n)
        with inferscope.scope("outer"):
            work(1)
            t = threading.Thread(target=work, args=(2,)); t.start(); t.join()
            await asyncio.gather(*[asyncio.to_thread(work, 3)])
        inferscope.scope("open").__enter__()
        """.strip("\n")
    )
    assert recording.result.success
    scopes = recording.scopes()
    # A thread of asyncio inherits the context, a plain thread does not (before Python 3.14).
    assert [(name, depth) for name, depth, *_ in scopes if name != "work"] == [("outer", 0), ("open", 0)]
    assert [depth for name, depth, *_ in scopes if name == "work"] == [1, 0, 1]
    assert [json.loads(attributes)["n"] for _, attributes, _, _ in recording.marks()] == [1, 2, 3]
    assert all(recording.begin <= start <= end for _, _, _, start, end in scopes)
    assert all(recording.begin <= at <= recording.end for *_, at in recording.marks())
    next(iter(api._open)).__exit__(None, None, None)
