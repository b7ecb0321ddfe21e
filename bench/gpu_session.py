"""Runs what needs a GPU, part by part, on a machine that has one and need have no network.

python bench/gpu_session.py [--wheels DIRECTORY] [--select EXPRESSION] [PART[:SECONDS]...]

A part is ``tests/NAME`` (tests/gpu/test_NAME.py; --select is pytest's -k), ``tests`` (all of these), ``notebook`` (the
notebooks that need a GPU) or the name of a benchmark that needs one; by default everything. Each has a limit of time,
and one that fails stops no other. Python packages that the machine lacks come from wheels in a directory.

The environment variable OUT names the directory of the results, ``gpu-session`` if it is not set. Afterwards it has
``session.log``, all that was printed; ``numbers.jsonl``, the benchmarks' numbers, a line each; and ``results.tar.gz``:
a log of each part, the tests' reports, the executed notebooks, and what bench/results may keep of this run. A
benchmark may leave more there: known_answers its traces and reports.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from all import BENCH, NEED_GPU, benchmarks, record_of, sentence
from record import Measure

ROOT = BENCH.parent
# The test files, by the names of their parts.
TESTS = {f"tests/{path.stem.removeprefix('test_')}": path for path in sorted((ROOT / "tests/gpu").glob("test_*.py"))}
# Seconds, for a part that names none.
TEST_SECONDS, NOTEBOOK_SECONDS, BENCHMARK_SECONDS = 360, 150, 90
KNOWN_ANSWERS_SECONDS = 420  # what it takes by itself, and the end of its last cell
INSTALL_SECONDS = 120


@dataclass(frozen=True)
class Part:
    """One thing to run, and the seconds that it may take."""

    name: str
    seconds: float


@dataclass
class Outcome:
    """What came of a part: how it ended, in words, and its numbers."""

    part: Part
    ended: str = ""
    seconds: float = 0.0
    measures: list[Measure] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether the part ran to its end; a missed budget is no failure to run."""
        return self.ended == "ok"


class Session:
    """The parts of one run, and where their output goes.

    Args:
        out: The directory of the results.
        folder: A directory for what is packed at the end of each part.
        log: Takes all that is printed.
    """

    def __init__(self, out: Path, folder: Path, log: IO[str]) -> None:
        self._out = out
        self._folder = folder
        self._log = log
        self._lock = threading.Lock()
        self._environment = dict(os.environ)

    def say(self, text: str) -> None:
        """Prints a line, and keeps it."""
        with self._lock:  # a part's two streams are read by a thread each
            print(text, flush=True)
            print(text, file=self._log, flush=True)

    def install(self, wheels: Path, target: Path) -> None:
        """Unpacks the wheels of a directory where only the parts look.

        Raises:
            RuntimeError: pip failed.
        """
        found = sorted(str(path) for path in wheels.glob("*.whl"))
        if not found:
            raise RuntimeError(f"there are no wheels in {wheels}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
        done = subprocess.run([*pip, "--target", str(target), *found], timeout=INSTALL_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"pip exited with {done.returncode}")
        self._path(target)

    def use_tree(self) -> None:
        """Lets the parts import the package of this tree, with the sidecar and the shim that were built into it."""
        self._path(ROOT / "ipython_ext")

    def run(self, part: Part, select: str) -> Outcome:
        """Runs one part and packs what there is by then."""
        self.say(f"== {part.name}, at most {part.seconds:.0f} s")
        outcome = Outcome(part)
        started = time.monotonic()
        try:
            for command, take in self._commands(part, select, outcome):
                left = part.seconds - (time.monotonic() - started)
                ended = self._command(command, part.name, left, take)
                outcome.ended = ended if outcome.ended in ("", "ok") else outcome.ended
        except OSError as error:
            outcome.ended = str(error)
        outcome.seconds = time.monotonic() - started
        if outcome.well and outcome.measures:
            self._keep(part.name, outcome.measures)
        self._pack()
        return outcome

    def _commands(
        self, part: Part, select: str, outcome: Outcome
    ) -> list[tuple[list[str], Callable[[str], None] | None]]:
        """The commands of a part, and what takes the lines of their output; None where they are only kept."""
        if part.name in TESTS:
            self._environment["GPU_REPORTS"] = str(self._folder / "reports")
            chosen = [*(["-k", select] if select else []), str(TESTS[part.name])]
            return [([sys.executable, "-m", "pytest", "-rs", "-v", "--durations=0", *chosen], None)]
        if part.name == "notebook":
            commands = []
            for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
                text = path.read_text()
                if "gpu" in json.loads(text)["metadata"].get("inferscope", {}).get("needs", []):
                    copy = self._folder / path.name
                    copy.write_text(text)
                    commands.append([sys.executable, "notebooks/execute.py", str(copy), "--inplace"])
            return [(command, None) for command in commands]

        def take(line: str) -> None:
            try:
                measure = Measure(**json.loads(line))
            except (ValueError, TypeError):
                self.say(line)
                return
            outcome.measures.append(measure)
            self.say(f"   {sentence(measure)}")
            with (self._out / "numbers.jsonl").open("a") as numbers:
                numbers.write(json.dumps({"benchmark": part.name, **json.loads(line)}) + "\n")

        return [(benchmarks()[part.name], take)]

    def _command(self, command: list[str], name: str, seconds: float, take: Callable[[str], None] | None) -> str:
        """Runs a command within a limit; how it ended, in words."""
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # What a benchmark says beside its numbers; of the others everything is output.
            stderr=subprocess.PIPE if take else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        with (self._folder / f"{name.replace('/', '-')}.log").open("a") as log:

            def follow(stream: IO[str], taken: Callable[[str], None]) -> None:
                for line in stream:
                    log.write(line)
                    log.flush()
                    taken(line.rstrip("\n"))

            assert process.stdout is not None
            readers = [threading.Thread(target=follow, args=(process.stdout, take or self.say), daemon=True)]
            if process.stderr is not None:
                readers.append(threading.Thread(target=follow, args=(process.stderr, self.say), daemon=True))
            for reader in readers:
                reader.start()
            try:
                status = process.wait(max(1.0, seconds))
                ended = "ok" if status == 0 else f"exited with {status}"
            except subprocess.TimeoutExpired:
                ended = f"stopped after {seconds:.0f} s"
            finally:
                end_group(process)
            for reader in readers:
                reader.join(5)
        return ended

    def _keep(self, name: str, measures: list[Measure]) -> None:
        """Writes the numbers as ``bench/all.py`` keeps them."""
        folder = self._folder / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(record_of(name, measures), indent=1) + "\n")

    def _pack(self) -> None:
        with tarfile.open(self._out / "results.tar.gz", "w:gz") as archive:
            for path in sorted(self._folder.iterdir()):
                archive.add(path, arcname=path.name)

    def _path(self, folder: Path) -> None:
        before = self._environment.get("PYTHONPATH")
        self._environment["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])


def end_group(process: subprocess.Popen[str]) -> None:
    """Ends what a command left running in its process group, itself included."""
    for one in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, one)
        except ProcessLookupError:
            return
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            continue


def table(outcomes: list[Outcome]) -> str:
    """The end of each part, and the budgets that were missed."""
    width = max(len(outcome.part.name) for outcome in outcomes)
    lines = ["== summary"]
    for outcome in outcomes:
        missed = [measure for measure in outcome.measures if measure.within() is False]
        numbers = f", {len(outcome.measures)} numbers" if outcome.measures else ""
        lines.append(f"{outcome.part.name:<{width}}  {outcome.seconds:5.0f} s  {outcome.ended}{numbers}")
        lines += [f"{'':<{width}}           {sentence(measure)}" for measure in missed]
    return "\n".join(lines)


def parse(words: list[str]) -> list[Part]:
    """The parts that the words of the command line name.

    Raises:
        ValueError: A word names no part, or no number of seconds.
    """
    limits = dict.fromkeys(TESTS, TEST_SECONDS) | {"notebook": NOTEBOOK_SECONDS}
    limits |= dict.fromkeys(sorted(NEED_GPU), BENCHMARK_SECONDS) | {"known_answers": KNOWN_ANSWERS_SECONDS}
    parts = []
    for word in words or limits:
        name, _, seconds = word.partition(":")
        names = [*TESTS] if name == "tests" else [name]
        if not limits.keys() >= {*names}:
            raise ValueError(f"there is no part {name}; there are: tests, {', '.join(limits)}")
        parts += [Part(one, float(seconds) if seconds else limits[one]) for one in names]
    return parts


def main() -> int:
    """Runs the session; 1 when a part did not run to its end."""
    parser = argparse.ArgumentParser(description="Run what needs a GPU.")
    parser.add_argument("parts", nargs="*", metavar="PART[:SECONDS]")
    parser.add_argument("--wheels", type=Path, help="a directory of wheels of the packages that are missing here")
    parser.add_argument("--select", default="", help="which tests, as pytest's -k")
    arguments = parser.parse_args()
    try:
        parts = parse(arguments.parts)
    except ValueError as error:
        parser.error(str(error))
    out = Path(os.environ.get("OUT", "gpu-session")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    (out / "numbers.jsonl").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as temporary, (out / "session.log").open("w") as log:
        site, folder = Path(temporary) / "site", Path(temporary) / "results"
        folder.mkdir()
        session = Session(out, folder, log)
        try:
            if arguments.wheels:
                session.install(arguments.wheels, site)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            session.say(f"gpu_session: the wheels could not be installed: {error}")
            return 1
        session.use_tree()
        outcomes = [session.run(part, arguments.select) for part in parts]
        session.say(table(outcomes))
    return 0 if all(outcome.well for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
