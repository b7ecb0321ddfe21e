"""The errors a user may see: always one sentence, and what to do about it."""

from __future__ import annotations


class InferScopeError(Exception):
    """Something InferScope could not do, said for the user.

    Attributes:
        sentence: What happened, one sentence with its full stop.
        hint: What to do about it; may be empty.
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence if not hint else f"{sentence} {hint}")
        self.sentence = sentence
        self.hint = hint


class OptionError(InferScopeError):
    """The user's options could not be understood. The cell is not run."""


def missing_module(error: ImportError, install: str = "%pip install") -> InferScopeError:
    """What to say when a part of InferScope cannot be imported.

    Args:
        error: What the import raised.
        install: The command that installs a package.
    """
    # Not read from the error: where two threads import at once, it may name a module of ours.
    for module, package in (("zmq", "pyzmq"), ("msgpack", "msgpack")):
        try:
            __import__(module)
        except ImportError:
            return InferScopeError(
                f"InferScope needs the Python package {package}.", f"Install it with: {install} {package}"
            )
    return InferScopeError(f"A part of InferScope could not be imported: {error}.")
