"""Importing a trace of the PyTorch profiler of 711 MB: how long ``analyze`` takes, and how much memory.

python bench/import_kineto.py [--from TRACE] [--peers]

One trace is made up, the same on every machine: the events and the layout that Kineto writes for a training loop with
recorded shapes and Python stacks, in steps that differ only in their times, names and ids. The other is a real one,
repeated with later times and ids of its own: TRACE, or that of a ResNet-50 in the folder that INFERSCOPE_TRACES names.
The real one is read compressed by gzip too. With --peers Holistic Trace Analysis and Perfetto read the same file in the
same run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import tempfile
from pathlib import Path

import kineto_peers
import kineto_traces
from inferscope.binary import find_binary
from kineto_traces import Made
from record import measure, percentile, quartiles, say

SIZE = 711_000_000
RUNS = 5
SECONDS, MEMORY = "<= 5", "<= 512"
# A training loop whose data loader the GPU waits for.
REAL = "tb_resnet50_nw0_1623143089861_v100.json.gz"


def real_trace() -> Path | None:
    """The trace that is repeated where none is named; None when it is not there."""
    default = Path(__file__).resolve().parents[2] / "shared" / "traces"
    path = Path(os.environ.get("INFERSCOPE_TRACES") or default) / REAL
    return path if path.exists() else None


def analyze(trace: Path, what: str, made: Made, out: Path) -> None:
    """Measures ``inferscope analyze``.

    Raises:
        SystemExit: It found other kernels than the trace holds.
    """
    say(f"{what}: {trace.stat().st_size / 1e6:.0f} MB with {made.kernels} kernels")
    command = [find_binary(), "analyze", trace, "--format", "json", "-o", out]
    runs = [kineto_peers.timed(command) for _ in range(RUNS)]
    seen = json.loads(out.read_text(encoding="utf-8"))["devices"][0]
    if (seen["kernels"], seen["kernel_sum_ns"]) != made:
        raise SystemExit(f"the summary has {seen['kernels']} kernels of {seen['kernel_sum_ns']} ns, the trace {made}")
    seconds, busy, memory = ([getattr(run, field) for run in runs] for field in ("seconds", "cpu_seconds", "peak_mib"))
    note = f"{RUNS} runs on {os.cpu_count()} processors, {quartiles(seconds)}"
    measure(f"{what}: to the summary", percentile(seconds, 50), "s", SECONDS, note)
    measure(f"{what}: time on all processors", percentile(busy, 50), "s", note=quartiles(busy))
    measure(f"{what}: peak resident memory", max(memory), "MiB", MEMORY, f"the largest of {RUNS} runs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, metavar="TRACE", help="the real trace that is repeated")
    parser.add_argument("--peers", action="store_true", help="measure other tools on the same file; minutes, and 4 GiB")
    arguments = parser.parse_args()
    # Not "inferscope-": sidecars sweep such folders.
    with tempfile.TemporaryDirectory(prefix="bench-import-") as name:
        folder = Path(name)
        trace, out = folder / "train.pt.trace.json", folder / "summary.json"
        what, made = "a Kineto trace of 711 MB", kineto_traces.generate(trace, SIZE)
        analyze(trace, what, made, out)
        if source := arguments.source or real_trace():
            what, made = "a real trace repeated to 711 MB", kineto_traces.repeat(source, trace, SIZE)
            analyze(trace, what, made, out)
            compressed = trace.with_name(trace.name + ".gz")
            with trace.open("rb") as plain, gzip.open(compressed, "wb", compresslevel=1) as file:
                shutil.copyfileobj(plain, file, 1 << 20)
            analyze(compressed, f"{what}, compressed by gzip", made, out)
            compressed.unlink()
        if arguments.peers:
            kineto_peers.perfetto(trace, what, made)
            kineto_peers.hta(trace, what, folder)


if __name__ == "__main__":
    main()
