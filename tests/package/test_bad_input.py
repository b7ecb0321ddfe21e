"""Files that are no traces, and places that cannot be written: every command, in a real process, with its memory."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from inferscope.binary import find_binary

EVENT = '{"ph":"X","cat":"cpu_op","name":"aten::add","pid":1,"tid":1,"ts":1,"dur":1}'
# Of a process that reads a trace of the tests' size; what is read here unfolds to many times as much.
MEMORY_MIB = 128
UNFOLDED = 512 << 20
UNREADABLE = 3

Make = Callable[[Path], object]


class Ended(NamedTuple):
    status: int
    stdout: str
    stderr: str
    peak_mib: float


LAUNCHER = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
os.write(int(sys.argv[1]), str(usage.ru_maxrss).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""


def command(*words: str | Path) -> Ended:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        read, write = os.pipe()
        with os.fdopen(read) as peak:
            # A process inherits the peak of the one that started it: a small one, not this.
            launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(write), find_binary(), *words]
            status = subprocess.run(launcher, stdout=stdout, stderr=stderr, pass_fds=(write,)).returncode
            os.close(write)
            peak_kib = int(peak.read())
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read().decode())
    return Ended(status, *said, peak_kib / 1024)


def unfolds_to(begin: bytes, filler: bytes) -> Make:
    """A file compressed by gzip that begins so and goes on with a filler for a long time."""

    def make(path: Path) -> None:
        block = filler * (1 << 20)
        with gzip.open(path, "wb", compresslevel=6) as file:
            file.write(begin)
            for _ in range(UNFOLDED // len(block)):
                file.write(block)

    return make


def database(*statements: str) -> Make:
    def make(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return make


def text(content: str) -> Make:
    return lambda path: path.write_text(content)


def a_name_of_its_own_root(path: Path) -> None:
    """A database whose schema is its own child."""
    database("create table t(a)")(path)
    content = bytearray(path.read_bytes())
    content[100] = 5
    content[108:112] = (1).to_bytes(4, "big")
    path.write_bytes(content)


NO_TRACES: dict[str, Make] = {
    "missing": lambda path: None,
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "empty": text(""),
    "no JSON": text("hello"),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 99),
    "another object": text('{"a": [1, 2]}'),
    "no list of events": text('{"traceEvents": 5}'),
    "no events": text('{"traceEvents": [1, "x", null]}'),
    "an empty list": text("[]"),
    "cut off": text(f"[{EVENT},"),
    "a string without end": unfolds_to(b'[{"ph":"X","name":"', b"a"),
    "a key without end": unfolds_to(b'[{"', b"a"),
    "a number without end": unfolds_to(b'[{"ph":"X","ts":', b"9"),
    "a list without end": unfolds_to(b"[", b" "),
    "deep lists": unfolds_to(b"", b"["),
    "deep objects in an event": text('[{"ph":"X","args":' + '{"a":' * 200_000),
    "a database without end": unfolds_to(b"SQLite format 3\0", b"\0"),
    "a compressed file, compressed": lambda path: path.write_bytes(gzip.compress(gzip.compress(b"[]"))),
    "the beginning of gzip": lambda path: path.write_bytes(b"\x1f\x8b\x08"),
    "another database": database("create table t(a)", "insert into t values (1)"),
    "a view of that name": database("create view CUPTI_ACTIVITY_KIND_KERNEL as select * from sqlite_master"),
    "columns of other types": database(
        "create table CUPTI_ACTIVITY_KIND_KERNEL(start text, end text, deviceId text, streamId text)",
        "insert into CUPTI_ACTIVITY_KIND_KERNEL values ('x', x'00', null, 1e300)",
    ),
    "a loop of pages": a_name_of_its_own_root,
}


@pytest.mark.parametrize("what", NO_TRACES)
def test_what_is_no_trace(what: str, tmp_path: Path) -> None:
    trace, good, out = tmp_path / "trace", tmp_path / "good.json", tmp_path / "out"
    NO_TRACES[what](trace)
    good.write_text(f"[{EVENT}]")
    commands: Sequence[Sequence[str | Path]] = (
        ("analyze", trace, "-o", out),
        ("export", trace, "--to", "chrome", "-o", out),
        ("compare", good, trace, "-o", out),
    )
    for words in commands:
        done = command(*words)
        assert (done.status, done.stdout) == (UNREADABLE, ""), done
        sentence, hint = done.stderr.splitlines()
        assert sentence.startswith(f"inferscope: {trace} cannot be ") and hint.startswith("hint: "), done.stderr
        assert done.peak_mib < MEMORY_MIB
        assert not out.exists()


def test_a_name_of_megabytes_in_a_database(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    database(
        "create table StringIds(id integer primary key, value text)",
        "create table CUPTI_ACTIVITY_KIND_KERNEL(start int, end int, deviceId int, streamId int, demangledName int)",
        "insert into StringIds values (1, zeroblob(200000000))",
        "insert into CUPTI_ACTIVITY_KIND_KERNEL values (10, 20, 0, 7, 1)",
    )(trace)
    done = command("analyze", trace, "-f", "json")
    assert (done.status, json.loads(done.stdout)["devices"][0]["kernels"]) == (0, 1)
    assert done.peak_mib < MEMORY_MIB and len(done.stdout) < 1 << 20


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        trace = folder / "trace.json"
        trace.write_text(f"[{EVENT}]")
        trace.chmod(0)
        program = folder / "program"
        program.write_bytes(Path(find_binary()).read_bytes())
        program.chmod(0o755)
        for words in (("analyze", trace), ("export", trace, "--to", "chrome"), ("compare", trace, trace)):
            done = subprocess.run(
                [program, *words], capture_output=True, text=True, user=65534, cwd="/tmp", check=False
            )
            assert (done.returncode, done.stdout) == (UNREADABLE, "")
            assert done.stderr.startswith(
                f"inferscope: {trace} cannot be read: it cannot be opened: permission denied\n"
            )


def test_a_full_disk_keeps_what_was_there(small_disk: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    events = [EVENT.replace("aten::add", f"an operator by the name {number}") for number in range(2000)]
    trace.write_text(f"[{','.join(events)}]")
    before = small_disk / "before"
    before.write_text("as it was")
    for words in (
        ("analyze", trace, "-f", "html"),
        ("export", trace, "--to", "chrome"),
        ("export", trace, "--to", "perfetto"),
    ):
        for out in (small_disk / "out", before):
            done = command(*words, "-o", out)
            assert (done.status, done.stdout) == (UNREADABLE, ""), done
            assert f" cannot be written to {out}: no space left on device\nhint: " in done.stderr
            assert [file.name for file in small_disk.iterdir()] == ["before"]
            assert before.read_text() == "as it was"
