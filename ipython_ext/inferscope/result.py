"""What a profiled cell leaves behind for the user's own code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Loss:
    """Something that was not seen, and so is not in the result.

    Attributes:
        source: The collector that did not see it.
        reason: Why.
        count: How many records are missing; 0 when that is not countable.
        enable: The command that would make it visible; may be empty.
    """

    source: str
    reason: str
    count: int
    enable: str


@dataclass(frozen=True, repr=False)
class Result:
    """The report about one cell. Showing it shows the report.

    Attributes:
        html: The report as a fragment of HTML, complete in itself.
        markdown: The same for a Markdown document.
        text: The same for a terminal.
        summary: The numbers, by the schema named in `summary["schema"]`.
        losses: What was not seen.
    """

    html: str
    markdown: str
    text: str
    summary: dict[str, Any]
    losses: tuple[Loss, ...]

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, str]:
        return {"text/html": self.html, "text/markdown": self.markdown, "text/plain": self.text}

    def __repr__(self) -> str:
        verdict = self.summary.get("verdict")
        sentence = verdict.get("sentence", "") if isinstance(verdict, dict) else ""
        return f"<inferscope.Result: {sentence}>"


def parse_summary(text: str) -> dict[str, Any]:
    """The summary's JSON as a dict; empty when it is not an object."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
