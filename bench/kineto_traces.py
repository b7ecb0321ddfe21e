"""Traces of the PyTorch profiler of any size: made up, or a real one repeated."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

LAYERS = 400  # of a step
OPERATORS = ("linear", "addmm", "gelu", "layer_norm", "softmax", "bmm", "add_", "copy_")
KERNEL_NS = 18_559  # as LAYER has it, in microseconds
GAP_US = 1000  # between one repetition and the next
STEP_NAME = re.compile(r"ProfilerStep#\d+")
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


class Made(NamedTuple):
    """What a trace that was made holds, by which it is seen whether all of it was read."""

    kernels: int
    kernel_ns: int  # their durations, summed


def generate(path: Path, size: int) -> Made:
    """Writes a made-up trace of about ``size`` bytes."""
    number, ts = 0, 1_419_247_332_972.313
    with path.open("w", encoding="ascii", buffering=1 << 20) as file:
        written = file.write(HEAD)
        while written < size:
            events, ts = step(number, ts)
            written += file.write("," + events if number else events)
            number += 1
        file.write(TAIL)
    return Made(number * LAYERS, number * LAYERS * KERNEL_NS)


def repeat(source: Path, path: Path, size: int) -> Made:
    """Writes the events of a real trace again and again, until it has about ``size`` bytes.

    Each time they are later, by the length of the trace, and have correlations, ids and numbers of steps of their own.
    What names processes and threads is written once.

    Args:
        source: A trace of the PyTorch profiler, a JSON object, compressed by gzip or not.
        path: The file to write.
        size: Its length in bytes.
    """
    content = source.read_bytes()
    trace: dict[str, Any] = json.loads(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    events: list[dict[str, Any]] = trace.pop("traceEvents")
    once = [event for event in events if event["ph"] == "M"]
    events = [event for event in events if event["ph"] != "M"]
    begin = min(event["ts"] for event in events)
    length = max(event["ts"] + event.get("dur", 0) for event in events) - begin + GAP_US
    numbers = [
        (holder, key)
        for event in events
        for holder in (event, event.get("args", {}))
        for key in ("id", "correlation", "external id", "External id")
        if isinstance(holder.get(key), int)
    ]
    fresh = max(holder[key] for holder, key in numbers) + 1
    steps = [(event, int(event["name"].partition("#")[2])) for event in events if STEP_NAME.fullmatch(event["name"])]
    times, number = 0, len({step for _, step in steps})
    kernels = [event["dur"] for event in events if event.get("cat") in ("Kernel", "kernel")]
    with path.open("w", encoding="ascii", buffering=1 << 20) as file:
        written = file.write(json.dumps(trace)[:-1] + ', "traceEvents": [\n' + json.dumps(once)[1:-1])
        while written < size:
            written += file.write(",\n" + json.dumps(events)[1:-1])
            times += 1
            for event in events:
                event["ts"] += length
            for holder, key in numbers:
                holder[key] += fresh
            for event, first in steps:
                event["name"] = f"ProfilerStep#{first + times * number}"
        file.write("]}\n")
    return Made(times * len(kernels), times * round(1000 * sum(kernels)))
