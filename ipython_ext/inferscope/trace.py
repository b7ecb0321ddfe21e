"""The trace of a cell on disk, as tables of pandas or Polars."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .binary import find_binary
from .errors import InferScopeError

_LIBRARIES = ("pandas", "polars")
# What pandas reads Parquet with; Polars brings its own.
_PANDAS_ENGINES = ("pyarrow", "fastparquet")


class Tables(Mapping[str, Any]):
    """The tables of a trace by their names; each is read when it is first asked for.

    docs/trace-format.md describes them. The trace must still be there then: only the last cells' traces are kept.

    Args:
        path: The trace's folder.
        library: "pandas" or "polars"; by default the one that is installed.

    Raises:
        InferScopeError: The library is not installed, or the trace is not there.
    """

    def __init__(self, path: Path, library: str = "") -> None:
        self._library = _find_library(library)
        self._path = path
        self._read: dict[str, Any] = {}
        with _opened(path) as manifest:
            self._parts = _parts(path, manifest)

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            files = self._parts[name]
            with _opened(self._path):
                self._read[name] = _frame(self._library, files)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        return f"<inferscope tables ({self._library}): {', '.join(self._parts)}>"


def export(trace: Path, to: str, path: Path) -> Path:
    """Write a trace in the format of another tool: the command `inferscope export`, once the trace is complete.

    Args:
        trace: The trace's folder.
        to: The format's name.
        path: The file to write.

    Returns:
        The file, as an absolute path.

    Raises:
        InferScopeError: The trace is not there, or the command says why it wrote nothing.
    """
    path = path.absolute()
    _command(trace, "export", f"--to={to}", f"--output={path}")
    return path


def explain(trace: Path, subject: str) -> str:
    """Why the report of a trace says so of one cause: the command `inferscope analyze --explain`.

    Args:
        trace: The trace's folder.
        subject: A finding's id, a cause, or "all" for all findings.

    Returns:
        Lines of text.

    Raises:
        InferScopeError: The trace is not there, or there is no such finding or cause.
    """
    return _command(trace, "analyze", f"--explain={subject}")


def _command(trace: Path, *words: str) -> str:
    """What a command of the sidecar's program writes about a trace, once that is complete."""
    program = find_binary()
    with _opened(trace):
        done = subprocess.run(
            ["inferscope", *words, "--", str(trace)],
            executable=program,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        said, _, hint = done.stderr.removeprefix("inferscope: ").partition("\nhint: ")
        raise InferScopeError(f"{said.strip() or f'The command {words[0]} failed'}.", hint.strip())
    return done.stdout


def await_written(path: Path) -> None:
    """Wait until the sidecar has written a trace.

    Raises:
        InferScopeError: It has not, and will not.
    """
    with _opened(path):
        pass


def _find_library(name: str) -> str:
    if name not in ("", *_LIBRARIES):
        raise InferScopeError(f"Tables are made for pandas or Polars, not for {name!r}.", 'Write tables("polars").')
    installed = [library for library in _LIBRARIES if find_spec(library)]
    if name and name not in installed:
        needs = "pandas pyarrow" if name == "pandas" else name
        raise InferScopeError(f"{name} is not installed.", f"Install it with: %pip install {needs}")
    if not installed:
        raise InferScopeError(
            "Neither pandas nor Polars is installed.", "Install one with: %pip install pandas pyarrow"
        )
    if name == "polars" or installed[0] == "polars":
        return "polars"
    if any(map(find_spec, _PANDAS_ENGINES)):
        return "pandas"
    if not name and "polars" in installed:
        return "polars"
    raise InferScopeError(
        "pandas has nothing to read Parquet files with.", "Install an engine with: %pip install pyarrow"
    )


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any]]:
    """The trace's manifest, once the sidecar has written it; it is not removed meanwhile."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InferScopeError(
            f"The trace of this cell is not there: {error.strerror}.",
            "Only the last cells' traces are kept (INFERSCOPE_HISTORY_RUNS says how many); "
            "%inferscope says whether they can be written.",
        ) from None
    try:
        with suppress(OSError):  # without locks nobody waits and nobody removes
            fcntl.flock(folder, fcntl.LOCK_SH)  # the writer has it until it is done, or dead
        try:
            manifest = json.loads((path / "manifest.json").read_bytes())
            complete = manifest["complete"]
        except (OSError, ValueError, KeyError, TypeError):
            complete = False
        if not complete:
            raise InferScopeError(
                "The trace of this cell is not complete: the sidecar ended, or failed, while it wrote it.",
                "%inferscope says whether traces can be written; profile the cell again.",
            )
        yield manifest
    finally:
        os.close(folder)


def _parts(path: Path, manifest: dict[str, Any]) -> dict[str, list[Path]]:
    parts: dict[str, list[Path]] = {}
    for part in sorted(manifest["parts"], key=lambda part: str(part["file"])):
        # A name and nothing else: a manifest does not choose what is read elsewhere.
        parts.setdefault(str(part["table"]), []).append(path / Path(str(part["file"])).name)
    return parts


def _frame(library: str, files: list[Path]) -> Any:
    module = import_module(library)
    if library == "polars":
        return module.read_parquet([str(file) for file in files])
    frames = [module.read_parquet(file) for file in files]
    return frames[0] if len(frames) == 1 else module.concat(frames, ignore_index=True)
