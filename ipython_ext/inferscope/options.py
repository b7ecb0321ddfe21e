"""The options of `%%inferscope`, and the sentences for options that are wrong."""

from __future__ import annotations

import argparse
import keyword
import shlex
from dataclasses import dataclass
from typing import NoReturn

from .errors import OptionError

# The sampling frequency of running threads. A prime, so that it does not beat
# with timers and loops of the cell.
DEFAULT_HZ = 499
_LOWEST_HZ, _HIGHEST_HZ = 1, 10_000


@dataclass(frozen=True)
class CellOptions:
    """The user's choices for one cell.

    Attributes:
        output: The name under which the result is stored; None stores nothing.
        ebpf: Use the kernel-side collector.
        gpu: Use the GPU collectors.
        functions: Record the calls of the user's own functions exactly.
        hz: Samples a second of each running thread.
        quiet: Show nothing; the result is still in `inferscope.last()`.
    """

    output: str | None = None
    ebpf: bool = True
    gpu: bool = True
    functions: bool = False
    hz: int = DEFAULT_HZ
    quiet: bool = False


def parse(line: str) -> CellOptions:
    """Read the rest of the `%%inferscope` line.

    Args:
        line: The text behind the magic's name.

    Raises:
        OptionError: The line is not understood; names the nearest option.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise OptionError("A quote in the options is not closed.", f"Options were: {line}") from None
    parser = _parser()
    found, unknown = parser.parse_known_args(words)
    if unknown:
        raise OptionError(*_unknown(parser, unknown[0]))
    return CellOptions(
        output=found.output,
        ebpf=found.ebpf,
        gpu=found.gpu,
        functions=found.functions,
        hz=found.hz,
        quiet=found.quiet,
    )


def help_text() -> str:
    """The text of `%%inferscope --help`."""
    return _parser().format_help()


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{message[:1].upper()}{message[1:].rstrip('.')}.", _SEE_HELP)


_SEE_HELP = "See %inferscope --help."

_EPILOG = """\
On its own, %inferscope shows what InferScope can see here and how to see more.
inferscope.last() gives the result of the last profiled cell.
"""


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%inferscope",
        usage="%%inferscope [options], on the first line of a cell",
        description="Run the cell as it is and show below it why it took the time it took.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument
    add("-o", "--output", metavar="NAME", type=_name, help="store the result as NAME")
    add("-q", "--quiet", action="store_true", help="show no report; inferscope.last() has it")
    add("--functions", action="store_true", help="record calls of your own functions exactly")
    add("--hz", type=_hz, default=DEFAULT_HZ, metavar="N",
        help=f"samples a second of each running thread (default {DEFAULT_HZ})")  # fmt: skip
    add("--no-ebpf", dest="ebpf", action="store_false", help="do not use the kernel-side collector")
    add("--no-gpu", dest="gpu", action="store_false", help="do not use the GPU collectors")
    add("-h", "--help", action="store_true", help="show this text; the cell is not run")
    return parser


def _name(word: str) -> str:
    if not word.isidentifier() or keyword.iskeyword(word):
        raise argparse.ArgumentTypeError(f"{word!r} is not a Python name")
    return word


def _hz(word: str) -> int:
    if not word.isdecimal() or not _LOWEST_HZ <= int(word) <= _HIGHEST_HZ:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from {_LOWEST_HZ} to {_HIGHEST_HZ}")
    return int(word)


def _unknown(parser: _Parser, word: str) -> tuple[str, str]:
    if not word.startswith("-"):
        return (
            f"{word!r} is not an option.",
            "Code goes on the lines below %%inferscope. " + _SEE_HELP,
        )
    import difflib  # slow to import, and seldom needed

    option = word.partition("=")[0]
    known = list(parser._option_string_actions)
    nearest = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    return f"There is no option {option}.", hint + _SEE_HELP
