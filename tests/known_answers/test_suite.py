"""The suite itself, with a plant that needs no GPU: what it measures, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from plants import plants

ROOT = Path(__file__).parents[2]


def test_a_plant_is_run_in_all_its_forms(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench/known_answers/run", "--only", "sleep", "--seconds", "1"],
        capture_output=True,
        text=True,
        env={**os.environ, "OUT": str(tmp_path), "PYTHONPATH": str(ROOT / "ipython_ext")},
    )
    assert done.returncode == 0, done.stderr
    measures = {one["what"]: one["value"] for one in map(json.loads, done.stdout.splitlines())}
    assert measures["savings whose sign is right"] == 1, done.stderr
    with tarfile.open(tmp_path / "known-answers.tar.gz") as packed:
        names = set(packed.getnames())
        member = packed.extractfile("known-answers/known_answers.json")
        assert member is not None
        results = json.load(member)
    kept = {"known-answers.md", "reports/sleep.html", "summaries/sleep.json", "traces/sleep.tar.gz"}
    assert {f"known-answers/{name}" for name in kept} <= names
    (plant,) = results["plants"]
    assert (plant["name"], plant["expected"]["lines"]) == (
        "sleep",
        [next(p for p in plants() if p.name == "sleep").lines[0]],
    )
    for runs in ("reports", "repaired", "plain_ns", "plain_repaired_ns"):
        assert plant[runs], runs
    assert min(plant["plain_ns"]) >= 0.4e9  # 80 sleeps of 5 ms: the wall is the cell's
    assert "sleep" in [finding[0] for finding in plant["reports"][0]["findings"]]


def test_what_is_no_plant_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench/known_answers/run", "--only", "nothing"],
        capture_output=True,
        text=True,
        env={**os.environ, "OUT": str(tmp_path), "PYTHONPATH": str(ROOT / "ipython_ext")},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "known_answers: no plant can run here"
