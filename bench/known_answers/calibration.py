"""Whether a confidence of 0.9 is right nine times out of ten."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

BINS = 10


@dataclass(frozen=True)
class Claim:
    """A verdict that was given, and whether it was right.

    Attributes:
        confidence: How sure the report was, 0 to 1.
        right: Whether its class, or the one that it leans to below the confidence of a verdict, is what is known.
    """

    confidence: float
    right: bool


def claim(verdict: str, leaning: str, confidence: float, expected: Collection[str]) -> Claim | None:
    """What a report claims; None where it claims nothing, as a verdict that is rightly withheld does."""
    if verdict == "unknown" and "unknown" in expected:
        return None
    said = leaning if verdict == "unknown" else verdict
    return None if said in ("", "unknown") else Claim(confidence, said in expected)


def of_records(records: Iterable[dict[str, Any]]) -> list[Claim]:
    """The claims of the suite's reports, those about repaired cells aside: what is true of them is not known."""
    return [
        found
        for record in records
        for report in record["reports"]
        if (found := claim(report["verdict"], report["leaning"], report["confidence"], record["expected"]["verdict"]))
    ]


def claims_of(results: dict[str, Any]) -> list[Claim]:
    """All claims of a run's results, those about other tools' traces included."""
    traces = [
        found
        for trace in results.get("traces", [])
        if (found := claim(trace["verdict"], trace["leaning"], trace["confidence"], trace["expected"]))
    ]
    return of_records(results["plants"]) + traces


def bins(claims: Iterable[Claim]) -> list[list[Claim]]:
    """The claims by their confidence, in tenths; the last bin includes 1."""
    out: list[list[Claim]] = [[] for _ in range(BINS)]
    for one in claims:
        out[min(int(one.confidence * BINS), BINS - 1)].append(one)
    return out


def calibration_error(claims: list[Claim]) -> float:
    """The expected calibration error: how far confidence and truth are apart in a bin, weighted by the bins' claims.

    Raises:
        ValueError: There is no claim.
    """
    if not claims:
        raise ValueError("nothing was claimed")
    return sum(abs(sum(one.confidence - one.right for one in bin_)) for bin_ in bins(claims)) / len(claims)


def diagram(claims: list[Claim]) -> str:
    """The reliability diagram as SVG: for each bin how often its claims were right, above how many there were."""
    left, top, size, below = 56, 16, 320, 48
    step = size / BINS

    def x(value: float) -> float:
        return left + value * size

    def y(value: float) -> float:
        return top + (1 - value) * size

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + size + 24} {top + size + below}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>Confidence against truth, {len(claims)} verdicts</title>",
        f'<rect width="{left + size + 24}" height="{top + size + below}" fill="#ffffff"/>',
    ]
    for number, bin_ in enumerate(bins(claims)):
        if not bin_:
            continue
        right = sum(one.right for one in bin_) / len(bin_)
        sure = sum(one.confidence for one in bin_) / len(bin_)
        at = x(number / BINS) + 2
        parts += [
            f'<rect x="{at:.1f}" y="{y(right):.1f}" width="{step - 4:.1f}" height="{y(0) - y(right):.1f}" '
            'fill="#4c78a8"/>',
            f'<circle cx="{x(sure):.1f}" cy="{y(right):.1f}" r="4" fill="#e45756" stroke="#ffffff"/>',
            f'<text x="{at + step / 2 - 2:.1f}" y="{y(0) - 6:.1f}" text-anchor="middle" '
            f'fill="{"#ffffff" if right > 0.08 else "#333333"}">{len(bin_)}</text>',
        ]
    parts.append(
        f'<path d="M{x(0):.0f} {y(0):.0f}L{x(1):.0f} {y(1):.0f}" stroke="#888888" stroke-dasharray="4 4" fill="none"/>'
    )
    parts.append(f'<path d="M{x(0):.0f} {y(1):.0f}V{y(0):.0f}H{x(1):.0f}" stroke="#333333" fill="none"/>')
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(
            f'<text x="{x(tick):.0f}" y="{y(0) + 16:.0f}" text-anchor="middle" fill="#333333">{tick:.1f}</text>'
        )
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4:.0f}" text-anchor="end" fill="#333333">{tick:.1f}</text>')
    parts += [
        f'<text x="{x(0.5):.0f}" y="{y(0) + 36:.0f}" text-anchor="middle" fill="#333333">confidence</text>',
        f'<text transform="translate(14 {y(0.5):.0f}) rotate(-90)" text-anchor="middle" fill="#333333">'
        "share of verdicts that were right</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
