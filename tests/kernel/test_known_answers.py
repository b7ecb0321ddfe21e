"""The plants of bench/known_answers that need no GPU: each must be told its cause and its exact line.

They need the scheduler's view from eBPF: a machine that cannot give it is shown to lack it before a test is skipped.
"""

from __future__ import annotations

from typing import Any

import pytest

from judge import faults
from kernels import Kernel
from plants import Plant, plants
from privileges import need_ebpf


def _told(summary: dict[str, Any]) -> str:
    causes = [(c["cause"], round(c["share"], 3), (c["line"] or {}).get("line")) for c in summary["host"]["causes"][:6]]
    return f"{summary['verdict']['sentence']}\n{causes}\n{summary['losses']}"


def _run(kernel: Kernel, source: str) -> None:
    if source:
        reply = kernel.run(source, timeout=180)
        assert reply.status == "ok", reply.traceback


@pytest.mark.alone
@pytest.mark.parametrize("plant", [plant for plant in plants() if not plant.needs], ids=lambda plant: plant.name)
def test_plant(kernel: Kernel, plant: Plant) -> None:
    need_ebpf()
    _run(kernel, plant.shared)
    _run(kernel, plant.cells.get("setup", ""))
    try:
        reply = kernel.run(plant.profiled, timeout=180)
        assert reply.status == "ok", reply.traceback
        assert len(reply.reports) == 1, reply
        summary = kernel.summary()
    finally:
        _run(kernel, plant.cells.get("teardown", ""))
    assert faults(plant, summary) == [], _told(summary)


@pytest.mark.single
@pytest.mark.parametrize("plant", [plant for plant in plants() if not plant.needs], ids=lambda plant: plant.name)
def test_the_repaired_cell_runs(kernel: Kernel, plant: Plant) -> None:
    """In the names that the planted cell's setup leaves, as the notebook has it."""
    _run(kernel, plant.shared)
    _run(kernel, plant.cells.get("setup", ""))
    try:
        _run(kernel, plant.repaired)
    finally:
        _run(kernel, plant.cells.get("teardown", ""))
