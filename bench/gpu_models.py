"""What %%inferscope costs real models: inference and training steps of a ResNet-50 and a BERT. Needs a GPU, PyTorch
and transformers.

Each is a loop of steps in a cell of a real kernel, plain and profiled in turn, in alternating order. Measured inside
the cell around the loop: the wall time to its synchronised end, and the GPU's time between two CUDA events. The models
are built from their configurations, with random weights: the time they take is not. They run in their default type,
float32, where the GPU is what they wait for; one more case is bfloat16, where it is the launches.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from statistics import median

from kernel import Kernel
from record import measure, median_ratio, percentile, say, spread

# A cell's length, and what one case may take; at least so many pairs are run.
CELL_SECONDS, CASE_SECONDS, FEWEST_PAIRS, MOST_PAIRS = 1.0, 14.0, 5, 15
TRIAL_STEPS = 5

SETUP = """\
import os, time, warnings
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification, ResNetConfig, ResNetForImageClassification
torch.manual_seed(1)
"""

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

    def _run(self, head: str) -> tuple[float, float]:
        answer = self._kernel.run(head + self._cell)
        if answer.said:
            raise RuntimeError(f"the cell said {answer.said}")
        wall, gpu, queued = self._kernel.value("took")
        self.queued = float(queued) / float(wall)
        return float(wall), float(gpu)


def run(kernel: Kernel, case: Case, options: str) -> None:
    """Measures one case."""
    began = time.monotonic()
    kernel.run("model = optimizer = loss = None; torch.cuda.empty_cache()\n" + case.setup, timeout=60)
    runner = Runner(kernel, case, options)
    kernel.run(f"steps = {TRIAL_STEPS}")
    for _ in range(2):  # the first chooses algorithms and fills the allocator's cache
        wall, _ = runner.plain()
    steps = max(3, round(CELL_SECONDS / wall * TRIAL_STEPS))
    kernel.run(f"steps = {steps}")
    before = median(runner.plain()[0] for _ in range(3))
    queued = runner.queued
    runner.profiled()
    walls: list[tuple[float, float]] = []
    gpus: list[tuple[float, float]] = []
    while len(walls) < MOST_PAIRS and (len(walls) < FEWEST_PAIRS or time.monotonic() - began < CASE_SECONDS):
        order = (runner.plain, runner.profiled) if len(walls) % 2 else (runner.profiled, runner.plain)
        took = {one.__name__: one() for one in order}
        walls.append((took["plain"][0], took["profiled"][0]))
        gpus.append((took["plain"][1], took["profiled"][1]))
    plain = median(baseline for baseline, _ in walls)
    kernels = kernel.device()["kernels"] if runner.gpu else 0
    lost = [loss["reason"] for loss in kernel.summary()["losses"] if loss["source"] == "cupti"]
    note = (
        f"{steps} steps of {plain / steps * 1e3:.2f} ms and {kernels // steps} kernels, {spread(walls)};"
        f" the host has launched all of it after {queued:.0%} of a plain cell;"
        f" plain cells between profiled ones take {plain / before:.3f} of those before the first;"
        f" losses: {', '.join(lost) or 'none'}"
    )
    measure(f"{case.name}: wall", median_ratio(walls), "ratio", "<= 1.02" if case.waits_for_gpu else "", note)
    ratio = median_ratio(gpus)
    ratios = [subject / baseline for baseline, subject in gpus]
    note = f"the ratio is {ratio:.4f}, middle half {percentile(ratios, 25):.4f} to {percentile(ratios, 75):.4f}"
    budget = "<= 0.01" if case.waits_for_gpu else ""
    measure(f"{case.name}: GPU time, distance of the ratio from 1", abs(ratio - 1), "ratio", budget, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument(
        "--options", default="", help="of %%%%inferscope, such as --no-ebpf: to tell where a cost comes from"
    )
    chosen = parser.parse_args()
    failed = []
    with Kernel() as kernel:
        kernel.run(SETUP, timeout=120)
        kernel.load()
        for case in CASES:
            if chosen.case not in case.name:
                continue
            try:
                run(kernel, case, chosen.options)
            except RuntimeError as error:
                say(f"{case.name}: {error}")
                failed.append(case.name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
