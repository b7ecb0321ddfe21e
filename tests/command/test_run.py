"""What `inferscope run` collects, writes and says."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from inferscope.options import Parser
from inferscope.run_options import _parser

from .conftest import Folder

EXACT_FUNCTIONS = sys.version_info >= (3, 12)


def summary(folder: Folder, name: str = "r.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder.path / name).read_text())
    return found


def hits(found: dict[str, Any]) -> dict[int, int]:
    """How often each line began, of those that did."""
    return {line["line"]: line["hits"] for line in found["host"]["lines"] if line["hits"]}


def test_the_report_is_on_standard_error(folder: Folder) -> None:
    folder.write("slow.py", "import time\nprint('out')\ntime.sleep(0.2)\n")
    done = folder.run("slow.py")
    assert (done.status, done.stdout) == (0, "out\n")
    assert "sleeping on line 3 (`time.sleep(0.2)`)" in " ".join(done.stderr.split())
    assert ", slow.py." in done.stderr


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (("-o", "r.html"), "<!doctype html>"),
        (("--report", "r.md"), "**"),
        (("--report=r.txt",), ""),
        (("-o", "r.json"), "{"),
        (("-o", "r.anything", "--format", "json"), "{"),
        (("-f", "md", "-o", "r.html"), "**"),
    ],
)
def test_formats(folder: Folder, words: tuple[str, ...], begins: str) -> None:
    folder.write("slow.py", "import os, time\nos.chdir('/')\ntime.sleep(0.1)\n")
    done = folder.run(*words, "slow.py")
    (report,) = folder.path.glob("r.*")
    assert report.read_text().lstrip().startswith(begins)
    assert done.stderr.startswith(f"inferscope: {report}: ")
    assert len(done.stderr.splitlines()) == 1


def test_quiet_says_nothing_and_writes_the_report(folder: Folder) -> None:
    folder.write("slow.py", "x = 1\n")
    assert folder.run("-q", "slow.py").stderr == ""
    assert folder.run("--quiet", "-o", "r.json", "slow.py").stderr == ""
    assert summary(folder)["source"]["kind"] == "script"
    assert folder.run("slow.py", INFERSCOPE_QUIET="true").stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "There is no script to run"),
        (("--hz", "10"), "There is no script to run"),
        (("--hz", "0", "s.py"), "'0' is not a whole number from 1 to 10000"),
        (("--functoins", "s.py"), "Did you mean --functions?"),
        (("--duration", "-1", "s.py"), "'-1' is not a number of seconds"),
        (("--signal", "KILL", "s.py"), "'KILL' is not a signal that can switch collecting"),
        (("--signal", "USR1", "--scope", "a", "s.py"), "--scope and --signal cannot be used together"),
        (("-o", "r.pdf", "s.py"), "does not tell the report's format"),
        (("-o", "nowhere/r.html", "s.py"), "there is no folder"),
        (("-o", ".", "s.py"), ". is a folder"),
        (("--trace", "t", "s.py"), "Let its name end in .inferscope"),
        (("--trace", "nowhere/t.inferscope", "s.py"), "there is no folder"),
        (("--format", "pdf", "s.py"), "invalid choice: 'pdf'"),
        (("-m",), "-m needs a value"),
        (("-c",), "-c needs a value"),
        (("nowhere.py",), "The script nowhere.py cannot be read: No such file or directory"),
        (("--hz",), "xpected one argument"),
    ],
)
def test_a_wrong_command_line_runs_nothing(folder: Folder, words: tuple[str, ...], said: str) -> None:
    folder.write("s.py", "open('ran', 'w')\n")
    done = folder.run(*words)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("inferscope: ") and said in done.stderr
    assert not (folder.path / "ran").exists()


def test_the_help_describes_every_option(folder: Folder) -> None:
    done = folder.run("--help")
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == folder.python("-m", "inferscope", "help", "run").stdout
    parser: Parser = _parser()
    described = set(
        re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout.split("\noptions:\n")[1].split("\nexamples:")[0])
    )
    described -= {"-h", "--help"}
    assert all(parser.option(name) is not None for name in described), described
    for action in parser._actions:
        assert described & set(action.option_strings), action.option_strings


def test_lines_of_the_main_module_are_exact(folder: Folder) -> None:
    folder.write(
        "s.py", "import os.path\n\nx = 0\nfor i in range(3):\n    x += i\nif __name__ == '__main__':\n    x = 7\n"
    )
    folder.run("-o", "r.json", "s.py")
    found = hits(summary(folder))
    assert (found[3], found[5], found[7]) == (1, 3, 1)
    assert set(found) == {1, 3, 4, 5, 6, 7}


@pytest.mark.skipif(not EXACT_FUNCTIONS, reason="without sys.monitoring what functions execute is sampled")
def test_lines_of_functions_of_the_main_module_are_exact(folder: Folder) -> None:
    folder.write("other.py", "def g():\n    return 1\n")
    folder.write(
        "s.py",
        "import other\n\ndef f(n):\n    return n + 1\n\nfor i in range(3):\n    f(i)\n    other.g()\n"
        "if __name__ == '__main__':\n    f(5)\n",
    )
    folder.run("-o", "r.json", "s.py")
    found = hits(summary(folder))
    assert found[7] == found[8] == 3
    assert found[10] == 1
    assert set(found) <= {1, 3, 4, 6, 7, 8, 9, 10}
    assert found[4] == 4


@pytest.mark.parametrize("words", [("-m", "tool"), ("pack",), ("pack.zip",), ("-",), ("-c", "x = 1\ny = 2\n")])
def test_lines_whatever_names_the_program(folder: Folder, words: tuple[str, ...]) -> None:
    text = "x = 1\ny = 2\n"
    folder.write("tool.py", text)
    folder.write("pack/__main__.py", text)
    shutil.make_archive(str(folder.path / "pack"), "zip", folder.path / "pack")
    folder.run("-o", "r.json", *words, stdin=text)
    found = summary(folder)
    assert hits(found) == {1: 1, 2: 1}
    assert found["cell"]["lines"] == 2


def test_settings_count_and_their_mistakes_are_said(folder: Folder) -> None:
    folder.write("s.py", "def f(): pass\nfor i in range(4): f()\n")
    folder.run("--functions", "--no-ebpf", "-o", "r.json", "s.py")
    found = summary(folder)
    exact = {one["name"]: one["calls"] for one in found["host"]["functions"] if one["exact"]}
    assert exact == {"<module>": 1, "f": 4}
    assert found["host"]["rung"] != "ebpf"
    folder.write("pyproject.toml", "[tool.inferscope]\nfunctions = true\n")
    folder.run("-o", "r.json", "s.py")
    assert any(one["exact"] for one in summary(folder)["host"]["functions"])
    done = folder.run("-q", "s.py", INFERSCOPE_HZ="many")
    assert len(done.stderr.splitlines()) == 1 and "INFERSCOPE_HZ" in done.stderr


def test_ipython_is_not_imported(folder: Folder) -> None:
    folder.write(
        "s.py", "import sys; print([m for m in ('IPython', 'numpy', 'traitlets', 'asyncio') if m in sys.modules])"
    )
    assert folder.run("-q", "s.py").stdout == "[]\n"


def test_threads_and_callbacks_at_the_end_are_in_the_report(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import atexit, inferscope, threading\nopen_it = threading.Event()\n"
        "def late():\n    open_it.wait()\n    with inferscope.scope('late thread'): pass\n"
        "def end():\n    with inferscope.scope('at exit'): pass\n"
        "atexit.register(end)\nthreading.Thread(target=late).start()\nopen_it.set()\n",
    )
    folder.run("-o", "r.json", "s.py")
    assert {scope["name"] for scope in summary(folder)["host"]["scopes"]} == {"late thread", "at exit"}


def test_exits_and_errors_are_told(folder: Folder) -> None:
    for program, outcome, name in (
        ("import sys; sys.exit()", "ok", ""),
        ("import sys; sys.exit(2)", "exit", "SystemExit"),
        ("1 / 0", "error", "ZeroDivisionError"),
        ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
    ):
        folder.run("-q", "-o", "r.json", "-c", program)
        cell = summary(folder)["cell"]
        assert (cell["outcome"], cell["error_name"], cell["name"]) == (outcome, name, "-c")


def test_only_the_scope(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import inferscope\nbefore = 1\nfor i in range(2):\n    with inferscope.scope('step'):\n        inside = 2\n"
        "        inside = 3\nafter = 4\n",
    )
    folder.run("--scope", "step", "-o", "r.json", "s.py")
    found = summary(folder)
    assert [(one["name"], one["count"]) for one in found["host"]["scopes"]] == [("step", 1)]
    lines = set(hits(found))
    assert {5, 6} <= lines <= {4, 5, 6}
    assert not (folder.path / "r-2.json").exists()


def test_only_the_scope_in_a_function_of_a_thread(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import inferscope, threading\n@inferscope.scope('step')\ndef f():\n    return 1\n"
        "t = threading.Thread(target=f, name='worker')\nt.start()\nt.join()\n",
    )
    folder.run("--scope", "step", "-o", "r.json", "s.py")
    found = summary(folder)
    assert [one["name"] for one in found["host"]["scopes"]] == ["step"]
    assert [one["name"] for one in found["host"]["threads"] if one["main"]] == ["worker"]


def test_a_scope_that_is_not_entered_is_said(folder: Folder) -> None:
    folder.write("s.py", "print(1)\n")
    done = folder.run("--scope", "stpe", "-o", "r.json", "s.py")
    assert (done.status, done.stdout) == (0, "1\n")
    assert done.stderr == "inferscope: no scope 'stpe' was entered and left, so nothing was collected\n"
    assert not (folder.path / "r.json").exists()


# Both go on until the report is there: it is written while the script runs.
BUSY = """\
import pathlib
x = 0
while not pathlib.Path('r.json').exists():
    x += 1
print('seen')
"""
BLOCKED = """\
import pathlib, threading
gate = threading.Lock()
gate.acquire()
def look():
    path = pathlib.Path('r.json')
    while not path.exists():
        threading.Event().wait(0.01)
    gate.release()
threading.Thread(target=look).start()
gate.acquire()
print('seen')
"""


@pytest.mark.parametrize("program", [BUSY, BLOCKED], ids=["busy", "blocked"])
def test_collecting_stops_when_the_time_is_over(folder: Folder, program: str) -> None:
    folder.write("s.py", program)
    done = folder.run("--duration", "0.2", "-o", "r.json", "s.py")
    assert (done.status, done.stdout) == (0, "seen\n")
    assert len(done.stderr.splitlines()) == 1
    assert not (folder.path / "r-2.json").exists()


def test_a_script_that_is_shorter_than_the_time(folder: Folder) -> None:
    done = folder.run("--duration", "1000", "-o", "r.json", "-c", "print(1)")
    assert (done.status, done.stdout) == (0, "1\n")
    assert hits(summary(folder)) == {1: 1}


def test_the_trace_is_kept_where_it_is_wanted(folder: Folder) -> None:
    folder.write("s.py", "import inferscope, os\nos.chdir('/')\nwith inferscope.scope('one'): pass\n")
    done = folder.run("--trace", "t.inferscope", "-o", "r.json", "s.py")
    assert (done.status, len(done.stderr.splitlines())) == (0, 1)
    manifest = json.loads((folder.path / "t.inferscope" / "manifest.json").read_text())
    assert manifest["complete"]
    read = json.loads(folder.python("-m", "inferscope", "analyze", "--format", "json", "t.inferscope").stdout)
    assert read["host"]["scopes"][0]["name"] == "one"
    assert read["source"] == {"kind": "script", "path": "t.inferscope"}
    assert read["verdict"]["sentence"].startswith("The script ")
    again = folder.run("--trace", "t.inferscope", "s.py")
    assert again.status == 2 and "there is t.inferscope already" in again.stderr


def test_a_trace_that_cannot_be_written_is_said(folder: Folder) -> None:
    folder.write("s.py", "import os\nos.mkdir('t.inferscope')\n")
    done = folder.run("-q", "--trace", "t.inferscope", "s.py")
    assert done.status == 0
    sentence, hint = done.stderr.splitlines()
    assert (
        sentence == f"inferscope: the trace was not written: mkdir {folder.path / 't.inferscope'}: file already exists"
    )
    assert hint == "hint: Make room, or name a folder elsewhere by --trace"
    assert not list((folder.path / "t.inferscope").iterdir())


def test_a_full_disk_is_said_and_leaves_no_part(folder: Folder, small_disk: Path) -> None:
    folder.write("s.py", "import os\nfor i in range(2000): x = os.urandom(1)\n")
    for words, what in (
        (("-o", f"{small_disk}/r.html", "s.py"), "The report cannot be written"),
        (("-q", "--trace", f"{small_disk}/t.inferscope", "s.py"), "the trace was not written"),
    ):
        done = folder.run(*words)
        assert done.status == 0
        assert done.stderr.startswith(f"inferscope: {what}") and "o space left on device" in done.stderr.splitlines()[0]
        assert done.stderr.splitlines()[1].startswith("hint: ")
        assert not list(small_disk.iterdir())


def test_a_report_that_cannot_be_written_follows_as_text(folder: Folder) -> None:
    done = folder.run("-o", "/proc/r.html", "-c", "x = 1")
    assert done.status == 0
    assert "; it follows as text\nhint: " in done.stderr and "WHERE THE TIME WENT" in done.stderr
    assert "<html" not in done.stderr


def test_a_report_takes_the_place_of_a_file(folder: Folder) -> None:
    folder.write("there.json", "old").chmod(0o600)
    (folder.path / "link.json").symlink_to("there.json")
    folder.run("-q", "-o", "link.json", "-c", "x = 1")
    assert summary(folder, "there.json")["source"]["kind"] == "script"
    assert (folder.path / "there.json").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in folder.path.iterdir()) == ["link.json", "there.json"]


# What goes wrong with InferScope.


def test_without_a_sidecar_the_script_runs(folder: Folder) -> None:
    folder.write("s.py", "import sys\nprint(1)\nsys.exit(3)\n")
    done = folder.run("s.py", INFERSCOPE_SIDECAR=str(folder.path / "none"))
    assert (done.status, done.stdout) == (3, "1\n")
    (sentence, hint) = done.stderr.splitlines()
    assert sentence.endswith("which is not a program; the script runs without a profile")
    assert hint == "hint: Correct or unset INFERSCOPE_SIDECAR"


def test_a_sidecar_that_is_killed_is_said(folder: Folder) -> None:
    folder.write(
        "s.py",
        "import os, pathlib, signal\nfor task in pathlib.Path(f'/proc/{os.getpid()}/task').iterdir():\n"
        "    for child in (task / 'children').read_text().split():\n"
        "        os.kill(int(child), signal.SIGKILL)\nprint('on')\n",
    )
    done = folder.run("s.py")
    assert (done.status, done.stdout) == (0, "on\n")
    assert "The sidecar was killed by SIGKILL; the script ran as it would have" in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_report_that_cannot_be_written_is_shown(folder: Folder) -> None:
    (folder.path / "gone").mkdir()
    folder.write("s.py", "import os\nos.rmdir('gone')\n")
    done = folder.run("-o", "gone/r.txt", "s.py")
    assert done.status == 0
    assert "cannot be written to" in done.stderr.splitlines()[0]
    assert "s.py." in done.stderr


def test_a_missing_package_is_said(folder: Folder) -> None:
    folder.write("broken/msgpack/__init__.py", "raise ImportError('no msgpack here')\n")
    path = os.pathsep.join([str(folder.path / "broken"), os.environ.get("PYTHONPATH", "")])
    done = folder.run("-c", "print(1)", PYTHONPATH=path)
    assert (done.status, done.stdout) == (0, "1\n")
    assert done.stderr.startswith("inferscope: InferScope needs the Python package msgpack; ")
    assert f"{sys.executable} -m pip install msgpack" in done.stderr


def test_a_standard_error_that_the_script_replaces(folder: Folder) -> None:
    folder.write("s.py", "import io, sys\nsys.stderr = io.StringIO()\nsys.stderr.write(2 * 'lost')\n")
    done = folder.run("s.py")
    assert "lostlost" not in done.stderr and ", s.py." in done.stderr


def test_no_sidecar_and_no_folder_is_left(folder: Folder) -> None:
    (folder.path / "t").mkdir()
    for program in ("x = 1", "1 / 0", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"):
        # A path that is short enough for a socket.
        place = Path("/tmp") / f"run-{os.getpid()}"
        place.mkdir()
        try:
            folder.run("-q", "-c", program, TMPDIR=str(place))
            assert list(place.iterdir()) == []
        finally:
            shutil.rmtree(place)
