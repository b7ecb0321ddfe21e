"""The command ``inferscope``: a thin entry that becomes the Go binary."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .errors import InferScopeError
from .sidecar import find_binary

_USAGE = """usage: inferscope version    print the version

In a notebook: %load_ext inferscope, then %%inferscope on the first line of a cell.
"""

# What the binary answers for its users; "serve" is between it and the extension.
_COMMANDS = frozenset({"version"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns only when nothing could be executed.

    Args:
        arguments: The command line without its name; the process's own by default.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments in (["-h"], ["--help"], ["help"]):
        print(_USAGE, end="")
        return 0
    if arguments == ["--version"]:
        arguments = ["version"]
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        if arguments:
            print(f"inferscope: unknown command: {' '.join(arguments)}", file=sys.stderr)
        print(_USAGE, end="", file=sys.stderr)
        return 2
    try:
        path = find_binary()
        sys.stdout.flush()
        os.execv(path, [str(path), *arguments])
    except (InferScopeError, OSError) as error:
        print(f"inferscope: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
