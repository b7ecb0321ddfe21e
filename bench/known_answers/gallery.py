"""The gallery: a page for each plant with the report that is given of its trace, and the page that lists them."""

from __future__ import annotations

import difflib
import json
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge import Saving, prediction, top
from page import seconds
from plants import MARK, Plant

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "ipython_ext"))

from native import BuildError, build_sidecar  # noqa: E402

__all__ = ["BuildError", "gallery"]

TRACES = Path(__file__).resolve().parent / "traces"
PICTURES = ROOT / "docs/images/gallery"
# A kept trace of less than this part of the shortest run is one with fewer steps.
FEWER_STEPS = 0.8

NOTE = "<!-- Generated from bench/known_answers by publish.py; edit the cells or the report's code instead. -->"
INDEX = """# Gallery

{note}

One cell for each thing that makes cells slow, with the report that InferScope gives of it. The slowness is planted, so
that what is true is known. They ran on {gpu}, with PyTorch {torch}, CuPy {cupy} and JAX {jax}; for most the same cell
ran without its cause as well. [Known answers](known-answers.md) says how often the reports were right.

A page has the cell, the report as InferScope writes it in Markdown, and the repair with what it saved. The Markdown is
`inferscope.last().markdown`, or `inferscope analyze --last --format md`: it can be pasted into an issue or a pull
request as it is. In a notebook the same report has a timeline. [How to read it](reading-the-report.md).

{pictures}

| | cell | what its report says first | line | predicted | saved |
|--:|---|---|--:|---|---|
{rows}

*predicted*: what the reports of the runs said that the repair would save; *saved*: what it did save, unprofiled and in
turn. A prediction without a lower end is a bound: the work of a GPU that is captured in windows cannot be replayed.
"""


@dataclass(frozen=True)
class Shown:
    """What is shown of one plant.

    Attributes:
        plant: The plant.
        record: What the suite measured of it, as ``known_answers.json`` has it.
        markdown: The report about its trace.
        summary: The same as JSON.
    """

    plant: Plant
    record: dict[str, Any]
    markdown: str
    summary: dict[str, Any]

    @property
    def file(self) -> str:
        """The name of its page."""
        return f"{self.plant.number:02}-{self.plant.name.replace('_', '-')}.md"


def gallery(plants: list[Plant], results: dict[str, Any]) -> dict[Path, str]:
    """Every file of the gallery with its content: the index, a page for each plant, and which finding is seen where."""
    records = {record["name"]: record for record in results["plants"]}
    shown = list(_reports(sorted(plants, key=lambda one: one.number), records))
    folder = ROOT / "docs/gallery"
    findings: dict[str, list[dict[str, str]]] = {}
    for one in shown:
        for name in _findings(one):
            findings.setdefault(name, []).append({"title": one.plant.title, "page": one.file})
    pages = {folder / one.file: _page(one, before, after) for before, one, after in _with_neighbours(shown)}
    return {
        ROOT / "docs/gallery.md": _index(shown, results),
        folder / "findings.json": json.dumps(dict(sorted(findings.items())), indent=1) + "\n",
        **pages,
    }


def _findings(one: Shown) -> list[str]:
    """The ids of its report's findings, each once."""
    return list(dict.fromkeys(finding["id"] for finding in one.summary["findings"]))


def _with_neighbours(shown: list[Shown]) -> Iterator[tuple[Shown | None, Shown, Shown | None]]:
    for at, one in enumerate(shown):
        yield (shown[at - 1] if at else None), one, (shown[at + 1] if at + 1 < len(shown) else None)


def _reports(plants: list[Plant], records: dict[str, Any]) -> Iterator[Shown]:
    """What today's analysis says of each kept trace."""
    with tempfile.TemporaryDirectory(prefix="gallery-") as scratch:
        sidecar = Path(scratch) / "inferscope-sidecar"
        build_sidecar(sidecar)
        # Neither the user's configuration, whose rules are findings, nor a project's has a part in the pages.
        neutral = {name: value for name, value in os.environ.items() if not name.startswith("INFERSCOPE_")}
        neutral["XDG_CONFIG_HOME"] = scratch
        for plant in plants:
            path = TRACES / f"{plant.name}.tar.gz"
            if not path.exists():
                continue
            with tarfile.open(path) as archive:
                archive.extractall(Path(scratch) / plant.name, filter="data")
            trace = str(Path(scratch) / plant.name / "trace.inferscope")

            def report(form: str, trace: str = trace) -> str:
                command = [str(sidecar), "analyze", trace, "--format", form]
                done = subprocess.run(command, cwd=scratch, env=neutral, capture_output=True, check=True, text=True)
                return done.stdout

            yield Shown(plant, records[plant.name], report("md"), json.loads(report("json")))


def _index(shown: list[Shown], results: dict[str, Any]) -> str:
    rows = []
    for one in shown:
        predicted, saved = _saving(one.record)
        line = top(one.plant, one.summary)["line"]
        cells = [
            str(one.plant.number),
            f"[{one.plant.title}](gallery/{one.file})",
            _sentence(one).replace("|", "\\|"),
            str(line or ""),
            predicted,
            saved,
        ]
        rows.append("| " + " | ".join(cells) + " |")
    pictured = [one for one in shown if _picture(one)]
    return INDEX.format(
        note=NOTE,
        gpu="an " + results["machine"]["gpu"].split(",")[0],
        rows="\n".join(rows),
        pictures="\n".join(_pictures(pictured)),
        **results["versions"],
    )


def _picture(one: Shown) -> Path | None:
    """The picture of its timeline; None where none was taken."""
    path = PICTURES / f"{one.plant.name}.png"
    return path if path.exists() else None


def _pictures(shown: list[Shown]) -> Iterator[str]:
    """The pictures two by two."""
    for at in range(0, len(shown), 2):
        two = shown[at : at + 2]
        yield "| " + " | ".join(f"[{one.plant.title}](gallery/{one.file})" for one in two) + " |"
        yield "|" + "---|" * len(two)
        yield "| " + " | ".join(f"![Its timeline](images/gallery/{one.plant.name}.png)" for one in two) + " |\n"


def _sentence(one: Shown) -> str:
    """The verdict's sentence, in Markdown, without the mark behind the line to blame, or what was left of it."""
    first = one.markdown.splitlines()[0].strip().removeprefix("**").removesuffix("**")
    marks = "|".join(re.escape(MARK[:length] + "…") for length in range(1, len(MARK)))
    return re.sub(rf" ?(?:{re.escape(MARK)}|{marks})`", "`", first)


def _saving(record: dict[str, Any]) -> tuple[str, str]:
    if not record["saving"]:
        return "", "nothing to repair"
    measured, predicted = record["saving"]["measured_ns"], record["saving"]["predicted_ns"]
    wall = statistics.median(record["plain_ns"])
    return _range(Saving(*predicted) if predicted else None), f"{seconds(measured)} of {seconds(wall)}"


def _page(one: Shown, before: Shown | None, after: Shown | None) -> str:
    plant = one.plant
    ways = ["[Gallery](../gallery.md)"]
    ways += [f"before: [{before.plant.title}]({before.file})"] if before else []
    ways += [f"next: [{after.plant.title}]({after.file})"] if after else []
    parts = [f"# {plant.number}. {plant.title}", NOTE, " · ".join(ways), plant.prose, "## The cell", _planted(plant)]
    parts += [_code(plant.profiled), *_around(plant), "## The report", _said_of(one)]
    if picture := _picture(one):
        parts.append(f"Some steps of its timeline, in a notebook:\n\n![The timeline](../images/gallery/{picture.name})")
    parts += ["---", one.markdown.strip(), "---", "## The repair", *_repair(one)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _code(source: str) -> str:
    return f"```python\n{source}\n```"


def _planted(plant: Plant) -> str:
    """What the report has to say, in a sentence or two."""
    lines = " or ".join(f"line {line}" for line in plant.lines)
    verdict = " or ".join(f"`{one}`" for one in plant.verdict)
    said = [f"A right report gives the verdict {verdict}"]
    if plant.cause:
        said.append(f"names `{'` or `'.join(plant.cause)}` on {lines} as the cause")
    elif lines:
        said.append(f"names {lines}")
    if plant.finds:
        said.append("finds " + " and ".join(f"[{one}](../findings/{one}.md)" for one in plant.finds))
    if plant.says:
        said.append(f"says \u201c{plant.says}\u201d")
    text = said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]
    if plant.never:
        text += "; it must not find " + ", ".join(f"[{one}](../findings/{one}.md)" for one in plant.never)
    return text + "." + (f" The mark `{MARK}` shows where." if plant.lines else "")


def _around(plant: Plant) -> list[str]:
    """What runs unprofiled before the cell, folded."""
    sources = [plant.shared, plant.cells.get("setup", ""), plant.cells.get("before", "")]
    source = "\n\n".join(text for text in sources if text)
    if not source:
        return []
    return [f"<details><summary>what runs before it, unprofiled</summary>\n\n{_code(source)}\n\n</details>"]


def _said_of(one: Shown) -> str:
    """Of which run the report is, and how the other runs were told."""
    record = one.record
    text = "Of a run whose trace is kept, by today's analysis."
    if one.summary["wall_ns"] < FEWER_STEPS * min(report["wall_ns"] for report in record["reports"]):
        usual = statistics.median(report["wall_ns"] for report in record["reports"])
        text = (
            "Of a run with fewer steps, whose trace is small enough to be kept, by today's analysis; the cell above "
            f"takes {seconds(usual)}, and the report of so long a run may cover the GPU's work in windows."
        )
    right = sum(not report["faults"] for report in record["reports"])
    text += f" In the suite's run {right} of {len(record['reports'])} reports were right"
    text += "; in the others, " + "; ".join(record["faults"]) + "." if record["faults"] else "."
    if one.summary["findings"]:
        text += " Its findings: " + ", ".join(f"[{name}](../findings/{name}.md)" for name in _findings(one)) + "."
    return text


def _repair(one: Shown) -> Iterator[str]:
    plant, record = one.plant, one.record
    if not plant.repaired:
        yield "None: there is nothing to repair, and the report should say so."
        return
    planted = [line.replace(f"  {MARK}", "") for line in plant.planted.splitlines()]
    repaired = plant.repaired.splitlines()
    old, new = _with_before(plant, "before", planted), _with_before(plant, "before repaired", repaired)
    lines = list(difflib.unified_diff(old, new, lineterm="", n=max(len(old), len(new))))[3:]
    yield "```diff\n" + "\n".join(line.rstrip() for line in lines) + "\n```"
    runs = len(record["plain_ns"])
    before, after = statistics.median(record["plain_ns"]), statistics.median(record["plain_repaired_ns"])
    said = record["saving"]["predicted_ns"]
    mine = prediction(plant, one.summary)
    yield "\n".join(
        [
            "| | time |",
            "|---|--:|",
            f"| the cell, unprofiled (median of {runs}) | {seconds(before)} |",
            f"| repaired, in turn with it | {seconds(after)} |",
            f"| **saved** | **{seconds(before - after)}** |",
            f"| predicted by the reports of these runs | {_range(Saving(*said) if said else None)} |",
            f"| predicted by the report above, of {seconds(one.summary['wall_ns'])} | {_range(mine)} |",
        ]
    )


def _range(saving: Saving | None) -> str:
    if saving is None:
        return "nothing"
    return f"{seconds(saving.low)} to {seconds(saving.high)}" if saving.low > 0 else f"up to {seconds(saving.high)}"


def _with_before(plant: Plant, kind: str, lines: list[str]) -> list[str]:
    """The cell's lines, behind those of the cell before it where that belongs to what is repaired."""
    first = plant.cells.get(kind, "") if "before repaired" in plant.cells else ""
    return [*(["# the cell before", *first.splitlines(), "# this cell"] if first else []), *lines]
