"""Writes what is kept of the suite: the notebook of its cells, the page of its results, the gallery, and fixtures.

python3 bench/known_answers/publish.py [KNOWN-ANSWERS.TAR.GZ] [--traces DIRECTORY]

Without a file the notebook, docs/known-answers.md and the gallery are made anew from the cells, the results and the
traces that are there; the gallery's reports come from a sidecar that is built for them. A
file that the suite left replaces these results, and the traces of the plants that were told right. With ``--traces``
the verdicts about other tools' traces with an ``expected.json`` count for the calibration as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from calibration import claims_of, diagram
from gallery import BuildError, gallery
from notebook import notebook
from page import page
from plants import CELLS, read

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

RESULTS = HERE / "known_answers.json"
TRACES = HERE / "traces"
SIDECAR = ROOT / "ipython_ext/inferscope/_bin/inferscope-sidecar"
# The files of cells in the order of the notebook.
ORDER = ("host", "launches", "copies", "loaders", "arrays", "first_use")
# What is kept of a report; the rest is in the file that the suite left.
KEPT = (
    "verdict",
    "leaning",
    "cause",
    "line",
    "confidence",
    "evidence",
    "margin",
    "quality",
    "wall_ns",
    "predicted_ns",
    "faults",
)


def generated(results: dict[str, Any]) -> dict[Path, str]:
    """Every generated file with its content."""
    shown = [plant for name in ORDER for plant in _read(name)]
    return {
        HERE / "known_answers.ipynb": notebook(shown),
        ROOT / "docs/known-answers.md": page(results),
        ROOT / "docs/images/known-answers-calibration.svg": diagram(claims_of(results)),
        **gallery(shown, results),
    }


def _read(name: str) -> list[Any]:
    return read(CELLS / f"{name}.py")


def take(packed: Path) -> dict[str, Any]:
    """The results of a run of the suite, without what is not kept; its traces become the fixtures."""
    with tarfile.open(packed) as archive:

        def content(name: str) -> bytes:
            member = archive.extractfile(f"known-answers/{name}")
            assert member is not None
            return member.read()

        results: dict[str, Any] = json.loads(content("known_answers.json"))
        TRACES.mkdir(exist_ok=True)
        for plant in results["plants"]:
            if plant["passed"]:
                (TRACES / f"{plant['name']}.tar.gz").write_bytes(content(f"traces/{plant['name']}.tar.gz"))
            plant["reports"] = [_slim(report) for report in plant["reports"]]
            plant["repaired"] = [_slim(report) for report in plant["repaired"]]
    return results


def _slim(report: dict[str, Any]) -> dict[str, Any]:
    return {key: round(report[key], 4) if isinstance(report[key], float) else report[key] for key in KEPT}


def of_traces(folder: Path) -> list[dict[str, Any]]:
    """What is said of other tools' traces, with the verdicts that are true of them."""
    found = []
    for name, known in json.loads((folder / "expected.json").read_text()).items():
        if accept := known.get("verdict", {}).get("accept"):
            command = [str(SIDECAR), "analyze", str(folder / name), "--format", "json"]
            verdict = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["verdict"]
            kept = {key: verdict[key] for key in ("leaning", "confidence")}
            found.append({"name": name, "verdict": verdict["class"], **kept, "expected": accept})
    return found


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Write what is kept of the suite of known answers.")
    parser.add_argument("packed", nargs="?", type=Path, help="what the suite left: known-answers.tar.gz")
    parser.add_argument("--traces", type=Path, help="other tools' traces with an expected.json")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    before = results.get("traces", []) if results else []
    if arguments.packed:
        results = {**take(arguments.packed), "traces": before}
    if results is None:
        parser.error(f"there are no results in {RESULTS.name} yet: name what the suite left")
    if arguments.traces:
        results["traces"] = of_traces(arguments.traces)
    if arguments.packed or arguments.traces:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    try:
        pages = generated(results)
    except BuildError as error:
        parser.exit(1, f"publish: {error}\n")
    for old in set((ROOT / "docs/gallery").glob("*")) - pages.keys():
        old.unlink()
    for path, text in pages.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
