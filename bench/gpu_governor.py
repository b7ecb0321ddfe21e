"""What %%inferscope costs five seconds of nothing but launches, and whether its totals are right. Needs a GPU, PyTorch.

Under its default options a capture keeps its cost within a budget: where launches follow each other too fast, it looks
in windows and extrapolates. The cell runs plain and profiled in turn, in one real kernel; then once captured whole
(``--full``) and once without the GPU's part, which tells the rest of the cost.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from kernel import Kernel
from record import measure, median_ratio, say, spread

SECONDS, PAIRS = 5.0, 5
TRIAL = 20_000

SETUP = "import time, torch\nx = torch.ones(64, 64, device='cuda')"
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


def compare(what: str, value: float, against: float, note: str) -> None:
    """Prints how far a total is from what it should be."""
    measure(what, abs(value / against - 1), "ratio", "<= 0.05", f"{value:.6g} against {against:.6g}; {note}")


def main() -> None:
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        whole = "--full" if kernel.offers("--full") else ""
        for options in (None, "", None):
            trial = timed(kernel, options, TRIAL)
        launches = int(SECONDS / trial * TRIAL)
        pairs, devices = [], []
        for number in range(PAIRS):
            took = {}
            for options in (None, "") if number % 2 else ("", None):
                took[options] = timed(kernel, options, launches)
                if options == "":
                    devices.append(kernel.device())
            pairs.append((took[None], took[""]))
        plain = median(baseline for baseline, _ in pairs)
        note = f"{launches} launches, plain {plain:.2f} s, {spread(pairs)}; {coverage(devices[-1])}"
        measure("5 s of launches in a cell, default options", median_ratio(pairs), "ratio", "<= 1.05", note)
        unseen = timed(kernel, "--no-gpu", launches)
        measure(
            "the same cell with --no-gpu", unseen / plain, "ratio", "", "one run: what all but the GPU's part costs"
        )
        full_took = timed(kernel, whole, launches)
        full = kernel.device()

    count = median(device["kernels"] for device in devices)
    compare("kernels reported under default options, error against the launches made", count, launches, note)
    if not whole:
        say("%%inferscope has no --full here: there is no whole capture to compare with")
        return
    note = f"--full took {full_took / plain:.2f} of the plain cell; {coverage(full)}"
    measure("the same cell with --full", full_took / plain, "ratio", "", note)
    compare("kernels, default options, error against --full", count, full["kernels"], note)
    total = median(device["kernel_sum_ns"] for device in devices)
    compare("time in kernels, default options, error against --full", total, full["kernel_sum_ns"], note)
    shares = median(idle_share(device) for device in devices)
    # The whole capture stretches the cell, and every nanosecond of that is idle time of the GPU.
    stretched = f"{note}; of the plain cell, by --full's kernel time: {1 - full['busy_ns'] / 1e9 / plain:.4f}"
    compare("idle share of the GPU, default options, error against --full", shares, idle_share(full), stretched)


if __name__ == "__main__":
    main()
