"""Real scripts in real processes: under `python`, and under `inferscope run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

RUN = ("-m", "inferscope", "run")


def default_signals() -> None:
    """Signals act as in a terminal's process, whatever the tests were started by."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it wrote."""

    status: int
    stdout: str
    stderr: str


class Folder:
    """A folder with the files of a test, in which its processes run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def python(self, *words: str, stdin: str | bytes = "", **environment: str) -> Ended:
        """Run this interpreter with these words to its end."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.path,
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            env={**os.environ, **environment},
            timeout=120,
            preexec_fn=default_signals,
        )
        return Ended(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def run(self, *words: str, stdin: str | bytes = "", **environment: str) -> Ended:
        """`inferscope run` with these words."""
        return self.python(*RUN, *words, stdin=stdin, **environment)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class Running:
    """A script under `inferscope run` that has not ended; it tells by lines on standard output how far it is."""

    def __init__(self, folder: Folder, words: Sequence[str], **options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *RUN, *words],
            cwd=folder.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=default_signals,
            **options,  # type: ignore[call-overload]
        )

    def await_line(self, line: str) -> None:
        assert self.process.stdout is not None
        for found in self.process.stdout:
            if found.strip() == line:
                return
        raise AssertionError(f"no line {line}: {self.process.communicate()[1]}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Ended:
        stdout, stderr = self.process.communicate(timeout=120)
        return Ended(self.process.returncode, stdout, stderr)


@pytest.fixture
def start(folder: Folder) -> Iterator[Callable[..., Running]]:
    """Starts a script under `inferscope run`."""
    started: list[Running] = []

    def begin(*words: str, **options: object) -> Running:
        started.append(Running(folder, words, **options))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()
