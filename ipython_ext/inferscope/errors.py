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
