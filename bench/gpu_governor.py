"""What %%inferscope costs five seconds of nothing but launches, and whether its totals are right. Needs a GPU, PyTorch.

Under its default options a capture keeps its cost within a budget: where launches follow each other too fast, it looks
in windows and extrapolates. The cell runs plain and profiled in turn, in one real kernel, on a quiet processor (see
quiet.py); now and then captured whole (``--full``) and without the GPU's part, which tells the rest of the cost.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from kernel import QUIET, Kernel
from quiet import Run
from quiet import compare as against
from record import measure, say

# Rounds begin for so long. Whole capture and none of the GPU are run in every third only.
SECONDS, ROUNDS_SECONDS, FULL_EVERY = 5.0, 110.0, 3
TRIAL = 20_000

SETUP = "import time, torch\nx = torch.ones(64, 64, device='cuda')" + QUIET
CELL = """\
torch.cuda.synchronize()
started = time.perf_counter()
for _ in range({launches}):
    torch.add(x, 1)
torch.cuda.synchronize()
took = time.perf_counter() - started
"""


def timed(kernel: Kernel, options: str | None, launches: int) -> float:
    """Seconds that the loop took inside the cell; None for the options leaves the cell plain."""
    head = "" if options is None else f"%%inferscope --quiet {options}".rstrip() + "\n"
    answer = kernel.run(head + CELL.format(launches=launches))
    if answer.said:
        raise RuntimeError(f"the cell with {options!r} said {answer.said}")
    return float(kernel.value("took"))


def idle_share(device: dict[str, Any]) -> float:
    """The part of the cell in which the device had nothing to do."""
    return float(device["cell_idle_ns"] / (device["cell_idle_ns"] + device["busy_ns"]))


def coverage(device: dict[str, Any]) -> str:
    """How much of the cell was looked at, in words."""
    found = device.get("coverage") or {}
    return f"covered {found.get('share', 1.0):.1%} in {found.get('windows', 1)} windows"


def compare(what: str, values: Sequence[float], against: float, note: str) -> None:
    """Prints how far totals are from what they should be, the median of several runs."""
    errors = [abs(value / against - 1) for value in values]
    note = f"{len(values)} runs, {min(values):.6g} to {max(values):.6g} against {against:.6g}; {note}"
    measure(what, median(errors), "ratio", "<= 0.05", note)


def quiet_run(kernel: Kernel, options: str | None, launches: int) -> Run:
    """Seconds of the loop on the quickest processor."""
    before = kernel.value("quiet.pin()")
    took = timed(kernel, options, launches)
    return Run((took,), (before, kernel.value("quiet.speed()")))


def main() -> None:
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        whole = "--full" if kernel.offers("--full") else ""
        kernel.value("quiet.pin()")
        for options in (None, "", None):
            trial = timed(kernel, options, TRIAL)
        launches = int(SECONDS / trial * TRIAL)
        ways = {"plain": None, "governed": "", "unseen": "--no-gpu", "full": whole}
        runs: dict[str, list[Run]] = {name: [] for name in ways}
        devices: list[dict[str, Any]] = []
        full: dict[str, Any] = {}
        number, began = 0, time.monotonic()
        while time.monotonic() - began < ROUNDS_SECONDS:
            order = list(ways)[: 4 if number % FULL_EVERY == 0 else 2]
            for name in order if number % 2 else reversed(order):
                runs[name].append(quiet_run(kernel, ways[name], launches))
                say(f"{name} {runs[name][-1]}")
                if name == "governed":
                    devices.append(kernel.device())
                elif name == "full":
                    full = kernel.device()
            number += 1

    found = against(runs["plain"], runs["governed"])
    plain = found.plain
    note = f"{launches} launches, plain {plain:.2f} s, {found.note}; {coverage(devices[-1])}"
    measure("5 s of launches in a cell, default options", found.ratio, "ratio", "<= 1.05", note)
    found = against(runs["plain"], runs["unseen"])
    measure("the same cell with --no-gpu", found.ratio, "ratio", "", f"what all but the GPU's part costs; {found.note}")
    counts = [device["kernels"] for device in devices]
    what = "kernels reported under default options, error against the launches made"
    compare(what, counts, launches, coverage(devices[-1]))
    if not whole:
        say("%%inferscope has no --full here: there is no whole capture to compare with")
        return
    found = against(runs["plain"], runs["full"])
    note = f"--full took {found.ratio:.2f} of the plain cell; {coverage(full)}"
    measure("the same cell with --full", found.ratio, "ratio", "", found.note)
    compare("kernels, default options, error against --full", counts, full["kernels"], note)
    totals = [device["kernel_sum_ns"] for device in devices]
    compare("time in kernels, default options, error against --full", totals, full["kernel_sum_ns"], note)
    shares = [idle_share(device) for device in devices]
    # The whole capture stretches the cell, and every nanosecond of that is idle time of the GPU.
    stretched = f"{note}; of the plain cell, by --full's kernel time: {1 - full['busy_ns'] / 1e9 / plain:.4f}"
    compare("idle share of the GPU, default options, error against --full", shares, idle_share(full), stretched)


if __name__ == "__main__":
    main()
