"""Importing a trace of the PyTorch profiler of 711 MB: how long ``analyze`` takes, and how much memory.

The trace is generated, the same on every machine: the events and the layout that Kineto writes for a training loop with
recorded shapes and Python stacks, in steps that differ only in their times, names and ids.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from inferscope.binary import find_binary
from record import measure, percentile, quartiles, say

SIZE = 711_000_000
RUNS = 5
LAYERS = 400  # of a step
OPERATORS = ("linear", "addmm", "gelu", "layer_norm", "softmax", "bmm", "add_", "copy_")
HEAD = """{
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 84929937408,
      "computeMajor": 9, "computeMinor": 0, "warpSize": 32, "numSms": 132
    }
  ],
  "displayTimeUnit": "ms",
  "baseTimeNanoseconds": 1751410836000000000,
  "traceEvents": ["""
TAIL = """
  ],
  "traceName": "train.pt.trace.json"
}
"""

# One operator called from Python, which launches one kernel, and the two ends of the arrow between them.
LAYER = """
  {{
    "ph": "X", "cat": "python_function", "name": "torch/nn/modules/module_{module}.py({line}): forward",
    "pid": 19392, "tid": 19392, "ts": {ts:.3f}, "dur": 38.117,
    "args": {{
      "Python parent id": {id}, "Python id": {id}, "Ev Idx": {id}
    }}
  }},
  {{
    "ph": "X", "cat": "cpu_op", "name": "aten::{operator}", "pid": 19392, "tid": 19392,
    "ts": {op:.3f}, "dur": 30.021,
    "args": {{
      "External id": {id}, "Record function id": 0, "Concrete Inputs": ["", "", "1", "1"],
      "Input type": ["c10::BFloat16", "c10::BFloat16", "Scalar", "Scalar"],
      "Input Strides": [[512, 1], [512, 1], [], []], "Input Dims": [[4096, 512], [512, 512], [], []], "Ev Idx": {id}
    }}
  }},
  {{
    "ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 19392, "tid": 19392,
    "ts": {call:.3f}, "dur": 6.750,
    "args": {{
      "External id": {id}, "cbid": 211, "correlation": {id}
    }}
  }},
  {{
    "ph": "s", "id": {id}, "pid": 19392, "tid": 19392, "ts": {call:.3f},
    "cat": "ac2g", "name": "ac2g"
  }},
  {{
    "ph": "X", "cat": "kernel", "name": "void cutlass::Kernel2<cutlass_80_bf16_{tile}x128_align8>(cutlass::Params)",
    "pid": 0, "tid": 7, "ts": {kernel:.3f}, "dur": 18.559,
    "args": {{
      "External id": {id}, "queued": 0, "device": 0, "context": 1, "stream": 7, "correlation": {id},
      "registers per thread": 168, "shared memory": 73728, "blocks per SM": 0.484848, "warps per SM": 3.878788,
      "grid": [8, 8, 1], "block": [256, 1, 1], "est. achieved occupancy %": 6
    }}
  }},
  {{
    "ph": "f", "id": {id}, "pid": 0, "tid": 7, "ts": {kernel:.3f},
    "cat": "ac2g", "name": "ac2g", "bp": "e"
  }},"""
STEP = """
  {{
    "ph": "X", "cat": "user_annotation", "name": "ProfilerStep#{step}", "pid": 19392, "tid": 19392,
    "ts": {ts:.3f}, "dur": {dur:.3f},
    "args": {{
      "External id": {step}
    }}
  }}"""


def step(number: int, begun: float) -> tuple[str, float]:
    """The events of one step.

    Returns:
        Them, without a comma behind the last, and when the step ends.
    """
    ts, events = begun, []
    for layer in range(number * LAYERS, (number + 1) * LAYERS):
        at = {"ts": ts, "op": ts + 4.25, "call": ts + 12.5, "kernel": ts + 21.375}
        names = {
            "module": layer % 40,
            "line": 100 + layer % 900,
            "operator": OPERATORS[layer % 8],
            "tile": 64 + layer % 7 * 32,
        }
        events.append(LAYER.format(id=layer + 1, **at, **names))
        ts += 40.009
    events.append(STEP.format(step=number, ts=begun, dur=ts - begun))
    return "".join(events), ts


def generate(path: Path, size: int) -> int:
    """Writes a trace of about ``size`` bytes.

    Returns:
        How many kernels it holds.
    """
    number, ts = 0, 1_419_247_332_972.313
    with path.open("w", encoding="ascii", buffering=1 << 20) as file:
        written = file.write(HEAD)
        while written < size:
            events, ts = step(number, ts)
            written += file.write("," + events if number else events)
            number += 1
        file.write(TAIL)
    return number * LAYERS


def run(trace: Path, out: Path) -> tuple[float, float, float]:
    """Analyses the trace once.

    Returns:
        Seconds, seconds on a processor, and the peak of resident memory in MiB.
    """
    started = time.perf_counter()
    child = subprocess.Popen([find_binary(), "analyze", trace, "--format", "json", "-o", out])
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"analyze ended with {child.returncode}")
    return taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    # Not "inferscope-": sidecars sweep such folders.
    with tempfile.TemporaryDirectory(prefix="bench-import-") as folder:
        trace, out = Path(folder, "train.pt.trace.json"), Path(folder, "summary.json")
        kernels = generate(trace, SIZE)
        say(f"{trace.stat().st_size / 1e6:.0f} MB with {kernels} kernels")
        runs = [run(trace, out) for _ in range(RUNS)]
        seen = json.loads(out.read_text(encoding="utf-8"))["devices"][0]
    if (seen["kernels"], seen["kernel_sum_ns"]) != (kernels, kernels * 18_559):
        raise SystemExit(
            f"the summary has {seen['kernels']} kernels of {seen['kernel_sum_ns']} ns, the trace {kernels}"
        )
    seconds, busy, memory = zip(*runs, strict=True)
    note = f"{RUNS} runs on {os.cpu_count()} processors, {quartiles(seconds)}"
    measure("a Kineto trace of 711 MB: to the summary", percentile(seconds, 50), "s", "<= 5", note)
    measure("a Kineto trace of 711 MB: time on all processors", percentile(busy, 50), "s", note=quartiles(busy))
    measure(
        "a Kineto trace of 711 MB: peak resident memory", max(memory), "MiB", "<= 512", f"the largest of {RUNS} runs"
    )


if __name__ == "__main__":
    main()
