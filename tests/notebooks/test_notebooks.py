"""Every notebook runs in a real kernel, and its reports say what its prose says."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.single


def missing(path: Path) -> str:
    """What the notebook needs and this machine lacks, as ``notebooks/execute.py`` finds it."""
    spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks/execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.missing(path))


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook after ``notebooks/execute.py``, in a folder of its own."""
    if why := missing(request.param):
        pytest.skip(why)
    folder = tmp_path_factory.mktemp(request.param.stem)
    copy = folder / request.param.name
    copy.write_bytes(request.param.read_bytes())
    page = folder / "page.html"
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks/execute.py", copy, "--html", page, "--inplace"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.stat().st_size > 10_000
    return nbformat.read(copy, as_version=4)


def profiled(notebook: nbformat.NotebookNode) -> list[tuple[str, list[Any]]]:
    """Source and outputs of the cells with ``%%inferscope``."""
    return [
        (cell.source, cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.startswith("%%inferscope")
    ]


def report_of(outputs: list[Any]) -> dict[str, str]:
    found = [output.data for output in outputs if output.output_type == "display_data" and "text/html" in output.data]
    assert len(found) == 1
    return found[0]  # type: ignore[no-any-return]


def test_every_profiled_cell_has_one_report_and_no_other_output(executed: nbformat.NotebookNode) -> None:
    cells = profiled(executed)
    assert cells
    for _, outputs in cells:
        report = report_of(outputs)
        assert {"text/html", "text/markdown", "text/plain"} <= set(report)
        assert [output.output_type for output in outputs] == ["display_data"]
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_reports_hold_no_path_of_this_machine(executed: nbformat.NotebookNode) -> None:
    outputs = json.dumps([outputs for _, outputs in profiled(executed)])
    assert str(ROOT) not in outputs
    assert str(Path.home()) + "/" not in outputs
    assert sys.base_prefix not in outputs
    assert not re.search(r"/site-packages/|/lib/python3", outputs)


def test_the_preprocessing_line_is_named(executed: nbformat.NotebookNode) -> None:
    """The inference example's slow cell: the time in Python is the pixel loop's.

    Whether that is the verdict depends on the machine: on a busy one it is the wait for a CPU.
    """
    source, outputs = profiled(executed)[0]
    pixels = "(value / 255 - mean) / std"
    if pixels not in source:
        return  # another notebook
    number = next(i for i, line in enumerate(source.splitlines(), 1) if pixels in line)
    text = report_of(outputs)["text/plain"]
    named = re.search(r"%.*\bPython +line (\d+)", text)
    assert named and int(named.group(1)) == number, text


def test_the_loader_line_is_named() -> None:
    """The training example's slow cell, as it is saved: the GPU waited for the line that runs the loader."""
    source, outputs = profiled(nbformat.read(ROOT / "notebooks/training_on_gpu.ipynb", as_version=4))[0]
    number = next(i for i, line in enumerate(source.splitlines(), 1) if "DataLoader(Pictures()" in line)
    text = report_of(outputs)["text/plain"]
    named = re.search(r"WHERE THE GPU'S IDLE TIME WENT.*\n.*\bline (\d+)", text)
    assert named and int(named.group(1)) == number, text


def test_the_saved_notebook_shows_its_reports() -> None:
    """The committed file keeps outputs, so that it reads well where nothing runs it."""
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        for _, outputs in profiled(notebook):
            assert "InferScope" in report_of(outputs)["text/html"]


def test_a_notebook_whose_needs_are_not_met_says_which(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"inferscope": {"needs": ["no_such_module"]}})
    path = tmp_path / "needy.ipynb"
    nbformat.write(notebook, path)
    done = subprocess.run([sys.executable, ROOT / "notebooks/execute.py", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "needy.ipynb needs the Python module no_such_module, which is not installed.\n"
    assert missing(path) == done.stderr.strip()
