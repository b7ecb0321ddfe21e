"""A script under `inferscope run` does what it does under `python`: the same output, the same errors, the same end.

Each program runs both ways, and everything that a caller can see is compared. `--quiet` and a file for the report leave
standard error to the script.
"""

from __future__ import annotations

import compileall
import re
import sys
import zipfile
from pathlib import Path

import pytest

from .conftest import Ended, Folder
from .programs import PROGRAMS

# These die without a word of the interpreter's; InferScope says so.
SUDDEN = {"os._exit", "abort", "killed", "SIGUSR1", "replaced"}
LAST_WORD = (
    "inferscope: the script ended without the end of its interpreter (os._exit, exec, a crash or a signal): there is no"
    " report\n"
)


def compare(folder: Folder, *words: str, stdin: str = "", flags: tuple[str, ...] = (), **environment: str) -> Ended:
    """Run both ways and compare; the result is that of `inferscope run`."""
    plain = folder.python(*flags, *words, stdin=stdin, **environment)
    report = folder.path / "report" / "r.json"
    report.parent.mkdir(exist_ok=True)
    ours = folder.python(
        *flags, "-m", "inferscope", "run", "--quiet", "-o", str(report), *words, stdin=stdin, **environment
    )
    assert (ours.status, without_addresses(ours.stdout)) == (plain.status, without_addresses(plain.stdout)), ours.stderr
    assert without_addresses(ours.stderr.removesuffix(LAST_WORD)) == without_addresses(plain.stderr)
    return ours


def without_addresses(text: str) -> str:
    return re.sub(r"\b0x[0-9a-f]+|(?<=\(pid=)\d+", "…", text)


@pytest.fixture
def beside(folder: Folder) -> Folder:
    """A folder with files that programs import."""
    folder.write("sibling.py", "x = 11\n")
    folder.write("secrets.py", "mine = 12\n")
    folder.write("json/__init__.py", "from secrets import mine as loads\n")
    folder.write("json/mine.py", "x = 13\n")
    return folder


@pytest.mark.parametrize("name", PROGRAMS)
def test_script(beside: Folder, name: str) -> None:
    if "json" not in name and "shadowed" not in name:
        for path in sorted((beside.path / "json").iterdir()):
            path.unlink()
        (beside.path / "json").rmdir()
        (beside.path / "secrets.py").unlink()
    if name == "trace" and sys.version_info < (3, 12):
        pytest.skip("the markers of statements, which Python before 3.12 needs, are functions that a tracer sees")
    beside.write("program.py", PROGRAMS[name])
    ours = compare(beside, "program.py", "a", "--flag", "-m", stdin="Ada\nrest\n")
    assert ours.stderr.endswith(LAST_WORD) == (name in SUDDEN)


def test_ways_to_name_a_script(folder: Folder) -> None:
    text = "import sys\nprint(sys.argv, sys.path[0], __file__, __name__, __spec__ and __spec__.name)\n1 / 0\n"
    folder.write("tool.py", text)
    folder.write("pack/__init__.py", "print('package')")
    folder.write("pack/__main__.py", text)
    folder.write("pack/part.py", text)
    (folder.path / "link.py").symlink_to("pack/part.py")
    folder.write("odd name", text)
    with zipfile.ZipFile(folder.path / "packed.zip", "w") as packed:
        packed.writestr("__main__.py", text)
    compileall.compile_file(folder.path / "tool.py", quiet=1, legacy=True)
    for words in (
        ["tool.py"],
        ["./tool.py", "x"],
        ["pack/../tool.py"],
        [str(folder.path / "tool.py")],
        ["tool.pyc"],
        ["link.py"],
        ["odd name"],
        ["pack"],
        ["pack/"],
        ["packed.zip", "-x"],
        ["-m", "tool", "x"],
        ["-mtool"],
        ["-m", "pack", "--y"],
        ["-m", "pack.part"],
        ["-c", "import sys; print(sys.argv, sys.path[0], list(globals())); 1 / 0", "-z"],
        ["-cprint(1)"],
        ["-m", "nowhere"],
        ["-m", "pack.nowhere"],
        ["-m", "json"],
        ["-c", "x = = 1"],
    ):
        compare(folder, *words)


def test_program_on_standard_input(folder: Folder) -> None:
    compare(folder, "-", "a", stdin="import sys\nprint(sys.argv, sys.path[0], list(globals()), __file__)\n1 / 0\n")


def test_folder_without_a_main(folder: Folder) -> None:
    folder.write("empty/other.py", "")
    compare(folder, "empty")


def test_class_of_a_module_run_as_main(folder: Folder) -> None:
    folder.write(
        "tool.py",
        "import multiprocessing as m\nclass C:\n    x = 4\ndef f(c): return c.x\n"
        "if __name__ == '__main__':\n    with m.get_context('spawn').Pool(1) as p: print(p.map(f, [C()]))\n",
    )
    compare(folder, "-m", "tool")


@pytest.mark.parametrize(
    "flags", [("-O",), ("-OO",), ("-W", "error"), ("-X", "dev"), ("-u",), ("-B",), ("-bb",), ("-s",)], ids=" ".join
)
def test_options_of_the_interpreter(folder: Folder, flags: tuple[str, ...]) -> None:
    folder.write(
        "program.py",
        '"""Doc."""\nimport sys, warnings\nprint(sys.flags, __doc__, sys.warnoptions, sys._xoptions, __debug__)\n'
        "def f():\n    'doc'\nprint(f.__doc__)\nassert not sys.argv[1:]\nwarnings.warn('w')\n",
    )
    compare(folder, "program.py", flags=flags)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P came with Python 3.11")
def test_safe_path(folder: Folder) -> None:
    folder.write("program.py", "import sys; print(sys.path)")
    compare(folder, "program.py", PYTHONSAFEPATH="1")


def test_environment(folder: Folder) -> None:
    # One variable is there while GPU work is awaited: it is how CUDA's initialisation is told.
    folder.write(
        "program.py",
        "import os, sys; print(sys.stdout.encoding, sorted({*os.environ} - {'CUDA_INJECTION64_PATH'}))\nprint('\\xe9')",
    )
    compare(folder, "program.py", PYTHONIOENCODING="latin-1")
    compare(folder, "program.py", PYTHONUTF8="1", LC_ALL="C")


def test_full_device(folder: Folder) -> None:
    """Output that cannot be written at the end is an exit status of its own."""
    folder.write("program.py", "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nprint('x')")
    assert compare(folder, "program.py", PYTHONUNBUFFERED="").status == 120


def test_report_of_a_program_that_failed_is_written(folder: Folder) -> None:
    folder.write("program.py", "1 / 0")
    compare(folder, "program.py")
    assert '"error_name": "ZeroDivisionError"' in Path(folder.path / "report/r.json").read_text()
