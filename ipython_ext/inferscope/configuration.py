"""What the sidecar has to know of this process to find its configuration: where it is, and its environment."""

from __future__ import annotations

import os
from pathlib import Path

# The variables on which a configuration depends, beside those with the prefix.
_PREFIX = "INFERSCOPE_"
_HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
# What a message is worth: a variable that is longer is not one of ours.
_MOST, _LONGEST = 256, 8192


def directory() -> str:
    """The working directory; empty when it was removed."""
    try:
        return _text(str(Path.cwd()))
    except OSError:
        return ""


def environ() -> list[str]:
    """The part of the environment that matters, as NAME=value."""
    found = [
        _text(f"{name}={value}") for name, value in os.environ.items() if name.startswith(_PREFIX) or name in _HOMES
    ]
    return [entry for entry in found if len(entry) <= _LONGEST][:_MOST]


def _text(value: str) -> str:
    """What the system gave, without the lone surrogates that no message can hold."""
    return os.fsencode(value).decode("utf-8", "replace")
