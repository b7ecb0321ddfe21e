"""What a script run leaves behind: the report in a file, or on standard error."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from .errors import InferScopeError
from .result import Result

# A page of its own is light or dark as the user likes pages: colours that a browser has for each.
_PAINT = "color-scheme:light dark;background:canvas;color:canvastext"


class Voice:
    """The standard error that the run began with, whatever the script does with its own."""

    def __init__(self) -> None:
        self.descriptor = -1
        with suppress(OSError, ValueError, AttributeError):  # there may be none
            self.descriptor = os.dup(sys.__stderr__.fileno())  # type: ignore[union-attr]
        self._encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"

    def say(self, sentence: str, hint: str = "") -> None:
        """One sentence, and what to do about it."""
        self.write(f"inferscope: {_one_line(sentence)}\n" + (f"hint: {_one_line(hint)}\n" if hint else ""))

    def fail(self, error: InferScopeError, meaning: str) -> None:
        """What went wrong, and what that means for the script."""
        self.say(f"{error.sentence.rstrip('.')}; {meaning}", error.hint)

    def write(self, text: str) -> None:
        """Write text as it is. Never raises."""
        content = text.encode(self._encoding, "replace")
        with suppress(Exception):
            sys.stderr.flush()
        with suppress(OSError):
            while content and self.descriptor >= 0:
                content = content[os.write(self.descriptor, content) :]

    def terminal(self) -> tuple[int, bool]:
        """How many columns a terminal has that listens, and whether it wants colours; (0, False) for no terminal."""
        try:
            columns = os.get_terminal_size(self.descriptor).columns
        except OSError:
            return 0, False
        with suppress(ValueError):
            columns = int(os.environ.get("COLUMNS", "")) or columns
        colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        return max(0, min(columns, 1000)), colour

    def close(self) -> None:
        """Let go of it; what is said afterwards is not heard."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


def render(result: Result, format: str, title: str) -> str:
    """The report as the text of a file.

    Args:
        result: What it says.
        format: One of `run_options.FORMATS`.
        title: The title of a page.
    """
    if format == "html":
        return (
            f'<!doctype html>\n<html lang="en" style="{_PAINT}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(result.html)}">'
            f"<title>{html.escape(title)}</title></head>\n<body><main>{result.html}</main></body></html>\n"
        )
    if format == "json":
        return json.dumps(result.summary, indent=2, ensure_ascii=False) + "\n"
    return (result.markdown if format == "md" else result.text).rstrip("\n") + "\n"


def _policy(fragment: str) -> str:
    """What a page of the report may do: load nothing, and execute the timeline's script alone."""
    scripts = re.findall("<script>(.*?)</script>", fragment, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def numbered(path: Path, number: int) -> Path:
    """The path of the report with this number, counted from 1: report.html, report-2.html."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def write(path: Path, text: str) -> None:
    """Write a report: as a whole or, where it cannot be, not at all.

    Raises:
        InferScopeError: It cannot be written.
    """
    try:
        if path.exists() and not path.is_file():  # as /dev/stdout
            path.write_text(text, encoding="utf-8", errors="replace")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise InferScopeError(
            f"The report cannot be written to {path}: {error.strerror or error}.", "Name another file by --report."
        ) from None


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".inferscope-{os.urandom(8).hex()}")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace")
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # gone already when all went well


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).rstrip(".")
