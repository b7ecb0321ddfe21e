"""The statistics that every benchmark trusts, and the run over all of them."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def record() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", BENCH / "record.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["record"] = module  # dataclasses look the module up by name
    spec.loader.exec_module(module)
    return module


def test_percentile(record: ModuleType) -> None:
    assert record.percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert record.percentile(range(1, 101), 95) == 95
    assert record.percentile(range(1, 1001), 99.9) == 999
    assert record.percentile([5.0], 99.9) == 5.0


def test_median_of_ratios_is_not_ratio_of_medians(record: ModuleType) -> None:
    assert record.median_ratio([(1.0, 1.1), (10.0, 11.0), (2.0, 4.0)]) == pytest.approx(1.1)


def test_estimate_of_a_ratio(record: ModuleType) -> None:
    exact = record.estimate_ratio([(2.0, 2.2)] * 30)
    assert (exact.value, exact.low, exact.high) == pytest.approx((1.1, 1.1, 1.1))
    # 41 ratios around 0.99, and three wild ones that move a mean by a fifth.
    pairs = [(1.0, 0.99 * 1.001**step) for step in range(-20, 21)] + [(1.0, 4.0)] * 3
    found = record.estimate_ratio(pairs)
    assert found.low < 0.99 < found.high
    assert found.value == pytest.approx(0.99, abs=0.004)
    assert found.high - found.low < 0.02
    # Three ratios bound nothing: the interval is all that was seen.
    few = record.estimate_ratio([(1.0, 1.0), (1.0, 2.0), (1.0, 4.0)])
    assert (few.low, few.value, few.high) == pytest.approx((1.0, 2.0, 4.0))


def test_the_interval_holds_the_truth_in_95_of_100(record: ModuleType) -> None:
    random = Random(1)
    held = 0
    for _ in range(400):
        # Wild tails, as on a machine that is shared.
        noise = [random.gauss(0, 0.01 if random.random() < 0.9 else 0.2) for _ in range(40)]
        found = record.estimate_ratio([(1.0, 0.97 * math.exp(one)) for one in noise])
        held += found.low <= 0.97 <= found.high
    assert 368 <= held <= 396, held


def test_alternate_runs_in_alternating_order(record: ModuleType) -> None:
    order: list[str] = []
    pairs = record.alternate(lambda: order.append("a"), lambda: order.append("b"), pairs=4, warm=1)
    assert len(pairs) == 4
    assert "".join(order) == "ba" + "ab" + "ba" + "ab" + "ba"


def test_budgets(record: ModuleType) -> None:
    assert record.Measure("w", 1.05, "ratio", "<= 1.05").within() is True
    assert record.Measure("w", 0.98, "ratio", ">= 0.99").within() is False
    assert record.Measure("w", 1.0, "s").within() is None
    with pytest.raises((KeyError, ValueError)):
        record.measure("w", 1.0, "s", "< 3")


def test_all_runs_keeps_and_tabulates(tmp_path: Path) -> None:
    for name in ("all.py", "record.py"):
        shutil.copy(BENCH / name, tmp_path)
    (tmp_path / "good.py").write_text("import record\nrecord.say('x')\nrecord.measure('speed', 2, 'ms', '<= 3')\n")
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "run").write_text(
        '#!/bin/sh\necho \'{"what": "time", "value": 9, "unit": "s", "budget": "<= 3"}\'\n'
    )
    (tmp_path / "slow" / "run").chmod(0o755)
    (tmp_path / "broken.py").write_text("raise SystemExit(4)\n")
    (tmp_path / "silent.py").write_text("")
    done = subprocess.run([sys.executable, tmp_path / "all.py"], capture_output=True, text=True)
    assert done.returncode == 1
    for sentence in ("slow: time misses its budget", "broken exited with 4", "silent printed no number"):
        assert f"bench: {sentence}" in done.stderr
    assert json.loads((tmp_path / "results/good.json").read_text())["measures"][0]["within"] is True
    table = (tmp_path / "README.md").read_text()
    assert "| good | speed | 2 ms | <= 3 | yes |" in table
    assert "| slow | time | 9 s | <= 3 | **no** |" in table

    again = subprocess.run([sys.executable, tmp_path / "all.py", "good"], capture_output=True, text=True)
    assert again.returncode == 0
    assert "| slow | time |" in (tmp_path / "README.md").read_text()
    (tmp_path / "results/good.json").unlink()
    assert subprocess.run([sys.executable, tmp_path / "all.py", "--table"]).returncode == 0
    assert "| good |" not in (tmp_path / "README.md").read_text()
    assert "| slow | time |" in (tmp_path / "README.md").read_text()
    assert subprocess.run([sys.executable, tmp_path / "all.py", "nope"], capture_output=True).returncode == 2


def test_a_gpu_session_goes_on_after_a_part_that_fails(tmp_path: Path) -> None:
    """The driver alone, with scripts that stand in the place of the benchmarks."""
    bench, out = tmp_path / "bench", tmp_path / "out"
    bench.mkdir()
    for name in ("all.py", "record.py", "gpu_session.py"):
        shutil.copy(BENCH / name, bench)
    number = "import record\nrecord.say('going on')\nrecord.measure('speed', 9, 'ms', '<= 3')\n"
    (bench / "gpu_models.py").write_text(number)
    (bench / "gpu_governor.py").write_text(number + "raise SystemExit(4)\n")
    (bench / "gpu_graph_storm.py").write_text(number + "import signal\nsignal.pause()\n")
    done = subprocess.run(
        [sys.executable, bench / "gpu_session.py", "gpu_graph_storm:10", "gpu_governor", "gpu_models:60"],
        capture_output=True,
        text=True,
        env={**os.environ, "OUT": str(out)},
    )
    assert done.returncode == 1, done.stderr
    summary = [" ".join(line.split()) for line in done.stdout.partition("== summary\n")[2].splitlines()]
    ends = [line.partition(" s ")[2] for line in summary[::2]]
    assert ends == ["stopped after 10 s, 1 numbers", "exited with 4, 1 numbers", "ok, 1 numbers"]
    assert summary[1::2] == ["speed: 9 ms (budget <= 3: MISSED)"] * 3
    assert (out / "session.log").read_text() == done.stdout
    numbers = [json.loads(line) for line in (out / "numbers.jsonl").read_text().splitlines()]
    assert [one["benchmark"] for one in numbers] == ["gpu_graph_storm", "gpu_governor", "gpu_models"]
    with tarfile.open(out / "results.tar.gz") as archive:
        # What did not run to its end is no result.
        assert {"gpu_governor.log", "results/gpu_models.json"} <= set(archive.getnames())
        assert "results/gpu_governor.json" not in archive.getnames()


def test_a_gpu_session_says_which_parts_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, BENCH / "gpu_session.py", "gpu_nonsense"],
        capture_output=True,
        text=True,
        env={**os.environ, "OUT": str(tmp_path / "out")},
    )
    assert done.returncode == 2
    assert "there is no part gpu_nonsense; there are: tests, tests/" in done.stderr
    assert not (tmp_path / "out").exists()
