"""What a profiled cell leaves behind for the user's own code."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InferScopeError

if TYPE_CHECKING:
    from .trace import Tables


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


class Explanation(str):
    """Lines of text that a cell shows as they are."""

    def __repr__(self) -> str:
        return self.rstrip("\n")


@dataclass(frozen=True, repr=False)
class Result:
    """The report about one cell. Showing it shows the report.

    Attributes:
        html: The report as a fragment of HTML, complete in itself.
        markdown: The same for a Markdown document.
        text: The same for a terminal.
        summary: The numbers, by the schema named in `summary["schema"]`.
        losses: What was not seen.
        trace: The folder of the cell's trace, which the sidecar writes after the report; None when none is kept.
            docs/trace-format.md describes it. Copy it to keep it for longer than the next cells.
    """

    html: str
    markdown: str
    text: str
    summary: dict[str, Any]
    losses: tuple[Loss, ...]
    trace: Path | None = None

    def tables(self, library: str = "") -> Tables:
        """The cell's events as tables, by name: `lines`, `scheduler`, `device_ops` and the others of the trace.

        Waits until the trace is written. A table is read when it is asked for.

        Args:
            library: "pandas" or "polars"; by default the one that is installed.

        Raises:
            InferScopeError: No trace was kept, or it is not there any more; or the library is not installed.
        """
        from .trace import Tables

        return Tables(self._kept(), library)

    def export(self, to: str, path: str | os.PathLike[str]) -> Path:
        """Write the cell's trace in the format of another tool, as `inferscope export` does.

        Waits until the trace is written.

        Args:
            to: The format: "perfetto" for ui.perfetto.dev, "chrome" for the tools of PyTorch's traces, or "pprof".
            path: The file to write. One that is there is replaced.

        Returns:
            The file, as an absolute path.

        Raises:
            InferScopeError: No trace was kept, or it is not there any more; there is no such format; or the file
                cannot be written.
        """
        from .trace import export

        return export(self._kept(), to, Path(path))

    def explain(self, subject: str) -> Explanation:
        """Why the report says so of one cause: the evidence in words, as `inferscope analyze --explain` has it.

        Waits until the trace is written.

        Args:
            subject: A finding's id, such as "gil-contention"; a cause, such as "gil_wait"; or "all" for all findings.

        Raises:
            InferScopeError: No trace was kept, or it is not there any more; or there is no such finding or cause.
        """
        from .trace import explain

        return Explanation(explain(self._kept(), subject))

    def _kept(self) -> Path:
        if self.trace is None:
            raise InferScopeError(
                "No trace of this cell was kept.",
                "Its report says why; INFERSCOPE_HISTORY_RUNS=10 keeps those of the last ten cells.",
            )
        return self.trace

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
