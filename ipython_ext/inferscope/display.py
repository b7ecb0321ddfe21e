"""What the user sees: the report, one-sentence notices, the status."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .result import Result


class CollectorStatus(Protocol):
    """The part of a collector's status that is shown."""

    name: str
    available: bool
    detail: str
    enable: str


def show_result(shell: InteractiveShell, result: Result) -> None:
    """Display the report as one bundle; the front end picks what it can show."""
    shell.display_pub.publish(data=dict(result._repr_mimebundle_()), metadata={})


def notice(sentence: str, hint: str = "") -> None:
    """Say one sentence beside the cell's output. Never raises."""
    try:
        print(f"InferScope: {sentence}{' ' + hint if hint else ''}", file=sys.stderr, flush=True)
    except Exception:  # a stderr of the user's own that fails is not the cell's failure
        pass


def status_text(heading: str, collectors: Iterable[CollectorStatus]) -> str:
    """The text of `%inferscope` on its own.

    Args:
        heading: One line about the sidecar.
        collectors: The sources, with the command that enables each missing one.
    """
    lines = [heading]
    for collector in collectors:
        mark = "yes" if collector.available else "no"
        lines.append(f"  {collector.name:<8} {mark:<4} {collector.detail}".rstrip())
        if not collector.available and collector.enable:
            lines.append(f"  {'':<8} {'':<4} to enable: {collector.enable}")
    return "\n".join(lines)
