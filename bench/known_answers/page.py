"""docs/known-answers.md: what the last run of the suite showed, as a page and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calibration import calibration_error, claims_of
from judge import NEAR

HEADER = """# Known answers

Generated from `bench/known_answers` by `python3 bench/known_answers/publish.py`.

Each of these cells is slow for a reason that is known, because it was planted, and for most there is the same cell
without it. The suite runs both on a GPU, profiled and unprofiled in turn, and compares what the report says with what
is true: the verdict, the cause, the line, and what the repair would save. The cells are written in
`bench/known_answers/cells`; [the notebook](../bench/known_answers/known_answers.ipynb) has them to be run one by one,
and [the gallery](gallery.md) shows each with its report.
"""


CALIBRATION = """\
A verdict with a confidence of 0.9 should be right nine times out of ten. Bars: how often the verdicts of a tenth were
right, and how many there were; points: their mean confidence. A verdict that is withheld counts for the class that it
leans to, unless withholding it is right.

![Confidence against truth](images/known-answers-calibration.svg)"""


def seconds(ns: float) -> str:
    """A time for a table."""
    if abs(ns) < 0.9995e9:
        return f"{ns / 1e6:.{0 if abs(ns) >= 9.95e6 else 1}f} ms"
    return f"{ns / 1e9:.2f} s"


def _said(record: dict[str, Any]) -> tuple[str, str, str]:
    """Verdict, cause and line that most reports gave, and the confidence."""
    if not record["reports"]:
        return "", "", ""
    report = record["reports"][-1]
    verdicts = "/".join(dict.fromkeys(one["verdict"] for one in record["reports"]))
    line = f"line {report['line']}" if report["line"] else ""
    where = ", ".join(word for word in (report["cause"], line) if word)
    confidence = f"{report['confidence']:.2f}"
    return verdicts, where, confidence


def _saving(record: dict[str, Any]) -> tuple[str, str, str]:
    """Measured saving, predicted range, and whether the one came as the other said."""
    saving = record["saving"]
    if not saving:
        return "", "", ""
    predicted = saving["predicted_ns"]
    ranged = f"{seconds(predicted[0])} to {seconds(predicted[1])}" if predicted else "none"
    if not saving["sign_right"]:
        came = "wrong sign"
    elif saving["miss_share"] == 0:
        came = "within"
    else:
        came = f"{saving['miss_share']:.0%} of the wall beside" + ("" if saving["miss_share"] <= NEAR else ", too far")
    return seconds(saving["measured_ns"]), ranged, came


def _rows(records: Iterable[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for record in records:
        verdicts, where, confidence = _said(record)
        wall = sorted(record["plain_ns"])[len(record["plain_ns"]) // 2] if record["plain_ns"] else 0
        right = sum(not one["faults"] for one in record["reports"])
        rows.append(
            [
                str(record["number"]),
                record["title"],
                seconds(wall) if wall else "",
                verdicts,
                where,
                confidence,
                *_saving(record),
                f"{right} of {len(record['reports'])}",
            ]
        )
    return rows


def line(record: dict[str, Any]) -> dict[str, Any]:
    """The result of one plant in short."""
    report = record["reports"][-1] if record["reports"] else {}
    keys = ("verdict", "cause", "line", "confidence", "evidence", "margin", "quality")
    said = {key: round(report[key], 3) if isinstance(report[key], float) else report[key] for key in keys if report}
    short = {key: record[key] for key in ("number", "name", "passed", "faults", "expected", "saving")}
    return {**short, "said": said}


HEADINGS = ["", "cell", "takes", "verdict", "cause", "confidence", "repair saves", "predicted", "came", "reports right"]


def table(records: Iterable[dict[str, Any]]) -> str:
    """The results for a terminal, and below what was wrong."""
    records = list(records)
    rows = [HEADINGS, *_rows(records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for record in records:
        lines += [f"{record['number']} {record['name']}: {fault}" for fault in record["faults"]]
    return "\n".join(lines)


def page(kept: dict[str, Any]) -> str:
    """The page of one run's results, as ``known_answers.json`` has them."""
    records = kept["plants"]
    lines = [HEADER]
    machine = ", ".join(f"{key} {value}" for key, value in kept["machine"].items())
    versions = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    lines.append(f"Run on {kept['date']}: {machine}{'; ' if versions else ''}{versions}.\n")
    right = sum(record["passed"] for record in records)
    lines.append(f"- {right} of {len(records)} cells are told right in every report.")
    savings = [record["saving"] for record in records if record["saving"]]
    if savings:
        near = sum(saving["miss_share"] <= NEAR for saving in savings)
        signs = sum(saving["sign_right"] for saving in savings)
        lines.append(
            f"- {near} of {len(savings)} repairs saved what was predicted, or within {NEAR:.0%} of the cell's time "
            f"of it; {signs} of {len(savings)} have the sign that was predicted."
        )
    if claims := claims_of(kept):
        error, traces = calibration_error(claims), len(kept.get("traces", []))
        lines.append(
            f"- The expected calibration error of the confidence is {error:.3f}, over {len(claims)} verdicts"
            + (f", those about {traces} traces of other tools among them." if traces else ".")
        )
    lines += ["", "| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(records)]
    wrong = [(record, fault) for record in records for fault in record["faults"]]
    if wrong:
        lines += ["", "## What was wrong", ""]
        lines += [f"- {record['number']}. {record['title']}: {fault}." for record, fault in wrong]
    lines += ["", "## Confidence", "", CALIBRATION]
    return "\n".join(lines) + "\n"
