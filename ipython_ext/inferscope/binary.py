"""Where the Go program lies.

The command imports this and little more: its start-up is a matter of what is imported, so nothing here needs a module
that the interpreter has not loaded by itself.
"""

from __future__ import annotations

import os

from .errors import InferScopeError

VARIABLE = "INFERSCOPE_SIDECAR"


def find_binary() -> str:
    """Find the sidecar's binary, which is the command's too.

    Returns:
        Its absolute path: the environment variable INFERSCOPE_SIDECAR, or the package's own.

    Raises:
        InferScopeError: There is none.
    """
    override = os.environ.get(VARIABLE)
    if override:
        if not os.access(override, os.X_OK) or os.path.isdir(override):  # noqa: PTH112
            raise InferScopeError(
                f"{VARIABLE} names {override}, which is not a program.", f"Correct or unset {VARIABLE}."
            )
        return os.path.abspath(override)  # noqa: PTH100
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin", "inferscope-sidecar")  # noqa: PTH100, PTH118, PTH120
    if not os.access(path, os.X_OK):
        raise InferScopeError(
            "The sidecar's program is not in this installation.",
            "Install a wheel of inferscope-profiler, or in a source tree run `make build` (it needs Go).",
        )
    return path
