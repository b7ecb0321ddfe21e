"""InferScope: why a notebook cell is slow, and what fixing it would save.

In a notebook, `%load_ext inferscope` once, then `%%inferscope` on the first line
of a cell. Everything else here is optional.
"""

from __future__ import annotations

from ._version import __version__
from .errors import InferScopeError

# As typing has it, which would be half of the time that the command takes to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from IPython.core.interactiveshell import InteractiveShell

    from .api import mark_event, scope
    from .gpu_devices import MultiGpuError
    from .result import Loss, Result

__all__ = ["InferScopeError", "Loss", "MultiGpuError", "Result", "__version__", "last", "mark_event", "scope"]


def __getattr__(name: str) -> Any:
    # Not imported above: without msgpack a cell says what is missing, which needs this module. And what is imported
    # here is imported before `python -m inferscope run` can take the working directory out of sys.path.
    if name in ("mark_event", "scope"):
        from . import api

        return getattr(api, name)
    if name in ("Loss", "Result"):
        from . import result

        return getattr(result, name)
    if name == "MultiGpuError":
        from .gpu_devices import MultiGpuError  # brings ctypes along

        return MultiGpuError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def last() -> Result:
    """The result of the last profiled cell.

    Raises:
        InferScopeError: No cell has been profiled yet.
    """
    # Not imported above: cell brings IPython along, which a script does not need.
    from .cell import last_result

    return last_result()


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Load InferScope into a shell: what `%load_ext inferscope` calls."""
    from . import magic

    magic.load(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Unload InferScope from a shell and end its sidecar."""
    from . import magic

    magic.unload()
