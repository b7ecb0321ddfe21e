"""Runs one collector alone around a workload, for the benchmarks of its cost."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ipython_ext"))

from inferscope import calibrate  # noqa: E402 - found on the path above
from record import measure, median_ratio, percentile, say, spread  # noqa: E402


class Observer:
    """A collector in a process of its own, loaded once and attached for each run.

    Args:
        collector: The folder below ``sidecar/internal/collect`` that has the program ``observe``.
        pid: The process to observe; this one by default.
    """

    def __init__(self, collector: str = "ebpf", pid: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        program = Path(self._folder.name) / "observe"
        subprocess.run(
            ["go", "build", "-o", program, f"./sidecar/internal/collect/{collector}/observe"], cwd=ROOT, check=True
        )
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        calibration = calibrate.calibration()
        self._begin = {
            "PID": pid or os.getpid(),
            "UID": os.getuid(),
            "Start": {
                "MainTID": threading.get_native_id(),
                "Calibration": {k.capitalize(): v for k, v in dataclasses.asdict(calibration).items()},
            },
        }
        self.begin_ns: list[int] = []
        self.end_ns: list[int] = []
        self.rows = 0
        self.lost = 0

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the collector cannot run here: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def during(self, workload: Callable[[], float]) -> float:
        """Runs the workload while it is observed, and gives what it returns."""
        self.begin_ns.append(self._ask({"begin": self._begin})["begin_ns"])
        value = workload()
        told = self._ask({"end": True})
        self.end_ns.append(told["end_ns"])
        self.rows += told["rows"]
        self.lost += sum(loss["Count"] for loss in told["losses"])
        return value

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


def compare(name: str, workload: Callable[[], float], switches: Callable[[], float], pairs: int, budget: str) -> None:
    """Measures a workload's throughput observed over its throughput alone, pair by pair.

    Args:
        name: What the workload is, in words.
        workload: Runs once for a fixed time and gives its throughput.
        switches: Gives the context switches a second of the last run.
        pairs: How many pairs are run; the order within a pair alternates.
        budget: What the ratio must keep.
    """
    observer = Observer()
    kept = []
    rates = []
    for number in range(-1, pairs):
        found = {}
        for observed in (False, True) if number % 2 == 0 else (True, False):
            found[observed] = observer.during(workload) if observed else workload()
            rates.append(switches())
        if number >= 0:
            kept.append((found[False], found[True]))
            say(f"{found[True] / found[False]:.3f}")
    note = f"{spread(kept)}; {percentile(rates, 50):,.0f} switches a second; {observer.rows:,} waits recorded"
    measure(f"{name}: throughput under eBPF collection", median_ratio(kept), "ratio", budget, note)
    measure(f"{name}: records lost", observer.lost, "records", "<= 0")
    measure(f"{name}: begin of a cell, median", percentile(observer.begin_ns, 50) / 1e6, "ms")
    measure(
        f"{name}: end of a cell, median",
        percentile(observer.end_ns, 50) / 1e6,
        "ms",
        note="what is in the rings included",
    )
    observer.close()
