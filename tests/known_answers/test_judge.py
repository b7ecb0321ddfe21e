"""What counts as told right, and what a confidence is worth: judged on summaries whose truth is made here."""

from __future__ import annotations

from typing import Any

import pytest

from calibration import Claim, calibration_error, claim, diagram
from judge import Saving, faults, prediction
from plants import CELLS, Plant, PlantError, plants, read

PLANTED = "import time\nfor step in range(3):\n    time.sleep(1)  # <- here\n"


def plant(**expected: Any) -> Plant:
    known: dict[str, Any] = {"verdict": ("cpu_bound",), "cause": ("sleep",), "finds": ("sleep",), **expected}
    return Plant(1, "one", "One", "", {"planted": PLANTED}, **known)


def line(number: int) -> dict[str, Any]:
    return {"file": "<cell>", "line": number, "text": ""}


def cause(kind: str, ns: int, number: int) -> dict[str, Any]:
    return {"cause": kind, "ns": ns, "share": ns / 100, "line": line(number), "thread": "", "detail": "", "count": 0}


def summary() -> dict[str, Any]:
    """Of a cell without a GPU that slept for 90 of 100 ns on line 4."""
    finding = {"id": "sleep", "title": "", "evidence": "", "line": line(4), "saving": {"low_ns": 45, "high_ns": 90}}
    return {
        "wall_ns": 100,
        "verdict": {
            "class": "cpu_bound",
            "leaning": "cpu_bound",
            "top_cause": "sleep",
            "line": line(4),
            "confidence": 0.9,
            "sentence": "It slept.",
            "evidence_why": "",
        },
        "host": {"causes": [cause("sleep", 90, 4), cause("python", 10, 3)]},
        "idle": {"causes": [], "total_ns": 0},
        "devices": [],
        "whatif": [],
        "findings": [finding],
        "notes": [],
        "losses": [],
    }


def test_a_right_report_has_no_fault() -> None:
    assert faults(plant(), summary()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: s["verdict"].update({"class": "gpu_bound"}), "the verdict is gpu_bound, not cpu_bound"),
        (lambda s: s["verdict"].update(top_cause="gil_wait"), "the cause is gil_wait on line 4, not sleep"),
        (lambda s: s["verdict"].update(line=line(3)), "the line is 3, not 4"),
        (lambda s: s["findings"].clear(), "there is no finding sleep"),
        (lambda s: s["findings"][0].update(line=line(3)), "the finding sleep is on line 3"),
        (lambda s: s.update(wall_ns=101), "the causes of the host time sum to 100 ns, not 101 ns"),
        (lambda s: s["idle"].update(total_ns=1), "the causes of the idle time sum to 0 ns, not 1 ns"),
    ],
)
def test_each_thing_that_may_be_wrong_is_a_fault(change: Any, fault: str) -> None:
    changed = summary()
    change(changed)
    assert faults(plant(), changed) == [fault]


def test_what_must_not_be_said_and_what_must() -> None:
    assert faults(plant(never=("sleep",)), summary()) == ["there is the finding sleep"]
    assert faults(plant(says="slept"), summary()) == []
    assert faults(plant(says="captured"), summary()) == ["nothing says 'captured'"]
    assert faults(plant(share=0.95), summary()) == ["the cause on its line has 90% of what is known, not 95%"]
    assert faults(plant(blames=("holder",)), summary()) == ["of whom to blame it says ' ', not holder"]


def test_other_work_on_the_machine_is_left_out_unless_it_is_the_plant() -> None:
    busy = summary()
    busy["verdict"].update(top_cause="preempted", line=line(3))
    busy["host"]["causes"] = [cause("preempted", 60, 3), cause("sleep", 40, 4)]
    assert faults(plant(), busy) == []
    assert faults(plant(cause=("preempted",)), busy) == ["the line is 3, not 4"]


def test_the_line_of_a_cell_that_the_gpu_bounds_is_that_of_its_kernels() -> None:
    kernels = summary()
    kernels["verdict"].update({"class": "gpu_bound", "leaning": "gpu_bound"})
    kernels["devices"] = [
        {
            "busy_ns": 95,
            "carry_in_ns": 0,
            "cell_idle_ns": 5,
            "top_kernels": [{"ns": 1, "line": line(2)}, {"ns": 94, "line": line(4)}],
        }
    ]
    expected = plant(verdict=("gpu_bound",), cause=(), finds=())
    assert faults(expected, kernels) == []
    kernels["devices"][0]["top_kernels"][0]["ns"] = 95
    assert faults(expected, kernels) == ["the line is 2, not 4"]


def test_the_expected_finding_predicts_before_the_line_and_the_line_before_a_what_if() -> None:
    told = summary()
    told["whatif"] = [{"change": "remove it on line 4 (`x`)", "low_ns": 20, "high_ns": 70, "now_ns": 100}]
    assert prediction(plant(), told) == Saving(45, 90)
    told["findings"][0]["id"] = "other"
    assert prediction(plant(), told) == Saving(45, 90)
    told["findings"].clear()
    assert prediction(plant(), told) == Saving(30, 80)
    told["whatif"][0]["change"] = "remove it on line 42"
    assert prediction(plant(), told) is None


def test_a_range_is_missed_by_the_distance_to_its_nearer_end() -> None:
    assert [Saving(10, 20).miss(measured) for measured in (4, 10, 15, 20, 27)] == [6, 0, 0, 0, 7]


def test_the_calibration_error_is_the_mean_distance_of_confidence_and_truth() -> None:
    sure = [Claim(0.95, True)] * 3 + [Claim(0.95, False)]
    assert calibration_error(sure) == pytest.approx(0.2)
    half = [Claim(0.55, True), Claim(0.55, False)]
    assert calibration_error(sure + half) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert calibration_error([Claim(1.0, True)]) == 0
    with pytest.raises(ValueError, match="nothing was claimed"):
        calibration_error([])


def test_a_verdict_that_is_withheld_claims_what_it_leans_to() -> None:
    assert claim("unknown", "gpu_bound", 0.3, ("gpu_bound",)) == Claim(0.3, True)
    assert claim("cpu_bound", "cpu_bound", 0.9, ("gpu_bound",)) == Claim(0.9, False)
    assert claim("unknown", "unknown", 0.1, ("gpu_bound",)) is None
    assert claim("unknown", "cpu_bound", 0.1, ("cpu_bound", "unknown")) is None


def test_the_diagram_has_a_bar_for_each_bin_that_is_not_empty() -> None:
    assert diagram([Claim(0.95, True), Claim(0.95, False), Claim(0.3, False)]).count("<circle") == 2


def test_all_plants_are_there_and_their_cells_are_python() -> None:
    found = plants()
    assert [one.number for one in found] == list(range(1, 28))
    for one in found:
        for source in (one.shared, *one.cells.values()):
            compile(source, one.name, "exec")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# %% setup\nx = 1\n", "stands where it does not belong"),
        ("# %% [markdown]\n# ## 1. One\n# - name: one\n", "has no name or no planted cell"),
        ("# %% [markdown]\n# ## 1. One\n# - name: one\n# - colour: red\n# %% planted\nx = 1\n", "has a key 'colour'"),
        ("# %% [markdown]\n# ## 1. One\n# - name: one\n# %% planted\nx = 1\n", "expects no verdict"),
        (
            "# %% [markdown]\n# ## 1. One\n# - name: one\n# - verdict: balanced\n# - cause: gc\n# %% planted\nx = 1\n",
            "marks no line",
        ),
    ],
)
def test_a_file_that_is_wrong_says_how(tmp_path: Any, text: str, why: str) -> None:
    path = tmp_path / "cells.py"
    path.write_text(text)
    with pytest.raises(PlantError, match=why):
        read(path)


def test_the_order_of_the_notebook_names_every_file() -> None:
    from publish import ORDER

    assert sorted(ORDER) == sorted(path.stem for path in CELLS.glob("*.py"))
