"""What %%inferscope costs real models: inference and training steps of a ResNet-50 and a BERT. Needs a GPU, PyTorch
and transformers.

Each is a loop of steps in a cell of a real kernel, plain and profiled in turn, in alternating order, on a quiet
processor (see quiet.py). Measured inside the cell around the loop: the wall time to its synchronised end, and the GPU's
time between two CUDA events. Beside it stands the same loop under CUPTI's records of kernels, copies and sets alone,
which are counted and not kept: the least that any profiler of CUPTI's makes of the GPU's time. The models are
built from their configurations, with random weights: the time they take is not. They run in their default type,
float32, where the GPU is what they wait for; one more case is bfloat16, where it is the launches.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from statistics import median

from kernel import QUIET, Kernel
from quiet import Comparison, Run, compare
from record import measure, say

# A cell's length, and what one case may take; so many rounds at least and at most.
CELL_SECONDS, CASE_SECONDS, FEWEST_ROUNDS, MOST_ROUNDS = 0.7, 24.0, 5, 15
TRIAL_STEPS = 5

SETUP = """\
import os, time, warnings
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification, ResNetConfig, ResNetForImageClassification
torch.manual_seed(1)
import ctypes, gpu_capture_kinds
records, way = gpu_capture_kinds.library(), gpu_capture_kinds.Way(device=1, finalize=1)
"""
PIN = "quiet.pin('pt_autograd')"
RECORDS_ON = "records.kinds_on(ctypes.byref(way))\n"
RECORDS_OFF = "records.kinds_off(ctypes.byref(way))\n"

RESNET = """\
model = ResNetForImageClassification(ResNetConfig(num_labels=1000)).cuda()
inputs = torch.randn(64, 3, 224, 224, device="cuda")
labels = torch.randint(0, 1000, (64,), device="cuda")
"""
BERT = """\
model = BertForSequenceClassification(BertConfig()).cuda()
inputs = torch.randint(0, 30000, (16, 128), device="cuda")
labels = torch.randint(0, 2, (16,), device="cuda")
"""
INFERENCE = """\
with torch.inference_mode():
    for _ in range(steps):
        model(inputs)
"""
TRAINING = """\
for _ in range(steps):
    optimizer.zero_grad()
    loss = cross_entropy(model(inputs).logits, labels)
    loss.backward()
    optimizer.step()
"""

BEGIN = """\
torch.cuda.synchronize()
first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
started = time.perf_counter()
first.record()
"""
END = """\
last.record()
queued = time.perf_counter() - started
torch.cuda.synchronize()
took = [time.perf_counter() - started, first.elapsed_time(last) / 1e3, queued]
"""


@dataclass(frozen=True)
class Case:
    """One loop.

    Attributes:
        name: What it is, in words.
        setup: Builds the model and its inputs.
        loop: The part of the cell that is measured.
        waits_for_gpu: The GPU is the bottleneck, so that the budgets hold.
    """

    name: str
    setup: str
    loop: str
    waits_for_gpu: bool = True


CASES = (
    Case("ResNet-50 inference, batch 64", RESNET + "model.eval()\n", INFERENCE),
    Case(
        "ResNet-50 training, batch 64",
        RESNET + "model.train()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)\n",
        TRAINING,
    ),
    Case("BERT-base inference, 16 x 128", BERT + "model.eval()\n", INFERENCE),
    Case(
        "BERT-base training, 16 x 128",
        BERT + "model.train()\noptimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)\n",
        TRAINING,
    ),
    Case(
        "BERT-base training, 32 x 128",
        BERT.replace("(16,", "(32,") + "model.train()\noptimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)\n",
        TRAINING,
    ),
    Case("BERT-base inference in bfloat16, 16 x 128", BERT + "model.eval().bfloat16()\n", INFERENCE, False),
)


class Runner:
    """Runs one case's cell in a kernel."""

    def __init__(self, kernel: Kernel, case: Case, options: str) -> None:
        self._kernel = kernel
        self._head = f"%%inferscope --quiet {options}".rstrip() + "\n"
        self.gpu = "--no-gpu" not in options
        self.queued = 0.0
        self._cell = BEGIN + case.loop + END

    def plain(self) -> tuple[float, float]:
        """Seconds of wall and of GPU."""
        return self._run("")

    def profiled(self) -> tuple[float, float]:
        """The same under the profiler, whose report must hold the GPU's work."""
        took = self._run(self._head)
        if self.gpu and not self._kernel.device()["kernels"]:
            raise RuntimeError(f"the GPU's work was not captured: {self._kernel.summary()['losses']}")
        return took

    def records(self) -> tuple[float, float]:
        """The same under CUPTI's records of the device alone."""
        return self._run(RECORDS_ON, RECORDS_OFF)

    def _run(self, head: str, tail: str = "") -> tuple[float, float]:
        answer = self._kernel.run(head + self._cell + tail)
        if answer.said:
            raise RuntimeError(f"the cell said {answer.said}")
        wall, gpu, queued = self._kernel.value("took")
        self.queued = float(queued) / float(wall)
        return float(wall), float(gpu)


@dataclass(frozen=True)
class Rounds:
    """What the rounds of one case gave.

    Attributes:
        steps: How many a cell makes.
        before: Seconds of a plain cell before the first profiled one.
        queued: Which part of it the host takes to launch everything.
        runs: Seconds of wall and of GPU, by the name of `Runner`'s method.
    """

    steps: int
    before: float
    queued: float
    runs: dict[str, list[Run]]

    def compare(self, subject: str, which: int) -> Comparison:
        """A subject against plain runs, of the wall (0) or the GPU's time (1)."""
        return compare(self.runs["plain"], self.runs[subject], which)


def run(kernel: Kernel, case: Case, runner: Runner) -> Rounds:
    """Runs one case.

    Raises:
        RuntimeError: A cell failed.
    """
    kernel.run("model = optimizer = loss = None; torch.cuda.empty_cache()\n" + case.setup, timeout=60)
    kernel.run(f"steps = {TRIAL_STEPS}")
    for _ in range(2):  # the first chooses algorithms and fills the allocator's cache
        wall, _ = runner.plain()
    steps = max(3, round(CELL_SECONDS / wall * TRIAL_STEPS))
    kernel.run(f"steps = {steps}")
    kernel.value(PIN)
    before = median(runner.plain()[0] for _ in range(3))
    queued = runner.queued
    runner.profiled()
    ways = [runner.plain, runner.profiled, runner.records]
    runs: dict[str, list[Run]] = {way.__name__: [] for way in ways}
    tried, began = 0, time.monotonic()
    while tried < FEWEST_ROUNDS or (tried < MOST_ROUNDS and time.monotonic() - began < CASE_SECONDS):
        order = ways[tried % 3 :] + ways[: tried % 3]
        for way in order if tried % 2 else order[::-1]:
            speed = kernel.value(PIN)
            took = way()
            runs[way.__name__].append(Run(took, (speed, kernel.value("quiet.speed()"))))
        tried += 1
    return Rounds(steps, before, queued, runs)


def report(kernel: Kernel, case: Case, runner: Runner, rounds: Rounds) -> None:
    """Prints one case's numbers."""
    wall, steps = rounds.compare("profiled", 0), rounds.steps
    device = kernel.device() if runner.gpu else {}
    lost = [loss["reason"] for loss in kernel.summary()["losses"] if loss["source"] == "cupti"]
    note = (
        f"{steps} steps of {wall.plain / steps * 1e3:.2f} ms and {device.get('kernels', 0) // steps} kernels;"
        f" {wall.note};"
        f" the host has launched all of it after {rounds.queued:.0%} of a plain cell;"
        f" plain cells between profiled ones take {wall.plain / rounds.before:.3f} of those before the first;"
        f" losses: {', '.join(lost) or 'none'}"
    )
    measure(f"{case.name}: wall", wall.ratio, "ratio", "<= 1.02" if case.waits_for_gpu else "", note)
    what = f"{case.name}: GPU time, distance of the ratio from 1"
    ours, floor = rounds.compare("profiled", 1), rounds.compare("records", 1)
    budget = "<= 0.01" if case.waits_for_gpu else ""
    measure(what, abs(ours.ratio - 1), "ratio", budget, f"the ratio is {ours.ratio:.4f}; {ours.note}")
    note = f"the ratio is {floor.ratio:.4f}; {floor.note}"
    measure(f"beside it, CUPTI's records alone, {what}", abs(floor.ratio - 1), "ratio", "", note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument(
        "--options", default="", help="of %%%%inferscope, such as --no-ebpf: to tell where a cost comes from"
    )
    chosen = parser.parse_args()
    failed = []
    with Kernel() as kernel:
        kernel.run(QUIET + SETUP, timeout=120)
        kernel.load()
        for case in CASES:
            if chosen.case not in case.name:
                continue
            runner = Runner(kernel, case, chosen.options)
            try:
                report(kernel, case, runner, run(kernel, case, runner))
            except RuntimeError as error:
                say(f"{case.name}: {error}")
                failed.append(case.name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
