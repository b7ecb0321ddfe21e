"""Runs the benchmarks, keeps their numbers in bench/results, and writes the table bench/README.md.

python bench/all.py [--peers] [NAME... | --table]

With ``--table`` nothing is run: the table is written anew from what is in bench/results. With ``--peers`` a benchmark
that can measure other tools beside InferScope, which it installs for itself, does so.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from record import Measure

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results"
NOT_BENCHMARKS = {"all", "gpu_session", "kernel", "kineto_peers", "kineto_traces", "quiet", "record"}
TAKE_PEERS = {"import_kineto"}
# Left out of a run of all where there is no GPU.
NEED_GPU = {
    "gpu_capture_kinds",
    "gpu_carry_in",
    "gpu_governor",
    "gpu_graph_storm",
    "gpu_kernel_death",
    "gpu_launch_cost",
    "gpu_models",
    "gpu_report_time",
    "known_answers",
}

HEADER = """# Benchmarks

`make bench` runs all of these, `make bench BENCH=NAME` one, and writes this table; `bench/results/NAME.json` has the
notes of each number. A ratio is taken in one run, pair by pair, in alternating order, so that it holds on a machine
whose speed drifts.
"""


def benchmarks() -> dict[str, list[str]]:
    """The command of every benchmark by its name."""
    found = {path.stem: [sys.executable, str(path)] for path in BENCH.glob("*.py") if path.stem not in NOT_BENCHMARKS}
    found |= {path.parent.name: [str(path)] for path in BENCH.glob("*/run") if os.access(path, os.X_OK)}
    return dict(sorted(found.items()))


def machine() -> dict[str, str]:
    """What the numbers were taken on; nothing that names a host."""
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]) / 2**20
    go = "none"
    if shutil.which("go"):
        go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    gpu = ""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        gpu = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return {
        "processor": f"{os.cpu_count()} x {processor}",
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "go": go.removeprefix("go"),
        "user": "root" if os.geteuid() == 0 else "unprivileged",
    } | ({"gpu": gpu} if gpu else {})


def run(name: str, command: list[str]) -> dict[str, Any]:
    """Runs one benchmark and returns its record.

    Raises:
        RuntimeError: It failed, or printed no number.
    """
    print(f"== {name}", file=sys.stderr, flush=True)
    measures = []
    with subprocess.Popen(command, cwd=BENCH.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                measures.append(Measure(**json.loads(line)))
                print(f"   {sentence(measures[-1])}", file=sys.stderr, flush=True)
    if process.returncode != 0:
        raise RuntimeError(f"{name} exited with {process.returncode}")
    if not measures:
        raise RuntimeError(f"{name} printed no number")
    return record_of(name, measures)


def record_of(name: str, measures: list[Measure]) -> dict[str, Any]:
    """What is kept of a benchmark: its numbers, when and on what they were taken."""
    return {
        "name": name,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": machine(),
        "measures": [{**asdict(measure), "within": measure.within()} for measure in measures],
    }


def verdict(measure: Measure) -> str:
    """The budget in words: kept, missed, or none."""
    return {None: "", True: f"(budget {measure.budget}: kept)", False: f"(budget {measure.budget}: MISSED)"}[
        measure.within()
    ]


def sentence(measure: Measure) -> str:
    """One number as it is read, with its budget."""
    return f"{measure.what}: {measure.value:.4g} {measure.unit} {verdict(measure)}".rstrip()


def table() -> str:
    """The table over everything in bench/results."""
    records = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    machines: dict[str, int] = {}
    rows = ["| benchmark | measured | value | budget | kept | taken on |", "|---|---|---|---|---|---|"]
    for record in records:
        text = ", ".join(f"{key} {value}" for key, value in record["machine"].items())
        letter = chr(ord("A") + machines.setdefault(text, len(machines)))
        for measure in record["measures"]:
            kept = {None: "", True: "yes", False: "**no**"}[measure["within"]]
            rows.append(
                f"| {record['name']} | {measure['what']} | {measure['value']:.4g} {measure['unit']} "
                f"| {measure['budget']} | {kept} | {letter}, {record['date']} |"
            )
    where = [f"- {chr(ord('A') + number)}: {text}" for text, number in machines.items()]
    return "\n".join([HEADER, *rows, "", *where, ""])


def main() -> int:
    """Runs the benchmarks named on the command line, or all; 1 when one failed or missed a budget."""
    if sys.argv[1:] == ["--table"]:
        (BENCH / "README.md").write_text(table())
        return 0
    available = benchmarks()
    left_out = set() if any(Path("/dev").glob("nvidia[0-9]*")) else NEED_GPU
    words = [word for word in sys.argv[1:] if word != "--peers"]
    peers = TAKE_PEERS if "--peers" in sys.argv[1:] else set()
    chosen = words or [name for name in available if name not in left_out]
    unknown = [name for name in chosen if name not in available]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(available)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    wrong = []
    for name in chosen:
        try:
            record = run(name, available[name] + ["--peers"] * (name in peers))
        except (RuntimeError, ValueError, TypeError) as error:
            wrong.append(str(error))
            continue
        wrong += [
            f"{name}: {measure['what']} misses its budget"
            for measure in record["measures"]
            if measure["within"] is False
        ]
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    (BENCH / "README.md").write_text(table())
    for sentence in wrong:
        print(f"bench: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
