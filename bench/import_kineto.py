"""Importing a trace of the PyTorch profiler of 711 MB: how long `analyze` takes, and how much memory.

The trace is generated, the same on every machine: the events and the layout that Kineto writes for a training loop with
recorded shapes and Python stacks, in steps that differ only in their times and ids.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from record import measure, percentile, quartiles, say

SIZE = 711_000_000
RUNS = 5
OPERATORS = ("aten::linear", "aten::addmm", "aten::gelu", "aten::layer_norm", "aten::softmax", "aten::bmm", "aten::add_", "aten::copy_")
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


def complete(category: str, name: str, pid: int, tid: int, ts: float, dur: float, args: str) -> str:
    """One complete event in Kineto's layout."""
    return (
        f'\n  {{\n    "ph": "X", "cat": "{category}", "name": "{name}", "pid": {pid}, "tid": {tid},\n'
        f'    "ts": {ts:.3f}, "dur": {dur:.3f},\n    "args": {{\n      {args}\n    }}\n  }},'
    )


def layer(ts: float, number: int) -> Iterator[str]:
    """One operator called from Python, which launches one kernel: seven events."""
    name = OPERATORS[number % len(OPERATORS)]
    module = f"torch/nn/modules/module_{number % 40}.py({100 + number % 900}): forward"
    yield complete(
        "python_function",
        module,
        19392,
        19392,
        ts,
        38.117,
        f'"Python parent id": {number}, "Python id": {number + 1}, "Ev Idx": {number}',
    )
    yield complete(
        "cpu_op",
        name,
        19392,
        19392,
        ts + 4.25,
        30.021,
        f'"External id": {number}, "Record function id": 0, "Concrete Inputs": ["", "", "1", "1"], '
        '"Input type": ["c10::BFloat16", "c10::BFloat16", "Scalar", "Scalar"], '
        f'"Input Strides": [[512, 1], [512, 1], [], []], "Input Dims": [[4096, 512], [512, 512], [], []], "Ev Idx": {number}',
    )
    yield complete(
        "cuda_runtime",
        "cudaLaunchKernel",
        19392,
        19392,
        ts + 12.5,
        6.75,
        f'"External id": {number}, "cbid": 211, "correlation": {number}',
    )
    yield (
        f'\n  {{\n    "ph": "s", "id": {number}, "pid": 19392, "tid": 19392, "ts": {ts + 12.5:.3f},\n'
        '    "cat": "ac2g", "name": "ac2g"\n  },'
    )
    yield complete(
        "kernel",
        f"void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_bf16_{64 + number % 7 * 32}x128_64x3_tn_align8>(cutlass::Params)",
        0,
        7,
        ts + 21.375,
        18.559,
        f'"External id": {number}, "queued": 0, "device": 0, "context": 1, "stream": 7, "correlation": {number}, '
        '"registers per thread": 168, "shared memory": 73728, "blocks per SM": 0.484848, "warps per SM": 3.878788, '
        '"grid": [8, 8, 1], "block": [256, 1, 1], "est. achieved occupancy %": 6',
    )
    yield (
        f'\n  {{\n    "ph": "f", "id": {number}, "pid": 0, "tid": 7, "ts": {ts + 21.375:.3f},\n'
        '    "cat": "ac2g", "name": "ac2g", "bp": "e"\n  },'
    )


def generate(path: Path, size: int) -> int:
    """Writes a trace of about ``size`` bytes.

    Returns:
        How many kernels it holds.
    """
    written = number = step = 0
    ts = 1_419_247_332_972.313
    with path.open("w", encoding="ascii", buffering=1 << 20) as file:
        file.write(HEAD)
        while written < size:
            events = []
            begun = ts
            for _ in range(400):
                number += 1
                events += layer(ts, number)
                ts += 40.009
            step += 1
            events.append(
                complete("user_annotation", f"ProfilerStep#{step}", 19392, 19392, begun, ts - begun, f'"External id": {step}')
            )
            if written + sum(map(len, events)) >= size:
                events[-1] = events[-1].rstrip(",")
            written += file.write("".join(events))
        file.write(TAIL)
    return number


def run(sidecar: Path, trace: Path, out: Path) -> tuple[float, float]:
    """Analyses the trace once.

    Returns:
        Seconds, and the peak of resident memory in MiB.
    """
    started = time.perf_counter()
    child = subprocess.Popen([sidecar, "analyze", trace, "--format", "json", "-o", out])
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"analyze ended with {child.returncode}")
    return taken, usage.ru_maxrss / 1024


def main() -> None:
    from inferscope.sidecar import find_binary

    with tempfile.TemporaryDirectory(prefix="inferscope-bench-") as folder:
        trace, out = Path(folder, "train.pt.trace.json"), Path(folder, "summary.json")
        kernels = generate(trace, SIZE)
        say(f"{trace.stat().st_size / 1e6:.0f} MB with {kernels} kernels")
        taken = [run(find_binary(), trace, out) for _ in range(RUNS)]
        if f'"kernels": {kernels}' not in out.read_text(encoding="utf-8").replace('":', '": ').replace('":  ', '": '):
            raise SystemExit("the summary does not count the kernels of the trace")
    seconds, memory = zip(*taken, strict=True)
    note = f"{RUNS} runs on {os.cpu_count()} processors, {quartiles(seconds)}"
    measure("a Kineto trace of 711 MB: to the summary", percentile(seconds, 50), "s", "<= 5", note)
    measure("a Kineto trace of 711 MB: peak resident memory", max(memory), "MiB", "<= 512", f"the largest of {RUNS} runs")


if __name__ == "__main__":
    main()
