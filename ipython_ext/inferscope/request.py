"""What the request tells that runs a cell: which cell it is, and whether somebody looks. Asked on the cell's thread."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

# What is longer is no name of a cell: front ends use ids and addresses.
_LONGEST_NAME = 1000


def parent(shell: InteractiveShell) -> dict[str, Any]:
    """The request that is being answered; empty outside a kernel."""
    with suppress(AttributeError, LookupError, TypeError):
        return dict(shell.get_parent())
    return {}


def message_id(shell: InteractiveShell) -> str | None:
    """What the request is called; None outside a kernel."""
    with suppress(LookupError, TypeError):
        return str(parent(shell)["header"]["msg_id"])
    return None


def cell_name(shell: InteractiveShell) -> str:
    """What the front end calls the cell, the same whenever it runs; empty when it does not tell."""
    with suppress(LookupError, TypeError):
        name = parent(shell)["metadata"]["cellId"]
        return name if isinstance(name, str) and len(name) <= _LONGEST_NAME else ""
    return ""


def watched(shell: InteractiveShell) -> bool:
    """Whether somebody looks at the cell while it runs, as far as that can be told.

    A front end names the cell in its request's metadata. What executes notebooks and scripts (nbclient, papermill,
    `jupyter run`) sends none.
    """
    return bool(parent(shell).get("metadata")) or "google.colab" in sys.modules
