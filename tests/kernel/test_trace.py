"""The trace that a cell leaves on disk: `last().trace` and `last().tables()`."""

from __future__ import annotations

import ast
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kernels import Kernel, load

_MISSING = [name for name in ("pandas", "pyarrow", "polars", "duckdb") if find_spec(name) is None]
# One environment of the matrix has them (.ci/requirements).
engines = pytest.mark.skipif(bool(_MISSING), reason=f"not installed in this environment: {_MISSING}")
CELL = """%%inferscope
import time, threading
lock = threading.Lock()
def work():
    for _ in range(5):
        with lock:
            time.sleep(0.002)
thread = threading.Thread(target=work, name="worker")
thread.start()
total = sum(i * i for i in range(200_000))
time.sleep(0.1)
thread.join()"""


@pytest.fixture(scope="module")
def kernel_with_trace(shared: Kernel) -> Kernel:
    """The module's kernel, where a cell was profiled and its trace kept under the name `first`."""
    reply = shared.run(CELL)
    assert reply.status == "ok" and len(reply.reports) == 1, reply
    assert shared.run("import inferscope\nfirst = inferscope.last()").status == "ok"
    # In the kernel, as a user waits: until the sidecar unlocks the folder.
    shared.run("import fcntl, os\nfd = os.open(first.trace, os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_SH)\nos.close(fd)")
    return shared


def trace_of(kernel: Kernel) -> Path:
    return Path(ast.literal_eval(kernel.value("str(first.trace)")))


def test_trace_is_a_folder_of_the_users_alone(kernel_with_trace):
    trace = trace_of(kernel_with_trace)
    assert trace.is_relative_to(os.environ["XDG_STATE_HOME"])
    for folder in (trace, trace.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    manifest = json.loads((trace / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["summary"] == json.loads(
        ast.literal_eval(kernel_with_trace.value("__import__('json').dumps(first.summary)"))
    )
    assert "\n".join(manifest["cell"]["lines"]) == CELL
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {part["file"] for part in manifest["parts"]} | {"manifest.json"} == {f.name for f in trace.iterdir()}
    for part in manifest["parts"]:
        assert (trace / part["file"]).stat().st_size == part["bytes"]


@engines
def test_tables_in_the_kernel(kernel_with_trace):
    """What a user does with the tables, on both libraries, agrees with the report."""
    for library in ("pandas", "polars"):
        reply = kernel_with_trace.run(
            f"""tables = first.tables({library!r})
print(type(tables["lines"]).__module__.split(".")[0], sorted(tables))
print(set(tables["lines"]["tid"]) <= set(tables["threads"]["tid"]), len(tables["device_ops"]))
print(sorted(set(tables["lines"]["text"])))"""
        )
        assert reply.status == "ok", reply.traceback
        kind, known, texts = reply.stdout.splitlines()
        assert kind.startswith(library) and "'scheduler'" in kind and "'calls'" in kind
        assert known == "True 0"
        assert "'total = sum(i * i for i in range(200_000))'" in texts


@engines
def test_sql_agrees_with_the_summary(kernel_with_trace):
    """DuckDB reads the files as they are: sums that it makes are those of the summary."""
    import duckdb

    trace = trace_of(kernel_with_trace)
    manifest = json.loads((trace / "manifest.json").read_text())
    summary, window = manifest["summary"], manifest["window"]
    assert summary["wall_ns"] == window["end_ns"] - window["start_ns"]

    def ask(query: str) -> list[tuple[object, ...]]:
        for table in ("lines", "scheduler", "threads"):
            query = query.replace(f"[{table}]", f"'{trace}/{table}-*.parquet'")
        return duckdb.sql(query).fetchall()

    lines = ask(f"""
        SELECT line, sum(until - time_ns) FROM (
            SELECT line, time_ns,
                lead(time_ns, 1, {window["end_ns"]}) OVER (PARTITION BY thread ORDER BY time_ns) AS until
            FROM [lines] JOIN [threads] USING (thread) WHERE main)
        WHERE line > 0 GROUP BY line""")
    exact = {row["line"]: row["host_ns"] for row in summary["host"]["lines"] if row["exact"] and row["host_ns"]}
    assert exact.items() <= dict(lines).items()
    blocked = dict(
        ask("""SELECT reason, sum(wake_ns - off_ns) FROM [scheduler] JOIN [threads] USING (thread)
            WHERE main AND reason <> 'preempted' GROUP BY reason""")
    )
    states = summary["host"]["states"]["blocked_ns"]
    assert states["sleep"] > 90_000_000 or manifest["rung"] != "ebpf"
    assert {reason: ns for reason, ns in blocked.items() if ns} == {reason: ns for reason, ns in states.items() if ns}


def test_without_a_library_the_hint_says_what_to_install(kernel_with_trace):
    reply = kernel_with_trace.run(
        """import sys, importlib.util as util
found = util.find_spec
hidden = {"pandas", "polars"}
import inferscope.trace as trace
trace.find_spec = lambda name: None if name in hidden else found(name)
def said(*arguments):
    try:
        first.tables(*arguments)
    except inferscope.InferScopeError as error:
        print(error)
said(); said("polars"); said("spark")
hidden = {"polars", "pyarrow", "fastparquet"}
trace.find_spec = lambda name: None if name in hidden else True
said(); said("pandas")
trace.find_spec = found"""
    )
    assert reply.status == "ok", reply.traceback
    none, polars, spark, engine, pandas_engine = reply.stdout.splitlines()
    assert "Neither pandas nor Polars is installed. Install one with: %pip install" in none
    assert "polars is not installed" in polars and "%pip install polars" in polars
    assert "not for 'spark'" in spark
    assert "nothing to read Parquet" in engine and "%pip install pyarrow" in engine
    assert pandas_engine == engine


def test_history_keeps_the_last_runs_and_says_what_is_gone(start_kernel, tmp_path):
    kernel = load(start_kernel(XDG_STATE_HOME=str(tmp_path), INFERSCOPE_HISTORY_RUNS="2"))
    for name in ("oldest", "older", "newest"):
        kernel.run(f"%%inferscope -o {name} --quiet\nx = 1")
        kernel.run(
            f"import fcntl, os\nfd = os.open({name}.trace, os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_SH)\nos.close(fd)"
        )
    # The oldest goes once the newest is written, by way of a hidden name; the folder is asked until it has.
    runs = tmp_path / "inferscope" / "runs"
    gone = f"any(name.startswith('.removing-') for name in os.listdir({str(runs)!r}))"
    kernel.run(f"import time\nwhile os.path.exists(oldest.trace) or {gone}: time.sleep(0.01)", timeout=60)
    assert kernel.value("older.trace.exists() and newest.trace.exists()") == "True"
    assert len(list(runs.glob("*.inferscope"))) == 2
    reply = kernel.run("try:\n    oldest.tables()\nexcept Exception as error:\n    print(type(error).__name__, error)")
    if "pandas" in kernel.value("[m for m in ('pandas', 'polars') if __import__('importlib.util').util.find_spec(m)]"):
        assert "InferScopeError" in reply.stdout and "is not there" in reply.stdout
        assert "INFERSCOPE_HISTORY_RUNS" in reply.stdout


def test_switched_off_nothing_is_written(start_kernel, tmp_path):
    kernel = load(start_kernel(XDG_STATE_HOME=str(tmp_path), INFERSCOPE_HISTORY_RUNS="0"))
    kernel.run("%%inferscope -o result --quiet\nx = 1")
    assert kernel.value("result.trace") == "None"
    reply = kernel.run("try:\n    result.tables()\nexcept Exception as error:\n    print(error)")
    assert reply.stdout.startswith("No trace of this cell was kept.")
    assert "history" in kernel.run("%inferscope").stdout
    assert list(tmp_path.iterdir()) == []


def test_home_that_cannot_be_written_is_one_sentence(start_kernel, tmp_path):
    (tmp_path / "file").write_text("")
    kernel = load(start_kernel(XDG_STATE_HOME=str(tmp_path / "file")))
    reply = kernel.run("%%inferscope -o result\n6 * 7")
    assert (reply.status, reply.result, len(reply.reports), reply.said) == ("ok", "42", 1, [])
    assert "The trace of this cell is not kept: " in reply.reports[0]["text/plain"]
    assert kernel.value("result.trace") == "None"


def test_trace_of_the_last_cell_survives_the_kernel(start_kernel, tmp_path):
    """A kernel that ends right after a cell waits for its trace, within bounds."""
    kernel = load(start_kernel(XDG_STATE_HOME=str(tmp_path)))
    kernel.run("%%inferscope\nx = 1")
    kernel.client.shutdown()
    kernel.manager.provisioner.process.wait(timeout=30)
    (trace,) = (tmp_path / "inferscope" / "runs").glob("*.inferscope")
    assert json.loads((trace / "manifest.json").read_text())["complete"]
