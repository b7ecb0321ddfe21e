"""`inferscope.last().export`: the cell's trace for other tools."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel

CELL = """%%inferscope
import inferscope, time
with inferscope.scope("outer <b>"):
    for i in range(3):
        time.sleep(0.01)
inferscope.mark_event("done", n=3)"""


@pytest.fixture(scope="module")
def profiled(shared: Kernel) -> Kernel:
    """The module's kernel, where a cell was profiled."""
    reply = shared.run(CELL)
    assert reply.status == "ok" and len(reply.reports) == 1, reply
    return shared


def export(kernel: Kernel, to: str, path: Path) -> Path:
    return Path(ast.literal_eval(kernel.value(f"str(inferscope.last().export({to!r}, {str(path)!r}))")))


def test_a_cell_in_the_format_of_pytorch(profiled: Kernel, tmp_path: Path) -> None:
    path = export(profiled, "chrome", tmp_path / "cell.json")
    assert path == tmp_path / "cell.json"
    document: dict[str, Any] = json.loads(path.read_text())
    events = [event for event in document["traceEvents"] if event["ph"] in "Xi"]
    lines = [event["name"] for event in events if event["cat"] == "python_function"]
    assert lines.count("5: time.sleep(0.01)") == 3
    assert [event["name"] for event in events if event["cat"] == "user_annotation"] == ["done", "outer <b>"]
    (mark,) = [event for event in events if event["ph"] == "i"]
    assert json.loads(mark["args"]["attributes"]) == {"n": 3}
    slept = sum(event["dur"] for event in events if event["name"] == "5: time.sleep(0.01)")
    assert slept >= 30_000  # microseconds: less than it slept would be a wrong unit


def test_the_other_formats(profiled: Kernel, tmp_path: Path) -> None:
    profile = export(profiled, "pprof", tmp_path / "cell.pb.gz")
    assert b"time.sleep(0.01)" in gzip.decompress(profile.read_bytes())
    trace = export(profiled, "perfetto", tmp_path / "cell.pftrace")
    assert b"time.sleep(0.01)" in trace.read_bytes()


def test_a_relative_path_is_the_kernels(profiled: Kernel, tmp_path: Path) -> None:
    profiled.run(f"import os; os.chdir({str(tmp_path)!r})")
    assert export(profiled, "chrome", Path("here.json")) == tmp_path / "here.json"
    assert (tmp_path / "here.json").exists()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "export('perfeto', 'x')",
            '--to may not be "perfeto". did you mean perfetto? it may be perfetto, chrome or pprof',
        ),
        ("export('chrome', '/absent/x')", "the chrome file cannot be written to /absent/x: no such file or directory."),
    ],
)
def test_what_cannot_be_written_is_said(profiled: Kernel, call: str, said: str) -> None:
    reply = profiled.run(f"inferscope.last().{call}")
    assert reply.status == "error"
    assert reply.content["ename"] == "InferScopeError"
    assert said in reply.content["evalue"]


def test_without_a_trace_it_says_so(profiled: Kernel) -> None:
    reply = profiled.run("import dataclasses\ndataclasses.replace(inferscope.last(), trace=None).export('chrome', 'x')")
    assert reply.content["ename"] == "InferScopeError"
    assert "No trace of this cell was kept." in reply.content["evalue"]
