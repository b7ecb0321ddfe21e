"""Whole notebooks, executed as "Run All" does it."""

from __future__ import annotations

import sys

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


class Manager(AsyncKernelManager):
    @property
    def kernel_spec(self):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="test", language="python")


def execute(*cells: str):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, kernel_manager_class=Manager, timeout=60)
    try:
        client.execute()
        return notebook, None
    except CellExecutionError as error:
        return notebook, error


def test_run_all_stops_after_a_failing_profiled_cell():
    notebook, error = execute("%load_ext inferscope", "%%inferscope\nx = 1\n1 / 0", "x = 2")
    assert error is not None and error.ename == "ZeroDivisionError"
    kinds = [output.output_type for output in notebook.cells[1].outputs]
    assert kinds.count("error") == 1
    assert notebook.cells[2].execution_count is None


@pytest.mark.parametrize("head", ["%%inferscope", "%%time\n%%inferscope"])
def test_run_all_saves_one_bundle(head):
    notebook, error = execute("%load_ext inferscope", f"{head}\nx = 1\nx + 1", "x")
    assert error is None
    saved = [output for output in notebook.cells[1].outputs if output.output_type == "display_data"]
    assert len(saved) == 1
    assert set(saved[0].data) == {"text/html", "text/markdown", "text/plain"}
    assert notebook.cells[1].outputs[-1] is saved[0]
    assert notebook.cells[2].outputs[0].data["text/plain"] == "1"
    nbformat.validate(notebook)
