"""The command line of `inferscope run`; sidecar/internal/command describes it in the help."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import OptionError
from .options import CellOptions, Parser, add_settings, cell_options
from .program import Program

_SEE = "See `inferscope run --help`."
FORMATS = ("html", "md", "text", "json")
_BY_SUFFIX = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".txt": "text", ".json": "json"}
# These have a meaning for the run itself, or cannot be caught.
_NOT_FOR_TOGGLING = {"INT", "TERM", "KILL", "STOP", "CHLD", "SEGV", "BUS", "FPE", "ILL", "ABRT"}


@dataclass(frozen=True)
class RunOptions:
    """What one run is asked for.

    Attributes:
        settings: The settings that the user typed.
        report: The absolute path of the report; None for standard error.
        format: One of `FORMATS`.
        trace: The absolute path of the folder for the trace; None for the history.
        duration: Seconds after which collecting stops; None for the whole script.
        scope: Collect only inside of the first scope of this name; None for the whole script.
        signal: Collect between two arrivals of this signal; None for the whole script.
        program: What is run.
    """

    settings: CellOptions
    report: Path | None
    format: str
    trace: Path | None
    duration: float | None
    scope: str | None
    signal: signal.Signals | None
    program: Program


def parse(words: Sequence[str]) -> RunOptions:
    """Read the words behind `run`.

    Raises:
        OptionError: They are not understood, or the report could not be written where it shall be.
    """
    parser = _parser()
    own, program = _split(parser, words)
    found, unknown = parser.parse_known_args(own)
    if unknown:
        raise parser.unknown(unknown[0])
    if found.scope is not None and found.signal is not None:
        raise OptionError("--scope and --signal cannot be used together.", _SEE)
    report = None if found.report is None else _writable(found.report)
    return RunOptions(
        settings=cell_options(found),
        report=report,
        format=found.format or _format(report),
        trace=None if found.trace is None else _new_folder(found.trace),
        duration=found.duration,
        scope=found.scope,
        signal=found.signal,
        program=program,
    )


def _parser() -> Parser:
    parser = Parser(_SEE, prog="inferscope run", allow_abbrev=False, add_help=False)
    add = parser.add_argument
    add("-o", "--report", metavar="PATH")
    add("-f", "--format", choices=FORMATS)
    add("--trace", metavar="PATH")
    add("--duration", metavar="SECONDS", type=_seconds)
    add("--scope", metavar="NAME")
    add("--signal", metavar="SIGNAL", type=_signal)
    add_settings(parser)
    return parser


def _split(parser: Parser, words: Sequence[str]) -> tuple[list[str], Program]:
    """What is ours, and the program with what is its own."""
    at = 0
    while at < len(words):
        word = words[at]
        if word[:2] in ("-m", "-c"):
            values = [word[2:]] if len(word) > 2 else []
            values += words[at + 1 :]
            if not values:
                raise OptionError(f"{word} needs a value.", _SEE)
            return list(words[:at]), Program("module" if word[1] == "m" else "code", values[0], values[1:])
        if word == "--":
            at += 1
            break
        if not word.startswith("-") or word == "-":
            break
        option = parser.option(word)
        at += 1 if option is None or option.nargs == 0 else 2
    own = [word for word in words[:at] if word != "--"]
    if at >= len(words):
        parser.parse_args(own)  # what is wrong in the options is the better thing to say
        raise OptionError("There is no script to run.", _SEE)
    return own, Program("stdin" if words[at] == "-" else "script", words[at], words[at + 1 :])


def _format(report: Path | None) -> str:
    if report is None:
        return "text"
    found = _BY_SUFFIX.get(report.suffix.lower())
    if found is None:
        raise OptionError(
            f"The name {report.name!r} does not tell the report's format.",
            f"Let it end in .html, .md, .txt or .json, or give --format {'|'.join(FORMATS)}.",
        )
    return found


def _writable(name: str) -> Path:
    """The report's absolute path: the script may change its directory."""
    path = Path(name).absolute()
    if path.is_dir():
        raise OptionError(f"The report cannot be written: {name} is a folder.", "Name a file.")
    if not path.parent.is_dir():
        raise OptionError(f"The report cannot be written: there is no folder {path.parent}.", "Make it first.")
    return path


def _new_folder(name: str) -> Path:
    path = Path(name).absolute()
    if path.suffix != ".inferscope":
        raise OptionError(f"The trace {name} would not be recognised as one.", "Let its name end in .inferscope.")
    if path.exists() or path.is_symlink():
        raise OptionError(
            f"The trace cannot be written: there is {name} already.", "Remove it, or name another folder."
        )
    if not path.parent.is_dir():
        raise OptionError(f"The trace cannot be written: there is no folder {path.parent}.", "Make it first.")
    return path


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of seconds")
    return value


def _signal(word: str) -> signal.Signals:
    name = word.upper().removeprefix("SIG")
    found = getattr(signal, f"SIG{name}", None)
    if not isinstance(found, signal.Signals) or name in _NOT_FOR_TOGGLING:
        raise argparse.ArgumentTypeError(f"{word!r} is not a signal that can switch collecting, such as USR1")
    return found
