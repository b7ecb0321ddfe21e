"""CUDA graphs that launch some 500,000 kernels a second for 3 s, profiled in a real kernel. Needs a GPU and PyTorch.

Nothing may crash, every kernel must be seen or counted as lost, and the memory of both processes must stay bounded. A
graph of 200 tiny kernels is replayed at a steady pace, by a function of an earlier cell: the pace is not the cell's own
code, whose lines are recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel import Kernel
from record import measure

NODES, SECONDS, RATE = 200, 3.0, 500_000
# Replays of the cell after the storm: so short a cell is captured whole.
FEW = 5
SIDECAR = "__import__('inferscope.cell').cell._profiler._sidecar.pid"

SETUP = f"""\
import time, torch
x = torch.ones(256, device="cuda")
side = torch.cuda.Stream()
graph = torch.cuda.CUDAGraph()
y = x + 1
torch.cuda.synchronize()
with torch.cuda.graph(graph):
    # Two branches: the kernels of one wait for each other.
    here, there = x, x
    side.wait_stream(torch.cuda.current_stream())
    for _ in range({NODES // 2}):
        here = here + 1
        with torch.cuda.stream(side):
            there = there + 1
    torch.cuda.current_stream().wait_stream(side)

def storm(seconds):
    # As many replays as the rate asks for; fewer where the GPU does not follow.
    pace, done, begin = {NODES / RATE}, 0, time.perf_counter()
    while (now := time.perf_counter() - begin) < seconds:
        while done * pace > now:
            now = time.perf_counter() - begin
        graph.replay()
        done += 1
        if done % 64 == 0:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    return done, time.perf_counter() - begin
"""
CELL = """\
done = storm({seconds})
ended = time.monotonic_ns()
"""


@dataclass(frozen=True)
class Memory:
    """What a process holds, in MiB: now, and at most since `forget_peak`."""

    now: float
    peak: float

    @classmethod
    def of(cls, pid: int) -> Memory:
        status = Path(f"/proc/{pid}/status").read_text()
        now, peak = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return cls(now, peak)


def forget_peak(pid: int) -> None:
    """Lets the peak begin anew at what the process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def lost(summary: dict[str, Any]) -> tuple[int, str]:
    """How many GPU records the report counts as missing, and its sentences on them."""
    losses = [loss for loss in summary["losses"] if loss["source"] == "cupti"]
    return sum(loss["count"] for loss in losses), "; ".join(f"{loss['reason']}: {loss['count']}" for loss in losses)


def main() -> None:
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        kernel.run(CELL.format(seconds=0.2))
        kernel.run("%%inferscope\n" + CELL.format(seconds=0.2))
        kernel.run(CELL.format(seconds=SECONDS))
        plain_replays, plain_took = kernel.value("done")
        pids = {"sidecar": int(kernel.value(SIDECAR)), "kernel": kernel.pid}
        for pid in pids.values():
            forget_peak(pid)
        before = {name: Memory.of(pid) for name, pid in pids.items()}
        answer = kernel.run("%%inferscope\n" + CELL.format(seconds=SECONDS), timeout=120)
        after = {name: Memory.of(pid) for name, pid in pids.items()}
        replays, took = kernel.value("done")
        ended = int(kernel.value("ended"))
        if len(answer.reports) != 1 or answer.said:
            raise RuntimeError(f"the cell showed {len(answer.reports)} reports and said {answer.said}")
        if kernel.value(SIDECAR) != pids["sidecar"]:
            raise RuntimeError("the sidecar did not survive the cell")
        device, summary = kernel.device(), kernel.summary()
        kernel.run(f"%%inferscope --quiet\nfor _ in range({FEW}):\n    graph.replay()\ntorch.cuda.synchronize()")
        again = kernel.device()["kernels"]

    launched, seen = replays * NODES, device["kernels"]
    counted, sentences = lost(summary)
    note = f"{launched} launched, {seen} reported, {counted} counted as lost ({sentences or 'no loss'})"
    covered = (device.get("coverage") or {}).get("share", 1.0)
    if covered < 1:
        note += f"; an estimate from {covered:.1%} of the cell"
        measure("a storm of graphs: error of the estimated kernels", abs(seen / launched - 1), "ratio", "<= 0.05", note)
    else:
        measure(
            "a storm of graphs: kernels not accounted for", max(0, launched - seen - counted), "kernels", "<= 0", note
        )
    rate = f"{launched / took:.3g} a second; the plain cell {plain_replays * NODES / plain_took:.3g}"
    measure("a storm of graphs: kernels launched", launched / took, "1/s", "", rate)
    seconds = (answer.reports[0] - ended) / 1e9
    measure("a storm of graphs: from the cell's end to the report", seconds, "s", "", f"{seen} kernels in the report")
    for name, budget in (("sidecar", "<= 1024"), ("kernel", "<= 256")):
        growth = after[name].peak - before[name].now
        note = f"before {before[name].now:.0f}, peak {after[name].peak:.0f}, after {after[name].now:.0f} MiB resident"
        measure(f"a storm of graphs: what the {name} grew by at its peak", growth, "MiB", budget, note)
    measure(
        "a storm of graphs: error in the next cell", abs(again - FEW * NODES), "kernels", "<= 0", f"{again} reported"
    )


if __name__ == "__main__":
    main()
