"""The options of `%%inferscope`, and the sentences for options that are wrong."""

from __future__ import annotations

import argparse
import keyword
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from . import _settings
from ._settings import SETTINGS, Setting
from .errors import OptionError

if TYPE_CHECKING:
    from . import _wire


@dataclass(frozen=True)
class CellOptions:
    """What counts for one cell: what the user typed, over the configuration.

    Attributes:
        output: The name under which the result is stored; None stores nothing.
        ebpf: Use the kernel-side collector.
        gpu: Use the GPU collectors.
        functions: Record the calls of the user's own functions exactly.
        hz: Samples a second of each running thread.
        quiet: Show nothing; the result is still in `inferscope.last()`.
        live: Show how the cell goes on while it runs.
        changes: Say what changed since the cell's run before.
        multi_gpu: "reject" or "allow": what to do with a cell that uses several GPUs.
        gpu_budget: How much longer the capture of GPU work may make the cell, as a share.
        full: Capture all GPU work, whatever it costs.
        cupti_finalize: Take CUPTI out of the process after the cell.
        typed: The settings that the user typed, by name, as text.
    """

    output: str | None = None
    ebpf: bool = _settings.EBPF
    gpu: bool = _settings.GPU
    functions: bool = _settings.FUNCTIONS
    hz: int = _settings.HZ
    quiet: bool = _settings.QUIET
    live: bool = _settings.LIVE
    changes: bool = _settings.CHANGES
    multi_gpu: str = _settings.MULTI_GPU
    gpu_budget: float = _settings.GPU_BUDGET
    full: bool = _settings.FULL
    cupti_finalize: bool = _settings.CUPTI_FINALIZE
    typed: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, options: _wire.Options) -> CellOptions:
        """These options with the settings that the sidecar found to count."""
        return replace(
            self,
            ebpf=options.ebpf,
            gpu=options.gpu,
            functions=options.functions,
            hz=options.sample_hz,
            quiet=options.quiet,
            live=options.live,
            changes=options.changes,
            multi_gpu=options.multi_gpu,
            gpu_budget=options.gpu_budget,
            full=options.full,
            cupti_finalize=options.cupti_finalize,
        )


def parse(line: str) -> CellOptions:
    """Read the rest of the `%%inferscope` line.

    Args:
        line: The text behind the magic's name.

    Returns:
        The options, with the defaults where the user typed nothing: what is configured the sidecar knows.

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
        raise _unknown(parser, unknown[0])
    return cell_options(found, found.output)


def cell_options(found: argparse.Namespace, output: str | None = None) -> CellOptions:
    """The options of what a parser with the settings has found.

    Args:
        found: What it has found.
        output: The name under which the result is stored.
    """
    values: dict[str, Any] = {s.name: getattr(found, s.name) for s in SETTINGS if hasattr(found, s.name)}
    typed = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    return CellOptions(output=output, typed=typed, **values)


def help_text() -> str:
    """The text of `%%inferscope --help`."""
    return _parser().format_help()


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process.

    Args:
        see: Where the user reads more, a sentence.
        arguments: Those of argparse.
    """

    def __init__(self, see: str, **arguments: Any) -> None:
        self.see = see
        super().__init__(**arguments)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, as a sentence."""
        raise OptionError(f"{message[:1].upper()}{message[1:].rstrip('.')}.", self.see)

    def option(self, word: str) -> argparse.Action | None:
        """The option that a word spells; None when there is none."""
        return self._option_string_actions.get(word)

    def unknown(self, word: str) -> OptionError:
        """What to say of an option that does not exist; names the nearest."""
        import difflib  # slow to import, and seldom needed

        option = word.partition("=")[0]
        nearest = difflib.get_close_matches(option, list(self._option_string_actions), n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}? " if nearest else ""
        return OptionError(f"There is no option {option}.", hint + self.see)


_SEE_HELP = "See %inferscope --help."

_EPILOG = """\
The defaults can be changed in a file: see `!inferscope config show`.
On its own, %inferscope shows what InferScope can see here and how to see more.
%inferscope --compare shows what changed between the last two runs of a cell.
inferscope.last() gives the result of the last profiled cell.
"""


def _parser() -> Parser:
    parser = Parser(
        _SEE_HELP,
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
    add_settings(parser)
    add("-h", "--help", action="store_true", help="show this text; the cell is not run")
    return parser


def add_settings(parser: Parser) -> None:
    """Give a parser the options that are settings."""
    add = parser.add_argument
    for setting in SETTINGS:
        names = [f"-{setting.short}"] if setting.short else []
        names.append(f"--{setting.option}")
        shown = f"{setting.help} (default {setting.default})".replace("%", "%%")
        if setting.kind == "bool":
            add(*names, dest=setting.name, action=_Switch, help=shown)
        else:
            metavar = "|".join(setting.choices) or "N"
            add(*names, dest=setting.name, type=_value(setting), metavar=metavar, default=argparse.SUPPRESS, help=shown)


class _Switch(argparse.Action):
    """`--NAME` and `--no-NAME`; what is not typed is left to the configuration."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:
        off = [f"--no-{name[2:]}" for name in option_strings if name.startswith("--")]
        super().__init__([*option_strings, *off], dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, not str(option_string).startswith("--no-"))


def _name(word: str) -> str:
    if not word.isidentifier() or keyword.iskeyword(word):
        raise argparse.ArgumentTypeError(f"{word!r} is not a Python name")
    return word


def _value(setting: Setting) -> Callable[[str], Any]:
    """What reads a value of the setting from a word."""

    def read(word: str) -> Any:
        try:
            if setting.kind == "choice":
                value: Any = word
                right = word in setting.choices
            else:
                value = int(word) if setting.kind == "int" else float(word)
                right = setting.low <= value <= setting.high
        except ValueError:
            right = False
        if not right:
            raise argparse.ArgumentTypeError(f"{word!r} is not {setting.wants}")
        return value

    return read


def _unknown(parser: Parser, word: str) -> OptionError:
    if word == "--compare":
        return OptionError("--compare is no option of a cell.", "Write %inferscope --compare in a cell of its own.")
    if word.startswith("-"):
        return parser.unknown(word)
    return OptionError(f"{word!r} is not an option.", "Code goes on the lines below %%inferscope. " + _SEE_HELP)
