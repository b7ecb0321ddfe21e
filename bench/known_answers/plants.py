"""The plants: notebook cells whose slowness is known, each with the repair.

They are written in cells/*.py as cells after ``# %%``, which editors open as notebooks. A plant has cells of these
kinds in this order, of which only the first and ``planted`` must be there:

``# %% [markdown]``
    ``## NUMBER. Title``, what is slow in words, and a list of ``- key: value`` with what must be said of it.
``# %% setup``
    Run once, unprofiled. ``steps`` is how often the planted cell repeats, by convention.
``# %% before``
    Run unprofiled right before each planted cell, which must not wait for it.
``# %% planted``
    The slow cell. The line to blame ends in ``# <- here``, so that nobody counts lines.
``# %% before repaired``, ``# %% repaired``
    The cell without the cause.
``# %% teardown``
    Run once afterwards.

A file begins with a markdown cell about its plants, and may have a ``# %% shared`` cell that each kernel runs once
before them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

CELLS = Path(__file__).resolve().parent / "cells"
MARK = "# <- here"
_KINDS = ("setup", "before", "planted", "before repaired", "repaired", "teardown")
_KEYS = {"name", "needs", "fresh", "options", "verdict", "cause", "finds", "never", "says", "blames", "share"}
_CELL = re.compile(r"^# %%[ \t]*(.*)$", re.MULTILINE)
_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)


class PlantError(ValueError):
    """A file of plants is not as this module says."""


@dataclass(frozen=True)
class Plant:
    """One cell whose slowness is known.

    Attributes:
        number: Its number; the order of the suite.
        name: A short word for files and test ids.
        title: What is slow, in a few words.
        prose: Why it is slow, in Markdown.
        cells: The source of each kind of cell that it has.
        section: The Markdown about the plants of its file.
        shared: The cell that its kernel runs once before.
        needs: The framework whose kernel runs it: "torch", "cupy" or "jax"; empty when it needs no GPU.
        fresh: The planted cell must be the first of its kernel.
        options: What stands behind ``%%inferscope``.
        verdict: The classes of which one must be given.
        cause: The kinds of cause of which one must be the largest; empty when none is to be named.
        finds: The findings of which one must be there, on the marked line if it names one.
        never: The findings that must not be there.
        says: Words that the verdict, the notes, the losses or the findings must contain.
        blames: Words of which one must be in the cause's thread or detail.
        share: The least part of all known causes that the cause on its line must have.
    """

    number: int
    name: str
    title: str
    prose: str
    cells: dict[str, str]
    section: str = ""
    shared: str = ""
    needs: str = ""
    fresh: bool = False
    options: str = ""
    verdict: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    says: str = ""
    blames: tuple[str, ...] = ()
    share: float = 0.0
    lines: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        marked = [n for n, text in enumerate(self.profiled.splitlines(), start=1) if MARK in text]
        object.__setattr__(self, "lines", tuple(marked))
        if not self.verdict:
            raise PlantError(f"plant {self.name} expects no verdict")
        if self.cause and not marked:
            raise PlantError(f"plant {self.name} marks no line")

    @property
    def planted(self) -> str:
        """The slow cell."""
        return self.cells["planted"]

    @property
    def profiled(self) -> str:
        """The slow cell as it is profiled."""
        return self._head + self.planted

    @property
    def repaired(self) -> str:
        """The cell without the cause; empty when nothing could be repaired."""
        return self.cells.get("repaired", "")

    @property
    def profiled_repaired(self) -> str:
        """That cell as it is profiled."""
        return self._head + self.repaired

    @property
    def _head(self) -> str:
        return f"%%inferscope {self.options}".rstrip() + "\n"


def plants() -> list[Plant]:
    """All plants, by number.

    Raises:
        PlantError: A file is not as it should be, or two plants have one number or name.
    """
    found = sorted((plant for path in sorted(CELLS.glob("*.py")) for plant in read(path)), key=lambda one: one.number)
    for what in ("number", "name"):
        values = [getattr(plant, what) for plant in found]
        if twice := {value for value in values if values.count(value) > 1}:
            raise PlantError(f"two plants have the {what} {min(twice)}")
    return found


def read(path: Path) -> list[Plant]:
    """The plants of one file, in its order."""
    pieces = _CELL.split(path.read_text())[1:]  # what stands before the first cell is the file's docstring
    section, shared, found = "", "", []
    heading, cells = "", {}

    def end() -> None:
        if heading:
            found.append(_plant(path, heading, dict(cells), section, shared))

    for kind, text in zip(pieces[::2], pieces[1::2], strict=True):
        source = text.strip("\n").rstrip()
        if kind == "[markdown]":
            end()
            heading, cells = _uncommented(source), {}
            if not _HEADING.search(heading):
                section, heading = heading, ""
        elif kind == "shared" and not heading:
            shared = source
        elif kind in _KINDS and heading and kind not in cells:
            cells[kind] = source
        else:
            raise PlantError(f"{path.name}: the cell {kind!r} stands where it does not belong")
    end()
    return found


def _uncommented(text: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())


def _plant(path: Path, heading: str, cells: dict[str, str], section: str, shared: str) -> Plant:
    match = _HEADING.search(heading)
    assert match is not None
    prose, keys = [], {}
    for line in heading[match.end() :].strip().splitlines():
        if entry := re.fullmatch(r"- ([a-z]+): (.+)", line):
            if entry[1] not in _KEYS:
                raise PlantError(f"{path.name}: plant {match[1]} has a key {entry[1]!r}; there are {sorted(_KEYS)}")
            keys[entry[1]] = f"{keys[entry[1]]}, {entry[2]}" if entry[1] in keys else entry[2]
        else:
            prose.append(line)

    def words(key: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in keys.get(key, "").split(",") if word.strip())

    if "name" not in keys or "planted" not in cells:
        raise PlantError(f"{path.name}: plant {match[1]} has no name or no planted cell")
    return Plant(
        number=int(match[1]),
        name=keys["name"],
        title=match[2],
        prose="\n".join(prose).strip(),
        cells=cells,
        section=section,
        shared=shared,
        needs=keys.get("needs", ""),
        fresh=keys.get("fresh") == "yes",
        options=keys.get("options", ""),
        verdict=words("verdict"),
        cause=words("cause"),
        finds=words("finds"),
        never=words("never"),
        says=keys.get("says", ""),
        blames=words("blames"),
        share=float(keys.get("share", "0")),
    )
