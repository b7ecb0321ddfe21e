"""Executes a notebook in a real kernel: as ``make demo`` does, and to renew the reports kept in the saved files.

python notebooks/execute.py NOTEBOOK [--html PATH] [--inplace]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

# The kernel of this interpreter, whatever kernels the user has installed.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def missing(path: Path) -> str:
    """What a notebook needs and this machine does not have, as a sentence; empty when it can run.

    Its metadata name its needs: ``"inferscope": {"needs": ["gpu", "torch"]}``, an NVIDIA GPU and Python modules.
    """
    needs = nbformat.read(path, as_version=4).metadata.get("inferscope", {}).get("needs", [])
    if "gpu" in needs and not any(Path("/dev").glob("nvidia[0-9]*")):
        return f"{path.name} needs an NVIDIA GPU, and there is no /dev/nvidia0."
    for module in needs:
        if module != "gpu" and importlib.util.find_spec(module) is None:
            return f"{path.name} needs the Python module {module}, which is not installed."
    return ""


def execute(path: Path) -> nbformat.NotebookNode:
    """Runs every cell and returns the notebook with its outputs.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
    ).execute()
    for cell in notebook.cells:
        # When each cell ran says nothing to a reader and changes with every run.
        cell.metadata.pop("execution", None)
    return notebook


def reports(notebook: nbformat.NotebookNode) -> list[str]:
    """The text of every report in the notebook's outputs, in order."""
    return [
        output.data["text/plain"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "display_data" and "InferScope" in output.get("data", {}).get("text/html", "")
    ]


def write_html(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Writes the notebook as one page that needs no network."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    exporter.exclude_input_prompt = True
    exporter.exclude_output_prompt = True
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": path.stem}})
    path.write_text(page, encoding="utf-8")


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Execute a notebook in a real kernel.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--html", type=Path, help="write the executed notebook as a page")
    parser.add_argument("--inplace", action="store_true", help="save the outputs in the notebook")
    arguments = parser.parse_args()
    if why := missing(arguments.notebook):
        print(why, file=sys.stderr)
        return 1
    started = time.monotonic()
    print(f"executing {arguments.notebook} in a kernel of Python {sys.version.split()[0]}", flush=True)
    try:
        notebook = execute(arguments.notebook)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    found = reports(notebook)
    print(f"{len(found)} reports in {time.monotonic() - started:.1f} s")
    if arguments.inplace:
        nbformat.write(notebook, arguments.notebook)
    if arguments.html:
        write_html(notebook, arguments.html)
        print(f"open {arguments.html.resolve().as_uri()}")
    if not found:
        print("No cell shows a report: the messages under the cells say why.", file=sys.stderr)
        return 1
    print()
    print(found[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
