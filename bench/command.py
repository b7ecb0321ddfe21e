"""The command: how long it takes to start, and what ``inferscope run`` costs a script.

python bench/command.py [--starts N] [--pairs N]

A start is the whole process, as a shell sees it, of the entry that an installer writes; each is taken in turn with one
of the interpreter alone. The script is the train-like cell of bench/lines_overhead.py: its own time is from its first
line to its last, imports included, and the other number is that of the whole process, with the report and the trace.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lines_overhead import CELLS
from record import alternate, estimate_ratio, measure, percentile, quartiles, say, spread

PACKAGE = Path(__file__).resolve().parents[1] / "ipython_ext"
# What pip writes for the entry of pyproject.toml.
ENTRY = "import sys\nfrom inferscope.__main__ import main\nsys.exit(main())\n"
BATCHES = 400
START_BUDGETS = {"version": 50, "--help": 150}


def script(out: Path) -> str:
    """The train-like cell as a program that writes its own time, and its CPU time, in seconds."""
    cell = CELLS["train-like"].replace("batches(20)", f"batches({BATCHES})")
    return (
        f"import time\nbegan = time.perf_counter(), time.thread_time()\n{cell}"
        f"ended = time.perf_counter(), time.thread_time()\n"
        f"open({str(out)!r}, 'w').write(f'{{ended[0] - began[0]}} {{ended[1] - began[1]}}')\n"
    )


class Times(NamedTuple):
    """Seconds that a script took: its own, of CPU time of its thread meanwhile, and of the whole process."""

    own: float
    cpu: float
    whole: float


class Bench:
    """A folder with the entry and the script, and the environment of a user who has nothing configured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entry, self.program, self.own = folder / "inferscope", folder / "train.py", folder / "own"
        self.entry.write_text(ENTRY)
        self.program.write_text(script(self.own))
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("INFERSCOPE_")}
        self._environment |= {
            "HOME": str(folder / "home"),
            "XDG_CONFIG_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "home"),
            "PYTHONPATH": str(PACKAGE),
            # The threads of a BLAS spin, and two of them want both processors of a small machine.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }

    def python(self, *words: str | Path) -> None:
        """Runs the interpreter to its end.

        Raises:
            subprocess.CalledProcessError: It failed.
        """
        subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL, check=True
        )

    def run(self, *words: str | Path) -> Times:
        """Runs the script to its end."""
        began = time.perf_counter()
        self.python(*words, self.program)
        whole = time.perf_counter() - began
        own, cpu = map(float, self.own.read_text().split())
        self.own.unlink()
        return Times(own, cpu, whole)


def starts(bench: Bench, pairs: int) -> None:
    """Measures the starts."""
    for word, budget in START_BUDGETS.items():
        say(f"inferscope {word}")
        taken = alternate(lambda: bench.python("-c", "pass"), lambda word=word: bench.python(bench.entry, word), pairs)  # type: ignore[misc]
        alone, command = ([1e3 * seconds for seconds in side] for side in zip(*taken, strict=True))
        more = statistics.median(b - a for a, b in zip(alone, command, strict=True))
        note = (
            f"median of {pairs}, {quartiles(command)}; in turn with the interpreter alone, "
            f"{statistics.median(alone):.1f} ms: {more:.1f} ms more"
        )
        measure(f"inferscope {word}, the whole process", statistics.median(command), "ms", f"<= {budget}", note)


def runs(bench: Bench, pairs: int) -> None:
    """Measures the script with and without the command."""
    say("inferscope run")
    report = bench.folder / "report.json"
    pairs_of_times = []
    for number in range(-1, pairs):
        found = {}
        for profiled in (False, True) if number % 2 else (True, False):
            found[profiled] = bench.run(*((bench.entry, "run", "-o", report) if profiled else ()))
        if number >= 0:
            pairs_of_times.append((found[False], found[True]))
    if not report.exists():
        raise SystemExit("there is no report: the script was not profiled")
    cpu = estimate_ratio([(alone.cpu, profiled.cpu) for alone, profiled in pairs_of_times])
    for what, budget, taken in (
        ("its own time", "<= 1.05", [(alone.own, profiled.own) for alone, profiled in pairs_of_times]),
        ("the whole process", "", [(alone.whole, profiled.whole) for alone, profiled in pairs_of_times]),
    ):
        ratio = estimate_ratio(taken)
        length = percentile([alone for alone, _ in taken], 50)
        note = (
            f"{ratio}; {spread(taken)}; {length:.2f} s without the command; "
            f"by CPU time of its thread {cpu.value:.3f}, {cpu}"
        )
        measure(f"inferscope run on a train-like script, {what}", ratio.value, "ratio", budget, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=40, metavar="N", help="pairs of starts for each number")
    parser.add_argument("--pairs", type=int, default=20, metavar="N", help="pairs of runs of the script")
    arguments = parser.parse_args()
    # Not "inferscope-": sidecars sweep such folders.
    with tempfile.TemporaryDirectory(prefix="bench-command-") as folder:
        bench = Bench(Path(folder))
        starts(bench, arguments.starts)
        runs(bench, arguments.pairs)


if __name__ == "__main__":
    main()
