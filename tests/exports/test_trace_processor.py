"""Perfetto's own trace processor finds in a file what the timeline holds, without a complaint."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Row = dict[str, Any]
Query = Callable[..., list[list[Row]]]

NAMES = ("everything", "hostile", "empty", "random")
FORMATS = (".pftrace", ".trace.json")

# What the processor could not make sense of.
PROBLEMS = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"


def argument(of: str, key: str, kind: str = "int") -> str:
    """SQL for one argument of a slice."""
    return (
        f"(select {kind}_value from args where arg_set_id = {of}.arg_set_id and key in ('args.{key}', 'debug.{key}'))"
    )


OPERATION = "{0}.category in ('kernel', 'gpu_memcpy', 'gpu_memset')"
OPERATIONS = f"""
    select category, ts, dur, name, {argument("slice", "device")} as device, {argument("slice", "stream")} as stream,
           {argument("slice", "bytes")} as bytes, {argument("slice", "line")} as line
    from slice where {OPERATION.format("slice")}"""
FLOWS = f"""
    select source.name as by, source.ts as launch, target.ts as start, target.dur as ns,
           {argument("target", "device")} as device, {argument("target", "stream")} as stream
    from flow join slice source on flow.slice_out = source.id join slice target on flow.slice_in = target.id"""
COUNTS = "select category, count(*) as n from slice group by category"


class Case(NamedTuple):
    """One file: what the processor finds in it, and what the timeline holds."""

    name: str
    contents: dict[str, Any]
    # The time that the file's zero stands for.
    base: int
    problems: list[Row]
    operations: list[Row]
    flows: list[Row]
    counts: dict[str, int]
    values: int


@pytest.fixture(scope="module", params=[name + ending for name in NAMES for ending in FORMATS])
def case(request: pytest.FixtureRequest, samples: Path, query: Query) -> Case:
    name = request.param.partition(".")[0]
    contents = json.loads((samples / f"{name}.json").read_text(encoding="utf-8"))
    base = contents["start"] if request.param.endswith(".json") else 0
    problems, operations, flows, counts, values = query(
        samples / request.param, PROBLEMS, OPERATIONS, FLOWS, COUNTS, "select count(*) as n from counter"
    )
    by_category = {row["category"]: row["n"] for row in counts}
    return Case(name, contents, base, problems, operations, flows, by_category, values[0]["n"])


def test_every_operation_is_there(case: Case) -> None:
    assert case.problems == []
    found = Counter((o["category"], o["ts"] + case.base, o["dur"], o["device"], o["stream"]) for o in case.operations)
    assert found == Counter((o["kind"], o["start"], o["ns"], o["device"], o["stream"]) for o in case.contents["ops"])
    if case.name != "hostile":  # a text of SQL ends where it has a zero
        kernels = Counter(o["name"] for o in case.operations if o["category"] == "kernel")
        assert kernels == Counter(o["name"] for o in case.contents["ops"] if o["kind"] == "kernel")


def test_every_launch_leads_to_its_operation(case: Case) -> None:
    # The processor leaves out what would lead back in time.
    launched = [o for o in case.contents["ops"] if 0 <= o["launch"] <= o["start"]]
    found = Counter(
        (f["launch"] + case.base, f["start"] + case.base, f["ns"], f["device"], f["stream"]) for f in case.flows
    )
    assert found == Counter((o["launch"], o["start"], o["ns"], o["device"], o["stream"]) for o in launched)
    if case.name != "hostile":
        assert Counter(f["by"] for f in case.flows) == Counter(o["by"] for o in launched)


def test_nothing_is_lost_or_made_up(case: Case) -> None:
    contents, counts = case.contents, case.counts
    assert counts.get("cuda_runtime", 0) + counts.get("cuda_driver", 0) == contents["calls"]
    assert counts.get("user_annotation", 0) == contents["scopes"] + contents["marks"]
    assert counts.get("garbage_collection", 0) == contents["gc"]
    # Half of the hostile values are no numbers, and not told.
    assert case.values == contents["counters"] // (2 if case.name == "hostile" else 1)


@pytest.mark.parametrize("ending", FORMATS)
def test_calls_are_inside_of_lines(samples: Path, query: Query, ending: str) -> None:
    (nested,) = query(
        samples / f"everything{ending}",
        """select inner.name as "inner", middle.name as "middle", outer.name as "outer", inner.depth as depth
           from slice "inner" join slice middle on inner.parent_id = middle.id
             join slice "outer" on middle.parent_id = outer.id
           where inner.category = 'cuda_driver'""",
    )
    assert nested == 2 * [
        {"inner": "cuLaunchKernel", "middle": "cudaLaunchKernel", "outer": "7: y = model(x)", "depth": 2}
    ]
    (lines,) = query(
        samples / f"everything{ending}",
        """select name, depth, count(*) as n from slice where category = 'python_function'
           group by name, depth order by name, depth""",
    )
    assert [(row["name"], row["depth"], row["n"]) for row in lines] == [
        ("2: def decode(path):", 1, 2),
        ("3: return json.loads(path.read_text())", 0, 1),
        ("3: return json.loads(path.read_text())", 1, 2),
        ("5: for path in paths:", 0, 2),
        ("6: record = decode(path)", 0, 2),
        ("7: y = model(x)", 0, 4),
        ("8: torch.cuda.synchronize()", 0, 1),
    ]


@pytest.mark.parametrize("name", ["everything", "random"])
def test_states_add_up(samples: Path, query: Query, name: str) -> None:
    (states,) = query(
        samples / f"{name}.pftrace",
        """select thread.tid as tid, slice.name as state, sum(dur) as ns
           from slice join thread_track on slice.track_id = thread_track.id join thread using (utid)
           where category = 'thread_state' and thread_track.name = 'state' group by 1, 2""",
    )
    contents = json.loads((samples / f"{name}.json").read_text())
    assert {(s["tid"], s["state"]): s["ns"] for s in states} == {
        (w["tid"], f"blocked: {w['reason']}" if w["reason"] else w["state"]): w["ns"]
        for w in contents["waiting"]
        if not w["name"].startswith("inferscope")
    }


@pytest.mark.parametrize("ending", FORMATS)
def test_a_wait_says_why_and_who_ended_it(samples: Path, query: Query, ending: str) -> None:
    facts = ", ".join(
        f"{argument('slice', key, 'string')} as {key}" for key in ("reason", "syscall", "waker", "python")
    )
    (waits,) = query(samples / f"everything{ending}", f"select {facts} from slice where name = 'blocked: gil'")
    assert waits == [
        {
            "reason": "gil",
            "syscall": "futex",
            "waker": "pin memory (4207)",
            "python": "decode (<cell>:3) < <module> (<cell>:6)",
        }
    ]


def test_the_clock_is_declared(samples: Path, query: Query) -> None:
    clocks, bounds = query(
        samples / "everything.pftrace",
        "select clock_name, clock_value from clock_snapshot",
        "select min(ts) as first from slice",
    )
    contents = json.loads((samples / "everything.json").read_text())
    assert {"clock_name": "MONOTONIC", "clock_value": contents["start"]} in clocks
    assert bounds[0]["first"] == contents["start"]


def test_threads_and_devices_have_their_names(samples: Path, query: Query) -> None:
    threads, processes, tracks = query(
        samples / "everything.pftrace",
        "select tid, thread.name as name, pid from thread join process using (upid) where tid > 0",
        "select pid, name from process where pid > 0",
        """select track.name as name, parent.name as parent from track join track parent on track.parent_id = parent.id
           where parent.name like 'GPU %'""",
    )
    named = {(t["pid"], t["tid"]): t["name"] for t in threads}
    assert named[4200, 4200] == "MainThread"
    assert named[4200, 4207] == "pin memory"
    assert named[4301, 4301] == "loader"
    assert {p["pid"]: p["name"] for p in processes} == {4200: "In[7]", 4301: "child process"}
    card = "NVIDIA H100 80GB HBM3"
    assert Counter((t["parent"], t["name"]) for t in tracks) == {
        (f"GPU 0: {card}", "idle"): 1,
        (f"GPU 0: {card}", "stream 7"): 2,
        (f"GPU 0: {card}", "stream 9"): 1,
        (f"GPU 1: {card}", "stream 7"): 1,
        (f"GPU 1: {card}", "stream 9"): 2,
    }


def test_hostile_names_are_text(samples: Path, query: Query) -> None:
    for ending in FORMATS:
        (names,) = query(samples / f"hostile{ending}", "select distinct name from slice")
        found = {row["name"] for row in names}
        for text in ("</script><script>alert(1)</script>", "\u202eright to left", '{"ph":"X"}', "emoji \U0001f600 é"):
            assert text in found
        assert max(len(name) for name in found) <= 4096
