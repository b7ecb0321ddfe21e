"""The traces that the suite of bench/known_answers kept on a GPU: today's analysis must still tell each right."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from judge import faults
from plants import plants

ROOT = Path(__file__).parents[2]
SIDECAR = ROOT / "ipython_ext/inferscope/_bin/inferscope-sidecar"
TRACES = ROOT / "bench/known_answers/traces"
PLANTS = {plant.name: plant for plant in plants()}
KEPT = sorted(path.name.removesuffix(".tar.gz") for path in TRACES.glob("*.tar.gz"))


@pytest.fixture(params=KEPT)
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """The name of a plant, and its trace unpacked."""
    with tarfile.open(TRACES / f"{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return request.param, tmp_path / "trace.inferscope"


def test_there_are_traces_and_each_is_of_a_plant() -> None:
    assert KEPT
    assert set(KEPT) <= PLANTS.keys()


def test_the_trace_is_of_the_cell_that_is_planted_now(trace: tuple[str, Path]) -> None:
    name, folder = trace
    cell = json.loads((folder / "manifest.json").read_text())["cell"]
    assert "\n".join(cell["lines"]).rstrip() == PLANTS[name].profiled, "run the suite again and publish it"


def test_it_is_told_right(trace: tuple[str, Path]) -> None:
    name, folder = trace
    command = [str(SIDECAR), "analyze", str(folder), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert faults(PLANTS[name], summary) == [], summary["verdict"]["sentence"]


@pytest.mark.parametrize("trace", ["item_each_step"], indirect=True)
def test_calls_without_line_events_get_the_line_of_calls_like_them(trace: tuple[str, Path]) -> None:
    name, folder = trace
    done = subprocess.run([str(SIDECAR), "analyze", str(folder), "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert any(not line["exact"] for line in summary["host"]["lines"]), "line events stopped in this trace"
    refills = {one["line"]["line"] for one in summary["idle"]["causes"] if one["cause"] == "sync_refill"}
    assert refills == set(PLANTS[name].lines)
