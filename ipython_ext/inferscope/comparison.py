"""`%inferscope --compare`: what changed from one profiled run to another."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import display
from .errors import InferScopeError, OptionError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client import Connection

# Analysing the largest traces that are kept takes some seconds each.
_TIMEOUT = 300.0
_FLAG, _TO = "--compare", "--to"
_USAGE = "It is %inferscope --compare, or %inferscope --compare BEFORE AFTER with the ids of two runs."


@dataclass(frozen=True)
class Comparison:
    """What changed. Showing it shows the comparison.

    Attributes:
        html: A fragment of HTML, complete in itself.
        markdown: The same for a Markdown document.
        text: The same for a terminal.
    """

    html: str
    markdown: str
    text: str

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, str]:
        return {"text/html": self.html, "text/markdown": self.markdown, "text/plain": self.text}


def asks_to_compare(arguments: str) -> bool:
    """Whether the options ask for a comparison, which stands in a cell of its own."""
    return _FLAG in arguments.split()


def show(shell: InteractiveShell, connect: Callable[[], Connection], arguments: str) -> None:
    """Show a comparison, or one sentence about why there is none.

    Args:
        shell: Where it is shown.
        connect: Gives the sidecar.
        arguments: The text behind the magic's name.

    Raises:
        UsageError: The line is not understood.
    """
    from IPython.core.error import UsageError

    try:
        before, after = parse(arguments)
    except OptionError as error:
        raise UsageError(f"%inferscope: {error}") from None
    try:
        display.show_result(shell, compare(connect(), before, after))
    except InferScopeError as error:
        display.notice(error.sentence, error.hint)


def parse(arguments: str) -> tuple[list[str], list[str]]:
    """Read the line of a comparison.

    Args:
        arguments: The text behind the magic's name.

    Returns:
        The runs before the change and those after it; none for the last two runs.

    Raises:
        OptionError: The line is not understood.
    """
    try:
        words = shlex.split(arguments, comments=True)
    except ValueError:
        raise OptionError("A quote in the options is not closed.", f"Options were: {arguments}") from None
    unknown = next((word for word in words if word.startswith("-") and word not in (_FLAG, _TO)), "")
    if unknown:
        raise OptionError(f"{_FLAG} does not go with {unknown}.", _USAGE)
    if words.count(_FLAG) != 1 or words[0] != _FLAG:
        raise OptionError(f"{_FLAG} comes once, and before the runs.", _USAGE)
    words = words[1:]
    if _TO in words:
        at = words.index(_TO)
        before, after = words[:at], [word for word in words[at:] if word != _TO]
        if not before or not after:
            raise OptionError(f"{_TO} stands between the runs before the change and those after it.", _USAGE)
        return before, after
    if len(words) not in (0, 2):
        hint = (
            f"With more than two, {_TO} stands between the runs before and those after." if len(words) > 2 else _USAGE
        )
        raise OptionError(f"{_FLAG} takes two runs, or none.", hint)
    return words[:1], words[1:]


def compare(connection: Connection, before: Sequence[str], after: Sequence[str]) -> Comparison:
    """Let the sidecar compare runs.

    Args:
        connection: The sidecar.
        before: Ids or paths of runs of one version of a cell.
        after: The same of another version; both empty for the last two runs.

    Raises:
        InferScopeError: The runs are not there, or cannot be compared.
    """
    from . import _wire, configuration

    reply = connection.request(
        _wire.Compare(
            before=list(before),
            after=list(after),
            directory=configuration.directory(),
            environ=configuration.environ(),
        ),
        _TIMEOUT,
    )
    return Comparison(html=reply.html, markdown=reply.markdown, text=reply.text)
