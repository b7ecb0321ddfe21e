"""Runs one collector alone around a workload, for the benchmarks of its cost."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ipython_ext"))

from inferscope import calibrate  # noqa: E402 - found on the path above
from record import estimate_ratio, measure, percentile, say, spread  # noqa: E402

# What begin and end leave behind (a collection of Go's garbage, cold caches) has passed by then.
SETTLE_S = 0.01
# As many slices tell what the programs cost: their clock does not scatter as the throughput does.
COST_SLICES = 40


@dataclasses.dataclass(frozen=True)
class Slice:
    """What a workload did in one slice of time.

    Attributes:
        work: What it got done, in units of its own.
        wall_s: How long the slice was, in seconds.
        cpu_s: The CPU time that the workload's threads used in it, in seconds.
        switches: How often its threads left a CPU.
    """

    work: float
    wall_s: float
    cpu_s: float
    switches: int


class Observer:
    """A collector in a process of its own, loaded once and attached for each slice. Close it.

    Args:
        hz: Samples a second; 0 is the collector's default, -1 none. Of the collector ``ebpf`` alone.
        collector: The folder below ``sidecar/internal/collect`` that has the program ``observe``.
        pid: The process to observe; this one by default.
    """

    def __init__(self, hz: int = 0, collector: str = "ebpf", pid: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        program = Path(self._folder.name) / "observe"
        subprocess.run(
            ["go", "build", "-o", program, f"./sidecar/internal/collect/{collector}/observe"], cwd=ROOT, check=True
        )
        command = [str(program), *([f"-hz={hz}"] if collector == "ebpf" else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
        # By the reason told.
        self.losses: Counter[str] = Counter()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the collector cannot run here: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def begin(self) -> None:
        """Attach the programs."""
        self.begin_ns.append(self._ask({"begin": self._begin})["begin_ns"])

    def end(self) -> None:
        """Take the programs off and keep what was told."""
        told = self._ask({"end": True})
        self.end_ns.append(told["end_ns"])
        self.rows += told["rows"]
        for loss in told["losses"]:
            self.losses[f"{loss['Source']}: {loss['Reason']}"] += loss["Count"]

    def count_costs(self) -> None:
        """Have the kernel count what the programs cost, from now on."""
        self._ask({"count": True})

    def costs(self) -> dict[str, tuple[int, int]]:
        """How often each program has run, and for how many ns."""
        return {cost["Program"]: (cost["Runs"], cost["Ns"]) for cost in self._ask({"costs": True})["costs"]}

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


def compare(name: str, work: Callable[[], Slice], pairs: int, budget: str, *, how: str, hz: int = 0) -> None:
    """Measures a workload's throughput observed over its throughput alone, pair by pair.

    Prints the ratio as a user meets it, by the clock on the wall; the ratio by CPU time, which another tenant of the
    machine moves less and which leaves out how long a wake-up takes; and what the programs themselves took.

    Args:
        name: What the workload is, in words.
        work: Lets the workload run for one slice and tells of it. Slices are compared with their neighbours.
        pairs: How many pairs are run; the order within a pair alternates.
        budget: What the ratio by the clock on the wall must keep.
        how: Where the workload's threads run, for the note.
        hz: Samples a second; 0 is the collector's default, -1 none.
    """
    observer = Observer(hz)
    kept = []
    for number in range(-2, pairs):
        found = {}
        for observed in (False, True) if number % 2 == 0 else (True, False):
            if observed:
                observer.begin()
            time.sleep(SETTLE_S)
            found[observed] = work()
            if observed:
                observer.end()
        if number >= 0:
            kept.append((found[False], found[True]))
        if (number + 1) % 100 == 0:
            say(f"{name}: {number + 1} of {pairs} pairs")
    slices = [one for pair in kept for one in pair]
    # Where something else had the CPUs, nothing was compared.
    least = percentile([one.cpu_s for one in slices], 50) / 2
    kept = [pair for pair in kept if min(one.cpu_s for one in pair) > least]
    left_out = f" ({pairs - len(kept)} more left out: the CPUs were taken)" if len(kept) < pairs else ""
    wall = [(alone.work / alone.wall_s, observed.work / observed.wall_s) for alone, observed in kept]
    cpu = [(alone.work / alone.cpu_s, observed.work / observed.cpu_s) for alone, observed in kept]
    rate = percentile([one.switches / one.wall_s for one in slices], 50)
    ratio, by_cpu = estimate_ratio(wall), estimate_ratio(cpu)
    length = 1000 * percentile([one.wall_s for one in slices], 50)
    note = f"{ratio}; {spread(wall)}{left_out}, slices of {length:.0f} ms, {how}; {rate:,.0f} switches a second"
    measure(f"{name}: throughput under eBPF collection", ratio.value, "ratio", budget, note)
    note = f"{by_cpu}; {spread(cpu)}"
    measure(f"{name}: throughput for each second of CPU time under eBPF collection", by_cpu.value, "ratio", "", note)
    reasons = "; ".join(f"{count} {reason}" for reason, count in observer.losses.items())
    note = f"of {observer.rows:,} waits" + (f"; {reasons}" if reasons else "")
    measure(f"{name}: records lost or put right", observer.losses.total(), "records", "<= 0", note)
    measure(f"{name}: begin of a cell, median", percentile(observer.begin_ns, 50) / 1e6, "ms")
    note = "what is in the rings included"
    measure(f"{name}: end of a cell, median", percentile(observer.end_ns, 50) / 1e6, "ms", note=note)
    _measure_costs(name, observer, work)
    observer.close()


def _measure_costs(name: str, observer: Observer, work: Callable[[], Slice]) -> None:
    """What the programs took by the kernel's own count, which no other load on the machine moves much."""
    observer.count_costs()
    observer.begin()
    before = observer.costs()
    slices = [work() for _ in range(COST_SLICES)]
    after = observer.costs()
    observer.end()
    ran = {program: (runs - before[program][0], ns - before[program][1]) for program, (runs, ns) in after.items()}
    total = sum(ns for _, ns in ran.values())
    each = ", ".join(f"{p} {ns / runs:.0f} ns x {runs:,}" for p, (runs, ns) in sorted(ran.items()) if runs)
    switches, cpu_s = sum(one.switches for one in slices), sum(one.cpu_s for one in slices)
    measure(
        f"{name}: CPU time of the eBPF programs a switch",
        total / switches,
        "ns",
        note=f"{each}; runs for other processes of the machine and the counting itself included",
    )
    measure(
        f"{name}: CPU time of the eBPF programs, of the workload's",
        100 * total / (cpu_s * 1e9),
        "%",
        note="without the interrupts of the sampler's clock",
    )
