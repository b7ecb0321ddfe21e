"""What the fallbacks below eBPF cost: unprivileged perf events, /proc sampling, and the accounting of every cell.

Each collector runs in a process of its own, as in the product, and as the user who runs this script.
python bench/ladder_fallback.py [--pairs N] [--seconds S]
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from record import measure, median_ratio, percentile, say, spread

ROOT = Path(__file__).resolve().parents[1]


def fight(seconds: float) -> float:
    """Two threads that only compute, and fight for the interpreter lock: loops a second."""
    counts = [0, 0]

    def work(me: int, until: float) -> None:
        n = 0
        while time.perf_counter() < until:
            for _ in range(200):
                n += 1
        counts[me] = n

    started = time.perf_counter()
    threads = [threading.Thread(target=work, args=(i, started + seconds)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def ping_pong(seconds: float) -> float:
    """Two threads that hand a byte to and fro through pipes: rounds a second, four switches each."""
    there, back = os.pipe(), os.pipe()

    def answer() -> None:
        while os.read(there[0], 1) == b"x":
            os.write(back[1], b"x")

    thread = threading.Thread(target=answer)
    thread.start()
    rounds, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        os.write(there[1], b"x")
        os.read(back[0], 1)
        rounds += 1
    rate = rounds / (time.perf_counter() - started)
    os.write(there[1], b"-")
    thread.join()
    for end in (*there, *back):
        os.close(end)
    return rate


class Observer:
    """One collector in a process of its own."""

    def __init__(self, program: Path, rung: str) -> None:
        self._process = subprocess.Popen([program, rung], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.begin_ms: list[float] = []
        self.end_ms: list[float] = []
        self.rows = self.lost = 0
        self.cpu_ns = 0
        self.seconds = 0.0

    def _ask(self, request: str) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the collector cannot run here: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def during(self, workload: Callable[[], float]) -> float:
        """Runs the workload while it is observed, and gives what it returns."""
        begun = self._ask(f"begin {os.getpid()}")
        started = time.perf_counter()
        value = workload()
        self.seconds += time.perf_counter() - started
        told = self._ask("end")
        self.begin_ms.append(begun["ns"] / 1e6)
        self.end_ms.append(told["ns"] / 1e6)
        self.rows += told["rows"]
        self.lost += told["lost"]
        self.cpu_ns += told["cpu_ns"] - begun["cpu_ns"]
        return value

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compare(observer: Observer, name: str, workload: Callable[[], float], pairs: int, budget: str) -> None:
    """Throughput observed over throughput alone, pair by pair; `name` is the collector and the workload."""
    kept = []
    for number in range(-1, pairs):
        found = {}
        for observed in (False, True) if number % 2 == 0 else (True, False):
            found[observed] = observer.during(workload) if observed else workload()
        if number >= 0:
            kept.append((found[False], found[True]))
    observer.close()
    seconds = observer.seconds
    say(f"{name}: {observer.rows} rows in {seconds:.1f} s")
    note = f"{spread(kept)}; {observer.rows / seconds:.0f} off-CPU rows/s, {observer.lost} records lost"
    measure(f"{name}, throughput observed / alone", median_ratio(kept), "ratio", budget, note)
    note = "its end and the building of the timeline included"
    measure(f"{name}, the collector's own CPU", observer.cpu_ns / seconds / 1e7, "% of a CPU", note=note)
    for step, values in (("begin", observer.begin_ms), ("end", observer.end_ms)):
        measure(f"{name}, {step}", statistics.median(values), "ms", note=f"p95 {percentile(values, 95):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "observe"
        build = ["go", "build", "-o", str(program), "./sidecar/internal/collect/perfevent/observe"]
        subprocess.run(build, cwd=ROOT, check=True)
        for rung in ("perf", "procfs", "accounting"):
            for name, workload, budget in (("GIL fight", fight, ">= 0.98"), ("pipe ping-pong", ping_pong, "")):
                work = functools.partial(workload, options.seconds)
                compare(Observer(program, rung), f"{rung}: {name}", work, options.pairs, budget)


if __name__ == "__main__":
    main()
