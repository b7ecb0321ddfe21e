"""Ten million events into a timeline and through the analysis: time and resident memory.

A loop that gives a device work is replayed by the analysis, several times; it has budgets of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from record import measure, say

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
# How the events lie over the threads: spread over many, or most of them in the cell's own.
SHAPES = {"64 threads alike": [], "9 of 10 events in the main thread": ["-main", "0.9"]}
# Millions of events of a loop with a device, and within how many seconds and MiB they are to be analysed.
DEVICE = {1: (1, 256), 10: (6, 1228)}


def runs_of(program: Path, shape: str, *arguments: str) -> list[dict[str, float]]:
    """What each of some processes measured."""
    runs = []
    for _ in range(RUNS):
        text = subprocess.run([program, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout
        runs.append(json.loads(text))
        say(f"   {shape}: {runs[-1]['BuildAndAnalyzeS']:.2f} s, {runs[-1]['PeakRSSMiB']:.0f} MiB")
    return runs


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "timeline_10m"
        subprocess.run(["go", "build", "-o", program, "./bench/timeline_10m"], cwd=ROOT, check=True)
        for shape, arguments in SHAPES.items():
            runs = runs_of(program, shape, *arguments)
            seconds = [run["BuildAndAnalyzeS"] for run in runs]
            note = f"median of {RUNS} processes, {min(seconds):.2f} to {max(seconds):.2f} s, appending included"
            measure(f"build and analyse, {shape}", statistics.median(seconds), "s", "<= 3", note)
            peak = max(run["PeakRSSMiB"] for run in runs)
            measure(f"peak resident memory, {shape}", peak, "MiB", "<= 512", f"largest of {RUNS} processes")
        for millions, (budget, memory) in DEVICE.items():
            shape = f"{millions} million events of a loop with a device"
            runs = runs_of(program, shape, "-gpu", "-events", str(millions * 1_000_000))
            seconds = [run["BuildAndAnalyzeS"] for run in runs]
            note = f"median of {RUNS} processes, {min(seconds):.2f} to {max(seconds):.2f} s, replays included"
            measure(f"build and analyse, {shape}", statistics.median(seconds), "s", f"<= {budget}", note)
            peak = max(run["PeakRSSMiB"] for run in runs)
            measure(f"peak resident memory, {shape}", peak, "MiB", f"<= {memory}", f"largest of {RUNS} processes")


if __name__ == "__main__":
    main()
