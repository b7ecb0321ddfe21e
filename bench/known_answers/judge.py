"""What a report should have said of a plant, and whether a prediction came true. Reads summaries, runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plants import Plant

# A prediction that misses the measured saving by no more than this part of the wall counts as right.
NEAR = 0.1
# What other work on the machine does to a cell, and what nobody saw.
_OTHERS = ("preempted", "unknown")


@dataclass(frozen=True)
class Saving:
    """What repairing the plant saves by the report, in ns."""

    low: float
    high: float

    def miss(self, measured: float) -> float:
        """How far a measured saving lies outside of the range."""
        return max(self.low - measured, measured - self.high, 0.0)


def faults(plant: Plant, summary: dict[str, Any]) -> list[str]:
    """What is wrong with the report about a plant, a sentence each; empty when it says what it should.

    Other work on the machine may take the CPU away at any time: unless that is the plant, the cause is judged on the
    rest of the time.
    """
    found = []
    verdict = summary["verdict"]
    if verdict["class"] not in plant.verdict:
        leaning = f" (leaning {verdict['leaning']})" if verdict["class"] == "unknown" else ""
        found.append(f"the verdict is {verdict['class']}{leaning}, not {' or '.join(plant.verdict)}")
    found += _cause_faults(plant, summary)
    found += _finding_faults(plant, summary["findings"])
    if plant.says and plant.says not in said(summary):
        found.append(f"nothing says {plant.says!r}")
    return found + _sum_faults(summary)


def said(summary: dict[str, Any]) -> str:
    """Everything that the report says in sentences."""
    verdict = summary["verdict"]
    return "\n".join(
        [
            verdict["sentence"],
            verdict["evidence_why"],
            *summary["notes"],
            *(loss["reason"] for loss in summary["losses"]),
            *(finding["title"] + " " + finding["evidence"] for finding in summary["findings"]),
        ]
    )


def own_work(summary: dict[str, Any]) -> bool:
    """Whether the cell gave a GPU work, so that its idle time is what counts."""
    return any(device["busy_ns"] > device["carry_in_ns"] for device in summary["devices"])


def wall(summary: dict[str, Any]) -> int:
    """The cell's time in ns, to the end of the last operation that it gave a GPU."""
    ends = [device["busy_ns"] + device["cell_idle_ns"] for device in summary["devices"]] if own_work(summary) else []
    return max([int(summary["wall_ns"]), *ends])


def top(plant: Plant, summary: dict[str, Any]) -> dict[str, Any]:
    """The cause that the report blames: its kind and line, its part of all that is known, and what is said of it.

    Of a cell that the GPU bounds it is the line of the kernels that took most of the time.
    """
    verdict = summary["verdict"]
    leaning = verdict["leaning"] or verdict["class"]
    if leaning == "gpu_bound" and own_work(summary):
        kernels = [kernel for device in summary["devices"] for kernel in device["top_kernels"]]
        first = max(kernels, key=lambda kernel: kernel["ns"], default={"line": None})
        return {"cause": "", "line": _number(first["line"]), "share": 1.0, "said": ""}
    if leaning == "memory_transfer_bound":
        return {"cause": verdict["top_cause"], "line": _number(verdict["line"]), "share": 1.0, "said": ""}
    causes = summary["idle"]["causes"] if own_work(summary) else summary["host"]["causes"]
    causes = [one for one in causes if one["cause"] in plant.cause or one["cause"] not in _OTHERS]
    kind, line = verdict["top_cause"], _number(verdict["line"])
    if kind in _OTHERS and kind not in plant.cause and causes:
        kinds = {one["cause"]: sum(other["ns"] for other in causes if other["cause"] == one["cause"]) for one in causes}
        kind = max(kinds, key=lambda name: kinds[name])
        line = next(_number(one["line"]) for one in causes if one["cause"] == kind)  # the largest comes first
    mine = [one for one in causes if one["cause"] == kind and _number(one["line"]) == line]
    share = sum(one["ns"] for one in mine) / max(sum(one["ns"] for one in causes), 1)
    words = " ".join(f"{one['thread']} {one['detail']}" for one in mine)
    return {"cause": kind, "line": line, "share": share, "said": words}


def prediction(plant: Plant, summary: dict[str, Any]) -> Saving | None:
    """What the report says that repairing the plant saves; None when it says nothing of it.

    The expected finding's saving counts, or else that of one on the marked line, or else the what-if of that line.
    """
    savings = [one for one in summary["findings"] if one["saving"]["high_ns"] > 0]
    expected = [one for one in savings if one["id"] in plant.finds]
    for one in [*expected, *(one for one in savings if _number(one["line"]) in plant.lines)]:
        return Saving(one["saving"]["low_ns"], one["saving"]["high_ns"])
    for entry in summary["whatif"]:
        if any(f"line {line} " in f"{entry['change']} " for line in plant.lines):
            return Saving(entry["now_ns"] - entry["high_ns"], entry["now_ns"] - entry["low_ns"])
    return None


def _number(line: dict[str, Any] | None) -> int:
    return int(line["line"]) if line else 0


def _cause_faults(plant: Plant, summary: dict[str, Any]) -> list[str]:
    if not plant.lines or not (plant.cause or "gpu_bound" in plant.verdict):
        return []
    found = []
    blamed = top(plant, summary)
    if plant.cause and blamed["cause"] not in plant.cause:
        found.append(f"the cause is {blamed['cause']} on line {blamed['line']}, not {' or '.join(plant.cause)}")
    elif blamed["line"] not in plant.lines:
        found.append(f"the line is {blamed['line']}, not {' or '.join(map(str, plant.lines))}")
    elif blamed["share"] < plant.share:
        found.append(f"the cause on its line has {blamed['share']:.0%} of what is known, not {plant.share:.0%}")
    if plant.blames and not any(word in blamed["said"] for word in plant.blames):
        found.append(f"of whom to blame it says {blamed['said']!r}, not {' or '.join(plant.blames)}")
    return found


def _finding_faults(plant: Plant, findings: list[dict[str, Any]]) -> list[str]:
    found = [f"there is the finding {one['id']}" for one in findings if one["id"] in plant.never]
    of = [one for one in findings if one["id"] in plant.finds]
    if plant.finds and not of:
        found.append(f"there is no finding {' or '.join(plant.finds)}")
    elif plant.finds and plant.lines and not any(_number(one["line"]) in (0, *plant.lines) for one in of):
        found.append(f"the finding {of[0]['id']} is on line {_number(of[0]['line'])}")
    return found


def _sum_faults(summary: dict[str, Any]) -> list[str]:
    found = []
    for what, causes, total in (
        ("host", summary["host"]["causes"], summary["wall_ns"]),
        ("idle", summary["idle"]["causes"], summary["idle"]["total_ns"]),
    ):
        if (of_causes := sum(one["ns"] for one in causes)) != total:
            found.append(f"the causes of the {what} time sum to {of_causes} ns, not {total} ns")
    return found
