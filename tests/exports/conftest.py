"""Timelines written in every format, and Perfetto's own trace processor to read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENGINE = ROOT / ".tools" / "trace-processor"
# Long enough for a loaded machine; nothing waits for it when all is well.
SECONDS = 120

Row = dict[str, Any]
Query = Callable[..., list[list[Row]]]


def run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the tests' timelines in every format, and what is in them as JSON."""
    out = tmp_path_factory.mktemp("exports")
    run("go", "run", "./sidecar/internal/tracefile/sample", "-out", str(out))
    return out


@pytest.fixture(scope="session")
def query() -> Query:
    """Asks the trace processor: for a trace and SQL texts, a list of rows for each text."""
    if shutil.which("node") is None:
        pytest.skip("no node on PATH: apt-get install nodejs")
    if not ENGINE.exists():
        pytest.skip(f"no trace processor in {ENGINE.relative_to(ROOT)}: run .ci/trace-processor")

    def ask(trace: Path, *sql: str) -> list[list[Row]]:
        answer = json.loads(run("node", str(HERE / "query.mjs"), str(ENGINE), str(trace), stdin=json.dumps(sql)))
        assert isinstance(answer, list)
        return answer

    return ask
