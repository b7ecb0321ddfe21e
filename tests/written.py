"""What a Go program of this repository writes for tests: samples that the tests themselves cannot make."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Long enough for a loaded machine that compiles it first; nothing waits for it when all is well.
SECONDS = 120


def written_by(program: str, out: Path) -> Path:
    """Runs a program, by its folder, that writes into a folder, and gives that folder back."""
    command = ["go", "run", f"./{program}", "-out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return out
