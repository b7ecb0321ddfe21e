"""The notebook of the plants: the cells as a user runs them, one by one."""

from __future__ import annotations

import json
from typing import Any

from plants import Plant

INTRO = """# Known answers

Cells that are slow for a known reason, each followed by the same cell without it. Run the cells of a plant in order and
compare the report with what its heading says. They need an NVIDIA GPU with some 20 GB of free memory, PyTorch, CuPy and
JAX; the first section needs none of these.

Generated from `bench/known_answers/cells` by `python3 bench/known_answers/publish.py`."""


def notebook(plants: list[Plant]) -> str:
    """The notebook's JSON. ``plants`` are in the order in which they are shown."""
    cells = [_markdown("intro", INTRO), _code("load", "%load_ext inferscope")]
    section, shared = "", ""
    for plant in plants:
        name = plant.name.replace("_", "-")
        if plant.section != section:
            section = plant.section
            cells.append(_markdown(f"{name}-section", section))
        if plant.shared and plant.shared != shared:
            shared = plant.shared
            cells.append(_code(f"{name}-shared", shared))
        cells.append(_markdown(name, _described(plant)))
        shown = {**plant.cells, "planted": plant.profiled}
        if plant.repaired:
            shown["repaired"] = plant.profiled_repaired
        cells += [_code(f"{name}-{kind.replace(' ', '-')}", source) for kind, source in shown.items()]
    return (
        json.dumps(
            {
                "cells": cells,
                "metadata": {
                    "inferscope": {"needs": ["gpu", "torch", "cupy", "jax"]},
                    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                    "language_info": {"name": "python"},
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            },
            indent=1,
        )
        + "\n"
    )


def _described(plant: Plant) -> str:
    lines = [f"## {plant.number}. {plant.title}", ""]
    if plant.prose:
        lines += [plant.prose, ""]
    lines.append(f"- verdict: {' or '.join(f'`{one}`' for one in plant.verdict)}")
    if plant.cause:
        where = " or ".join(map(str, plant.lines))
        lines.append(f"- cause: {' or '.join(f'`{one}`' for one in plant.cause)}, on line {where}")
    if plant.finds:
        lines.append(f"- found: {', '.join(f'`{one}`' for one in plant.finds)}")
    if plant.never:
        lines.append(f"- not to be said: {', '.join(f'`{one}`' for one in plant.never)}")
    if plant.says:
        lines.append(f"- to be said: \u201c{plant.says}\u201d")
    if plant.fresh:
        lines += ["", "Restart the kernel first."]
    return "\n".join(lines)


def _lines(source: str) -> list[str]:
    return source.splitlines(keepends=True)


def _markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(source)}


def _code(name: str, source: str) -> dict[str, Any]:
    code = {"execution_count": None, "outputs": [], "source": _lines(source)}
    return {"cell_type": "code", "id": name, "metadata": {}, **code}
