"""The GPU's own counters over time: high where a cell multiplies matrices, low where it does nothing."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel

from .conftest import keep, last_report, needs_gpu, smi, summary_of

pytestmark = needs_gpu

# Hopper is the first whose counters can be read beside CUPTI.
HOPPER = 9.0
SETUP = """
import inferscope, time, torch
a, b = (torch.randn(8192, 8192, dtype=torch.float16, device='cuda') for _ in range(2))
c = torch.mm(a, b)
torch.cuda.synchronize()
"""
CELL = """%%inferscope
with inferscope.scope('before'):
    time.sleep(1.5)
with inferscope.scope('matmul'):
    until = time.monotonic() + 3
    while time.monotonic() < until:
        for _ in range(10):
            torch.mm(a, b, out=c)
        torch.cuda.synchronize()
with inferscope.scope('after'):
    time.sleep(1.5)
"""
# An average reaches this far beyond its interval, in µs: the driver refreshes what it counts every 100 ms.
EDGE = 300_000.0


def counters_of(events: list[dict[str, Any]], what: str) -> list[tuple[float, float]]:
    """The points of a counter, of the GPU where it was highest: times in µs, and values."""
    found: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "C" and event["name"].endswith(f" {what}"):
            (value,) = event["args"].values()
            found.setdefault(event["name"], []).append((event["ts"], value))
    assert found, f"no counter of {what}: {sorted({e['name'] for e in events if e['ph'] == 'C'})}"
    return max(found.values(), key=lambda points: max(value for _, value in points))


def inside(points: list[tuple[float, float]], scope: dict[str, Any]) -> list[float]:
    """The averages whose intervals lie in a scope."""
    start, end = scope["ts"] + EDGE, scope["ts"] + scope["dur"] - EDGE
    pairs = itertools.pairwise(points)
    return [value for (begin, value), (until, _) in pairs if start <= begin and until <= end]


@pytest.fixture
def matmul(gpu: Kernel) -> Kernel:
    """A kernel that has run the cell."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for cell in (SETUP, CELL):
        reply = gpu.run(cell, timeout=180)
        assert reply.status == "ok", reply.traceback
    keep("sm_activity", gpu)
    return gpu


def unseen(kernel: Kernel) -> list[str]:
    """What the last report says of the GPU's own counters."""
    losses = summary_of(kernel)["losses"]
    return [loss["reason"] for loss in losses if loss["source"] == "nvml" and "SMs" in loss["reason"]]


def test_the_matmuls_are_seen_where_they_are(matmul: Kernel, tmp_path: Path) -> None:
    if float(smi("--query-gpu=compute_cap", "--format=csv,noheader")[0]) < HOPPER:
        assert len(unseen(matmul)) == 1
        pytest.skip("this GPU has no counters of its own: it is older than Hopper")
    assert unseen(matmul) == []
    path = Path(last_report(matmul, f"export('chrome', {str(tmp_path / 'cell.json')!r}).as_posix()"))
    events = json.loads(path.read_text())["traceEvents"]
    scopes = {e["name"]: e for e in events if e["ph"] == "X" and e["name"] in {"before", "matmul", "after"}}
    seen = {}
    for what in ("SM activity", "tensor activity", "DRAM bandwidth", "SM occupancy"):
        points = counters_of(events, what)
        seen[what] = {name: inside(points, scope) for name, scope in scopes.items()}
    print(json.dumps(seen))  # kept in the part's log
    for what, values in seen.items():
        assert all(0 <= v <= 1 for part in values.values() for v in part), (what, values)
    for what in ("SM activity", "tensor activity"):
        busy, idle = seen[what]["matmul"], seen[what]["before"] + seen[what]["after"]
        # A reading takes at most a hundredth of the time, so that there are some a second.
        assert len(busy) >= 3 and len(idle) >= 3, seen
        assert min(busy) > max(idle), seen
        assert min(busy) > 0, seen
    # The average of the whole cell lies between, and reaches over all of it.
    summary = summary_of(matmul)
    gpm = summary["devices"][0]["sensors"]["gpm"]
    activity = seen["SM activity"]
    assert max(activity["before"]) < gpm["sm_utilization"] < max(activity["matmul"]), (gpm, activity)
    assert 0 < gpm["tensor_active"] < max(seen["tensor activity"]["matmul"]), (gpm, seen)
    assert abs(gpm["interval_ns"] / summary["wall_ns"] - 1) < 0.1, (gpm, summary["wall_ns"])
