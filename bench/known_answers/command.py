"""The benchmark's command line, and what it leaves behind."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

import page
from all import record_of
from calibration import calibration_error, of_records
from judge import NEAR
from plants import plants
from record import measure, say
from suite import Outcome, Suite, scratch

SECONDS = 390.0
FRAMEWORKS = {"torch": ("torch",), "cupy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"), "jax": ("jax",)}
NAME = "known_answers"


def main(described: str) -> int:
    """Runs the suite; 1 when a plant could not be run."""
    parser = argparse.ArgumentParser(description=described.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="what all of it may take")
    parser.add_argument("--only", default="", help="names or numbers of plants, with commas between")
    arguments = parser.parse_args()
    out = Path(os.environ.get("OUT", "gpu-session")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # kernels are ended and what they kept is removed
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    versions = {name: found for name, names in FRAMEWORKS.items() if (found := _version(names))}
    only = {word.strip() for word in arguments.only.split(",") if word.strip()}
    chosen = [
        plant
        for plant in plants()
        if (not plant.needs or (gpu and plant.needs in versions))
        and (not only or only & {plant.name, str(plant.number)})
    ]
    gpu = gpu and "torch" in versions
    records: list[dict[str, Any]] = []
    with scratch() as folder:
        _isolate(Path(folder))
        keep = Path(folder) / NAME
        suite = Suite(keep, arguments.seconds, say)

        def each(outcome: Outcome) -> None:
            records.append(outcome.record())
            say(json.dumps(page.line(records[-1])))
            _write(out, keep, records, versions)

        outcomes = suite.run(chosen, gpu, each)
    say(page.table(sorted(records, key=lambda one: one["number"])))
    _measure(outcomes, records)
    return int(any(outcome.failed for outcome in outcomes))


def _isolate(folder: Path) -> None:
    """Keeps the user's configuration and history out, and ours out of them.

    The kernels import a copy of the package: the traces that are kept name its files, and shall not name the folder of
    whoever ran the suite.
    """
    found = importlib.util.find_spec("inferscope")
    if found is None or found.origin is None:
        raise SystemExit("known_answers: the package inferscope cannot be imported; set PYTHONPATH")
    shutil.copytree(Path(found.origin).parent, folder / "site/inferscope", ignore=shutil.ignore_patterns("__pycache__"))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(folder / "home")
    for name in [name for name in os.environ if name.startswith("INFERSCOPE_")]:
        del os.environ[name]


def _version(names: tuple[str, ...]) -> str:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _write(out: Path, keep: Path, records: list[dict[str, Any]], versions: dict[str, str]) -> None:
    """Packs everything that there is by now: a session may be stopped at any time."""
    kept = {**record_of(NAME, []), "versions": versions, "plants": sorted(records, key=lambda one: one["number"])}
    del kept["measures"]
    (keep / f"{NAME}.json").write_text(json.dumps(kept, indent=1) + "\n")
    (keep / "known-answers.md").write_text(page.page(kept))
    with tarfile.open(out / "known-answers.tar.gz", "w:gz") as archive:
        archive.add(keep, arcname="known-answers")


def _measure(outcomes: list[Outcome], records: list[dict[str, Any]]) -> None:
    if not outcomes:
        raise SystemExit("known_answers: no plant can run here")
    wrong = [f"{outcome.plant.name}: {'; '.join(outcome.faults)}" for outcome in outcomes if not outcome.passed]
    measure(
        "plants that are told right", _part(outcome.passed for outcome in outcomes), "ratio", ">= 1", "; ".join(wrong)
    )
    savings = [one["saving"] for one in records if one["saving"]]
    if savings:
        near = (
            f"of {len(savings)} plants with a repair; within the predicted range, or {NEAR:.0%} of the wall beside it"
        )
        measure(
            "savings that came as predicted",
            _part(one["miss_share"] <= NEAR for one in savings),
            "ratio",
            ">= 0.8",
            near,
        )
        measure("savings whose sign is right", _part(one["sign_right"] for one in savings), "ratio", ">= 1", near)
    if claims := of_records(records):
        note = f"of {len(claims)} verdicts, in bins of a tenth"
        measure("expected calibration error of the confidence", calibration_error(claims), "ratio", "<= 0.1", note)


def _part(values: Any) -> float:
    values = list(values)
    return sum(map(bool, values)) / len(values)
