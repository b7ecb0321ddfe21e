"""The command ``inferscope``: a thin entry that becomes the Go binary."""

from __future__ import annotations

import os
import sys

from .binary import find_binary
from .errors import InferScopeError

# As typing has it. Whatever is imported before the program runs is waited for: typing and pathlib took longer than all
# the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _run(words: Sequence[str]) -> int:
    if not getattr(sys.flags, "safe_path", False) and not sys.flags.isolated:
        # The working directory for `python -m`: a file there must not stand in for a module that this imports.
        del sys.path[0]
    from .run import main as run

    return run(words)


# Commands that need this interpreter, each given the words behind its name and returning the exit code; they say
# themselves what goes wrong. The binary answers every other one, and describes these too.
_IN_PYTHON: dict[str, Callable[[Sequence[str]], int]] = {"run": _run}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns only when nothing could be executed, or for a command of `_IN_PYTHON`.

    Args:
        arguments: The command line without its name; the process's own by default.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in _IN_PYTHON and words[1:2] not in (["-h"], ["--help"]):
        return _IN_PYTHON[words[0]](words[1:])
    try:
        path = find_binary()
        sys.stdout.flush()
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        # For the commands that ask this interpreter something.
        known = {"INFERSCOPE_PYTHON": sys.executable, "INFERSCOPE_PACKAGE": package}
        os.execve(path, ["inferscope", *words], {**os.environ, **known})
    except InferScopeError as error:
        print(f"inferscope: {error.sentence.rstrip('.')}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
    except OSError as error:
        print(f"inferscope: the program of the command cannot be run: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
