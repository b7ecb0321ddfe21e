"""How a benchmark hands over what it measured, and the statistics that benchmarks share.

A benchmark is a script ``bench/NAME.py`` or an executable ``bench/NAME/run`` in any language. For each number it prints
one line of JSON on standard output, as ``measure`` does; whatever else it has to say goes to standard error.
``bench/all.py`` runs them and keeps the results.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Measure:
    """One number.

    Attributes:
        what: What was measured, in words.
        value: The number.
        unit: Its unit; "ratio" for a quotient of two runs.
        budget: What it must keep, as "<= 1.05" or ">= 0.99" in the same unit; empty for a number without a budget.
        note: How it came about: repetitions, spread, what it does not cover.
    """

    what: str
    value: float
    unit: str
    budget: str = ""
    note: str = ""

    def within(self) -> bool | None:
        """Whether the budget is kept; None without one."""
        if not self.budget:
            return None
        sign, limit = self.budget.split()
        return {"<=": self.value <= float(limit), ">=": self.value >= float(limit)}[sign]


def measure(what: str, value: float, unit: str, budget: str = "", note: str = "") -> Measure:
    """Prints one number for ``bench/all.py`` and returns it."""
    result = Measure(what, float(value), unit, budget, note)
    result.within()  # a malformed budget is noticed where it is written
    print(json.dumps(asdict(result)), flush=True)
    return result


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that at least ``percent`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def alternate(
    baseline: Callable[[], object], subject: Callable[[], object], pairs: int, warm: int = 1
) -> list[tuple[float, float]]:
    """Times two functions in turn, so that a drifting machine moves both.

    The order within a pair alternates too: what the first leaves behind (a warm cache, a lower clock) must not always
    fall to the same one.

    Args:
        baseline: The run without what is measured.
        subject: The run with it.
        pairs: How many pairs are kept.
        warm: How many pairs are run before and forgotten.

    Returns:
        Seconds of (baseline, subject), a pair each.
    """
    kept = []
    for number in range(-warm, pairs):
        times = {}
        for run in (baseline, subject) if number % 2 == 0 else (subject, baseline):
            started = time.perf_counter()
            run()
            times[run] = time.perf_counter() - started
        if number >= 0:
            kept.append((times[baseline], times[subject]))
    return kept


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The median of subject over baseline, each pair by itself."""
    return statistics.median(subject / baseline for baseline, subject in pairs)


@dataclass(frozen=True)
class Estimate:
    """A ratio worked out of many, with the interval that holds the true one in 95 of 100 runs."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"95 % interval {self.low:.4f} to {self.high:.4f}"


def estimate_ratio(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """The Hodges-Lehmann estimate of subject over baseline.

    It is the median of the means of every two pairs' ratios (in logarithms, so that twice as much and half as much
    are equally far from the same): as little moved by wild pairs as a median, and nearly as sharp as a mean. The
    interval is the one that Wilcoxon's signed ranks give, by their normal approximation: good from some 20 pairs on.
    """
    logs = [math.log(subject / baseline) for baseline, subject in pairs]
    n = len(logs)
    means = sorted((logs[i] + logs[j]) / 2 for i in range(n) for j in range(i, n))
    beyond = n * (n + 1) / 4 - 1.96 * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    cut = min(max(0, math.floor(beyond)), (len(means) - 1) // 2)
    return Estimate(math.exp(statistics.median(means)), math.exp(means[cut]), math.exp(means[-1 - cut]))


def spread(pairs: Sequence[tuple[float, float]]) -> str:
    """The middle half of the ratios and their number, for a note."""
    ratios = [subject / baseline for baseline, subject in pairs]
    return f"{len(ratios)} pairs, middle half {percentile(ratios, 25):.3f} to {percentile(ratios, 75):.3f}"


def quartiles(values: Sequence[float]) -> str:
    """The middle half of some numbers, for a note."""
    return f"quartiles {percentile(values, 25):.3f} to {percentile(values, 75):.3f}"


def say(text: str) -> None:
    """Shows progress without mixing it with the numbers."""
    print(text, file=sys.stderr, flush=True)
