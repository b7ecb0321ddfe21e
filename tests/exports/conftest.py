"""Timelines written in every format, and Perfetto's own trace processor to read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from written import written_by

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENGINE = ROOT / ".tools" / "trace-processor"
# Long enough for a loaded machine; nothing waits for it when all is well.
SECONDS = 120

Row = dict[str, Any]
Query = Callable[..., list[list[Row]]]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the tests' timelines in every format, and what is in them as JSON."""
    return written_by("sidecar/internal/tracefile/sample", tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="session")
def query() -> Iterator[Query]:
    """Asks the trace processor: for a trace and SQL texts, a list of rows for each text.

    A process for each trace answers until the end: to start one takes longer than to ask it.
    """
    if shutil.which("node") is None:
        pytest.skip("no node on PATH: apt-get install nodejs")
    if not ENGINE.exists():
        pytest.skip(f"no trace processor in {ENGINE.relative_to(ROOT)}: run .ci/trace-processor")

    processes: dict[Path, subprocess.Popen[str]] = {}

    def ask(trace: Path, *sql: str) -> list[list[Row]]:
        if trace not in processes:
            processes[trace] = subprocess.Popen(
                ["node", HERE / "query.mjs", ENGINE, trace],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        process = processes[trace]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(sql) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"the trace processor ended with status {process.wait(SECONDS)}: see its standard error"
        answer = json.loads(line)
        assert isinstance(answer, list)
        return answer

    yield ask
    for process in processes.values():
        process.communicate(timeout=SECONDS)
