"""What the user sees: the report, one-sentence notices, the status."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ._wire import CollectorStatus
    from .comparison import Comparison
    from .result import Result


def show_result(shell: InteractiveShell, result: Result | Comparison) -> None:
    """Display a report or a comparison as one bundle; the front end picks what it can show."""
    shell.display_pub.publish(data=dict(result._repr_mimebundle_()), metadata={})


def notice(sentence: str, hint: str = "") -> None:
    """Say one sentence beside the cell's output. Never raises."""
    with suppress(Exception):  # a stderr of the user's own that fails is not the cell's failure
        print(f"InferScope: {sentence}{' ' + hint if hint else ''}", file=sys.stderr, flush=True)


def status_text(heading: str, collectors: Iterable[CollectorStatus]) -> str:
    """The text of `%inferscope` on its own.

    Args:
        heading: One line about the sidecar.
        collectors: The sources, with the command that enables each missing one.
    """
    collectors = list(collectors)
    width = max((len(collector.name) for collector in collectors), default=0)
    lines = [heading]
    for collector in collectors:
        mark = "yes" if collector.available else "no"
        lines.append(f"  {collector.name:<{width}}  {mark:<3}  {collector.detail}".rstrip())
        if not collector.available and collector.enable:
            lines.append(f"  {'':<{width}}  {'':<3}  to enable: {collector.enable}")
    return "\n".join(lines)
