"""The command ``inferscope``: a thin entry that becomes the Go binary."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import InferScopeError
from .sidecar import find_binary

# Commands that need this interpreter, each given the words behind its name and returning the exit code. The binary
# answers every other one.
_IN_PYTHON: dict[str, Callable[[Sequence[str]], int]] = {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns only when nothing could be executed, or for a command of `_IN_PYTHON`.

    Args:
        arguments: The command line without its name; the process's own by default.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if words and words[0] in _IN_PYTHON:
            return _IN_PYTHON[words[0]](words[1:])
        path = find_binary()
        sys.stdout.flush()
        # For the commands that ask this interpreter something.
        known = {"INFERSCOPE_PYTHON": sys.executable, "INFERSCOPE_PACKAGE": str(Path(__file__).parent.parent)}
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
