"""Profiles one cell of a hundred kernels in a plain IPython shell, and prints what the report says of it.

    python tests/gpu/one_cell.py

The line begins with ``one_cell:`` and goes on with a JSON object: the cell's answer, the kernels counted, and the
reasons for what the capture did not see.
"""

from __future__ import annotations

import json

from IPython.core.interactiveshell import InteractiveShell

CELLS = (
    "import torch\nx = torch.ones(64, 64, device='cuda')\ny = torch.add(x, 1)\ntorch.cuda.synchronize()",
    "%load_ext inferscope",
    "%%inferscope --quiet\nfor _ in range(100):\n    y = torch.add(x, 1)\n",
)


def main() -> None:
    """Run the cells."""
    shell = InteractiveShell.instance()
    for cell in CELLS:
        shell.run_cell(cell).raise_error()
    import inferscope

    summary = inferscope.last().summary
    found = {
        "answer": float(shell.user_ns["y"].sum()),
        "kernels": sum(device["kernels"] for device in summary["devices"]),
        "losses": [loss["reason"] for loss in summary["losses"] if loss["source"] in {"cupti", "cudaprobe"}],
    }
    print("\none_cell: " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
