"""The command ``inferscope``, and the one version number."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import inferscope


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inferscope", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_version_is_the_same_everywhere() -> None:
    for spelling in ("version", "--version"):
        done = run(spelling)
        assert (done.returncode, done.stdout, done.stderr) == (0, inferscope.__version__ + "\n", "")


def test_bad_usage_is_two() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: inferscope COMMAND")
    for arguments, said in (
        (("serve",), 'inferscope: there is no command "serve"\n'),
        (("verison",), "hint: did you mean `inferscope version`?"),
        (("version", "--hlp"), "hint: did you mean --help?"),
        (("version", "more"), 'inferscope: version has no place for "more"\n'),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_help_teaches() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "%load_ext inferscope" in done.stdout
    for command in re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE):
        shown = run("help", command)
        assert shown.stdout.startswith(f"usage: inferscope {command}")
        assert shown.stdout == run(command, "--help").stdout


def test_export_writes_a_file_beside(tmp_path: Path) -> None:
    events = [{"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 5, "tid": 6, "ts": 10, "dur": 90}]
    trace = tmp_path / "train.pt.trace.json"
    trace.write_text(json.dumps({"traceEvents": events}))
    done = run("export", str(trace), "--to", "chrome", "-o", str(tmp_path / "out.json"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'out.json'}\n", "")
    written = json.loads((tmp_path / "out.json").read_text())["traceEvents"]
    assert [(e["name"], e["dur"]) for e in written if e["ph"] == "X"] == [("aten::add", 90.0)]
    done = run("export", str(trace))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("inferscope: export needs --to FORMAT\nhint: ")


def test_compare_reads_two_traces(tmp_path: Path) -> None:
    for name, length in (("old", 5_000_000), ("new", 2_000_000)):
        event = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 5, "tid": 6, "ts": 10, "dur": length}
        (tmp_path / f"{name}.json").write_text(json.dumps({"traceEvents": [event]}))
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    done = run("compare", old, new)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Faster: 5.00 s → 2.00 s")
    done = run("compare", old, "-f", "json", "--to", new)
    document = json.loads(done.stdout)
    assert (document["schema"], document["wall_ns"]["diff"]) == ("inferscope.compare/1", -3_000_000_000)
    done = run("compare", old)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("inferscope: compare needs two runs\nhint: ")


def test_override_is_what_runs(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho other $*\nexit 7\n")
    other.chmod(other.stat().st_mode | stat.S_IXUSR)
    done = run("version", INFERSCOPE_SIDECAR=str(other))
    assert (done.returncode, done.stdout) == (7, "other version\n")


def test_missing_binary_is_a_sentence_with_a_hint(tmp_path: Path) -> None:
    done = run("version", INFERSCOPE_SIDECAR=str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr == (
        f"inferscope: INFERSCOPE_SIDECAR names {tmp_path / 'none'}, which is not a program\n"
        "hint: Correct or unset INFERSCOPE_SIDECAR.\n"
    )


def test_analyze_reads_a_trace(tmp_path: Path) -> None:
    trace, page = tmp_path / "t.json", tmp_path / "r.html"
    trace.write_text('[{"ph":"X","cat":"kernel","name":"k","pid":0,"tid":7,"ts":1.5,"dur":2.25,"args":{"device":0}}]')
    done = run("analyze", str(trace), "-o", str(page))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    cut = trace.read_text()[:-1]
    trace.write_text(cut)
    done = run("analyze", str(trace))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"{trace} cannot be read: byte {len(cut)}: the trace ends too early\nhint: " in done.stderr
