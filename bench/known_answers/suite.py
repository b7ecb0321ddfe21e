"""Runs the plants in real kernels: profiled, plain and repaired in turn, within a limit of time."""

from __future__ import annotations

import io
import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge import Saving, faults, prediction, top, wall
from kernel import Kernel
from plants import Plant

# Rounds of a plant: the fewest, even when the time is short, and the most.
FEWEST, MOST = 1, 4
# What one cell may take, and what starting a kernel with a framework is assumed to take, in seconds.
CELL_SECONDS, KERNEL_SECONDS = 90.0, 12.0
# The largest trace that may be kept as a fixture, compressed; larger ones are taken again with fewer steps.
FIXTURE_BYTES = 150_000
FEWEST_STEPS = 3

# Notes the wall time of every cell of the kernel, as IPython runs it: nothing of the cell is changed.
CLOCK = """\
def _clock():
    import time

    from IPython import get_ipython

    walls = []

    def begin(*_):
        walls.append([time.perf_counter_ns(), 0])

    def end(*_):
        if walls:
            walls[-1][1] = time.perf_counter_ns()

    shell = get_ipython()
    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)
    return walls


_walls = _clock()
"""


@dataclass
class Outcome:
    """What came of one plant.

    Attributes:
        plant: The plant.
        failed: Why it could not be run, in words; empty when it was.
        summaries: Those of the planted cell, a profiled run each.
        repaired: Those of the repaired cell.
        plain: Wall times of the planted cell unprofiled, ns.
        plain_repaired: Those of the repaired cell.
    """

    plant: Plant
    failed: str = ""
    summaries: list[dict[str, Any]] = field(default_factory=list)
    repaired: list[dict[str, Any]] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    plain_repaired: list[int] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What is wrong with any of the reports, the first of each kind."""
        found = [fault for summary in self.summaries for fault in faults(self.plant, summary)]
        return list(dict.fromkeys([*([self.failed] if self.failed else []), *found]))

    @property
    def passed(self) -> bool:
        """Whether it was run, and every report says what it should."""
        return bool(self.summaries) and not self.faults

    @property
    def right(self) -> int:
        """How many of the reports say what they should."""
        return sum(not faults(self.plant, summary) for summary in self.summaries)

    @property
    def wall(self) -> float:
        """The median wall time of the planted cell unprofiled, ns; 0 when it did not run."""
        return statistics.median(self.plain) if self.plain else 0.0

    @property
    def measured(self) -> float | None:
        """What the repair saves, ns; None without a repair."""
        if not self.plain or not self.plain_repaired:
            return None
        return self.wall - statistics.median(self.plain_repaired)

    @property
    def predicted(self) -> Saving | None:
        """What the reports say that it saves: the median of their ranges' ends."""
        ranges = [found for summary in self.summaries if (found := prediction(self.plant, summary))]
        if not ranges or len(ranges) * 2 <= len(self.summaries):
            return None
        return Saving(statistics.median(one.low for one in ranges), statistics.median(one.high for one in ranges))

    def record(self) -> dict[str, Any]:
        """What is kept of it as JSON."""
        plant, predicted, measured = self.plant, self.predicted, self.measured
        kept: dict[str, Any] = {
            "number": plant.number,
            "name": plant.name,
            "title": plant.title,
            "needs": plant.needs,
            "expected": {"verdict": plant.verdict, "cause": plant.cause, "lines": plant.lines},
            "passed": self.passed,
            "faults": self.faults,
            "reports": [_report(plant, summary) for summary in self.summaries],
            "repaired": [_report(plant, summary) for summary in self.repaired],
            "plain_ns": self.plain,
            "plain_repaired_ns": self.plain_repaired,
            "saving": None,
        }
        if measured is not None and self.wall:
            miss = predicted.miss(measured) if predicted else abs(measured)
            kept["saving"] = {
                "measured_ns": measured,
                "predicted_ns": [predicted.low, predicted.high] if predicted else None,
                "miss_share": miss / self.wall,
                # A repair that the report promises must not cost time.
                "sign_right": not predicted or predicted.high <= 0 or measured > 0,
            }
        return kept


def _report(plant: Plant, summary: dict[str, Any]) -> dict[str, Any]:
    """What one report said, as far as it is judged."""
    verdict, blamed = summary["verdict"], top(plant, summary)
    predicted = prediction(plant, summary)
    return {
        "verdict": verdict["class"],
        "leaning": verdict["leaning"],
        "top_cause": verdict["top_cause"],
        "cause": blamed["cause"],
        "line": blamed["line"],
        "confidence": verdict["confidence"],
        "evidence": verdict["evidence"],
        "margin": verdict["margin"],
        "quality": verdict["quality"],
        "why": [verdict[key] for key in ("evidence_why", "margin_why", "quality_why")],
        "sentence": verdict["sentence"],
        "wall_ns": wall(summary),
        "idle": [_cause(one) for one in summary["idle"]["causes"][:8]],
        "idle_ns": summary["idle"]["total_ns"],
        "host": [_cause(one) for one in summary["host"]["causes"][:8]],
        "findings": [
            [one["id"], one["line"]["line"] if one["line"] else 0, one["saving"]["low_ns"], one["saving"]["high_ns"]]
            for one in summary["findings"]
        ],
        "whatif": [[one["change"], one["low_ns"], one["high_ns"]] for one in summary["whatif"]],
        "predicted_ns": [predicted.low, predicted.high] if predicted else None,
        "losses": [[one["source"], one["reason"], one["count"]] for one in summary["losses"]],
        "faults": faults(plant, summary),
    }


def _cause(one: dict[str, Any]) -> list[Any]:
    return [one["cause"], one["line"]["line"] if one["line"] else 0, round(one["share"], 4), one["detail"][:80]]


class Suite:
    """The plants of one run.

    Args:
        keep: Where reports, traces and summaries are kept.
        seconds: What all of it may take.
        say: Shows progress.
    """

    def __init__(self, keep: Path, seconds: float, say: Callable[[str], None]) -> None:
        self._keep = keep
        self._deadline = time.monotonic() + seconds
        self._say = say
        for name in ("traces", "reports", "summaries"):
            (keep / name).mkdir(parents=True, exist_ok=True)

    def run(self, plants: Iterable[Plant], gpu: bool, each: Callable[[Outcome], None]) -> list[Outcome]:
        """Runs plants, those of one kernel together, and returns their outcomes by number.

        Args:
            plants: The plants; those that need a GPU only with one.
            gpu: Whether plants that need no GPU share the kernel of PyTorch, and its GPU.
            each: Called with an outcome as soon as it is there.
        """
        groups: dict[str, list[Plant]] = {}
        for plant in plants:
            key = plant.name if plant.fresh else plant.needs or ("torch" if gpu else "")
            groups.setdefault(key, []).append(plant)
        left = sum(map(len, groups.values()))
        outcomes = []
        # One at a time, so that no other process holds the GPU. Those with fresh kernels first: they cannot be hurried.
        for group in sorted(groups.values(), key=lambda group: not group[0].fresh):
            run = self._fresh if group[0].fresh else self._together
            for outcome in run(group, left):
                left -= 1
                outcomes.append(outcome)
                each(outcome)
        return sorted(outcomes, key=lambda outcome: outcome.plant.number)

    def _share(self, left: int) -> float:
        """The moment until which the next of so many plants may begin a round."""
        now = time.monotonic()
        return now + max(self._deadline - now, 0) / max(left, 1)

    def _together(self, group: list[Plant], left: int) -> Iterable[Outcome]:
        """Plants in one kernel, which is started anew after one that fails."""
        cell: _Cells | None = None
        try:
            for done, plant in enumerate(group):
                outcome, until = Outcome(plant), self._share(left - done)
                try:
                    cell = cell or _Cells()
                    cell.prepare(plant)
                    for number in range(MOST):
                        if number >= FEWEST and time.monotonic() > until:
                            break
                        self._round(cell, outcome, number)
                    if plant.repaired:
                        outcome.repaired.append(cell.profiled(plant, repaired=True))
                    self._fixture(cell, outcome)
                    cell.run(plant.cells.get("teardown", ""))
                except (RuntimeError, AssertionError, KeyError, ValueError, OSError) as error:
                    outcome.failed = _last_words(error)
                    if cell:
                        cell.close()
                    cell = None
                yield outcome
        finally:
            if cell:
                cell.close()

    def _round(self, cell: _Cells, outcome: Outcome, number: int) -> None:
        plant = outcome.plant

        def profiled() -> None:
            outcome.summaries.append(cell.profiled(plant))
            self._save(cell, outcome)

        def plain() -> None:
            outcome.plain.append(cell.plain(plant))

        def repaired() -> None:
            if plant.repaired:
                outcome.plain_repaired.append(cell.plain(plant, repaired=True))

        steps = [profiled, plain, repaired]
        for step in steps if number % 2 == 0 else reversed(steps):
            step()

    def _fresh(self, group: list[Plant], left: int) -> Iterable[Outcome]:
        """A plant whose planted cell is the first of its kernel: a kernel for each run."""
        for done, plant in enumerate(group):
            outcome, until = Outcome(plant), self._share(left - done)
            try:
                for number in range(2 * MOST):
                    if number >= 2 * FEWEST and time.monotonic() + KERNEL_SECONDS > until:
                        break
                    cell = _Cells()
                    try:
                        cell.prepare(plant, warm=False)
                        if number % 2 == 0:
                            outcome.summaries.append(cell.profiled(plant))
                            self._save(cell, outcome)
                            if number == 0 and plant.repaired:
                                outcome.repaired.append(cell.profiled(plant, repaired=True))
                        else:
                            outcome.plain.append(cell.plain(plant))
                            if plant.repaired:
                                outcome.plain_repaired.append(cell.plain(plant, repaired=True))
                        cell.run(plant.cells.get("teardown", ""))
                    finally:
                        cell.close()
            except (RuntimeError, AssertionError, KeyError, ValueError, OSError) as error:
                outcome.failed = _last_words(error)
            yield outcome

    def _save(self, cell: _Cells, outcome: Outcome) -> None:
        """Keeps the report, the summary and the trace of the last profiled run."""
        name = outcome.plant.name
        (self._keep / "reports" / f"{name}.html").write_text(cell.last("html"))
        (self._keep / "summaries" / f"{name}.json").write_text(json.dumps(outcome.summaries[-1]))
        (self._keep / "traces" / f"{name}.tar.gz").write_bytes(pack(cell.trace()))

    def _fixture(self, cell: _Cells, outcome: Outcome) -> None:
        """Takes a trace that is too large again, of the same cell with fewer steps."""
        plant, path = outcome.plant, self._keep / "traces" / f"{outcome.plant.name}.tar.gz"
        if "steps" not in plant.cells.get("setup", ""):
            return
        full = steps = int(cell.kernel.value("steps"))
        try:
            while (size := path.stat().st_size) > FIXTURE_BYTES and steps > FEWEST_STEPS:
                steps = max(min(steps - 1, int(steps * 0.8 * FIXTURE_BYTES / size)), FEWEST_STEPS)
                cell.run(f"steps = {steps}")
                summary = cell.profiled(plant)
                path.write_bytes(pack(cell.trace()))
                found = faults(plant, summary)
                self._say(f"   fixture of {steps} steps: {path.stat().st_size} bytes; {found or 'as it should be'}")
        finally:
            cell.run(f"steps = {full}")


class _Cells:
    """A kernel in which plants run."""

    def __init__(self) -> None:
        self.kernel = Kernel(quiet=True)
        self._shared: set[str] = set()
        try:
            self.kernel.load()
            self.run(CLOCK)
        except RuntimeError:
            self.kernel.close()
            raise

    def close(self) -> None:
        """Ends the kernel."""
        self.kernel.close()

    def run(self, source: str) -> None:
        """Runs a cell beside the measured ones."""
        if source:
            self.kernel.run(source, timeout=CELL_SECONDS)

    def prepare(self, plant: Plant, *, warm: bool = True) -> None:
        """Runs what comes before the plant, and both of its cells once unless they must be cold."""
        if plant.shared and plant.shared not in self._shared:
            self.run(plant.shared)
            self._shared.add(plant.shared)
        self.run(plant.cells.get("setup", ""))
        if warm:
            self.plain(plant)
            if plant.repaired:
                self.plain(plant, repaired=True)

    def plain(self, plant: Plant, *, repaired: bool = False) -> int:
        """Runs a cell unprofiled; its wall time in ns."""
        self._before(plant, repaired)
        self.run(plant.repaired if repaired else plant.planted)
        begin, end = self.kernel.value("_walls[-2]")
        return int(end - begin)

    def profiled(self, plant: Plant, *, repaired: bool = False) -> dict[str, Any]:
        """Runs a cell profiled; its summary."""
        self._before(plant, repaired)
        answer = self.kernel.run(plant.profiled_repaired if repaired else plant.profiled, timeout=CELL_SECONDS)
        if len(answer.reports) != 1:
            raise RuntimeError(f"there were {len(answer.reports)} reports: {' '.join(answer.said)}")
        return self.kernel.summary()

    def last(self, what: str) -> str:
        """A text of the last profiled cell's result."""
        return str(self.kernel.value(f"__import__('inferscope').last().{what}"))

    def trace(self) -> Path:
        """The folder of the last profiled cell's trace, once it is written."""
        self.kernel.value("__import__('inferscope.trace').trace.await_written(__import__('inferscope').last().trace)")
        return Path(self.kernel.value("str(__import__('inferscope').last().trace)"))

    def _before(self, plant: Plant, repaired: bool) -> None:
        self.run(plant.cells.get("before repaired" if repaired else "before", ""))


def pack(folder: Path) -> bytes:
    """A trace as one compressed file, with names and times that are the same on every machine."""

    def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
        return member

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname="trace.inferscope", filter=neutral)
    return packed.getvalue()


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory for what kernels keep, instead of the user's."""
    return tempfile.TemporaryDirectory(prefix="known-answers-")


def _last_words(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"could not be run: {lines[-1][:100] if lines else type(error).__name__}"
