"""The live line, on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress

import pytest

from inferscope.live import Progress, text

from .conftest import RUN, Folder, default_signals

ROWS = 12

# Goes on until the terminal has shown the line often enough: the test says so.
SCRIPT = """\
import sys
print('first', flush=True)
sys.stdin.readline()
print('second', flush=True)
"""


class Terminal:
    """A pseudoterminal with a process on it, and what the process wrote so far."""

    def __init__(self, folder: Folder, *words: str, term: str = "xterm", rows: int = ROWS) -> None:
        self._end, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, *RUN, *words],
            cwd=folder.path,
            stdin=subprocess.PIPE,
            stdout=terminal,
            stderr=terminal,
            env={**os.environ, "TERM": term},
            preexec_fn=default_signals,
        )
        os.close(terminal)
        self.written = ""

    def await_text(self, pattern: str, times: int = 1) -> None:
        while len(re.findall(pattern, self.written)) < times:
            assert self._read(), self.written

    def finish(self) -> str:
        """Let the script go on, and read to the end."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.close()
        while self._read():
            pass
        assert self.process.wait() == 0
        return self.written

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._end)

    def _read(self) -> bool:
        with suppress(OSError):  # the terminal's last user is gone
            part = os.read(self._end, 65536)
            self.written += part.decode()
            return bool(part)
        return False


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def screen(written: str, rows: int = ROWS) -> list[str]:
    """What a terminal shows after these bytes: as much of one as the line needs."""
    lines = [""] * rows
    row = column = 0
    top, bottom = 0, rows - 1
    saved = (0, 0)

    def down() -> None:
        nonlocal row
        if row == bottom:
            del lines[top]
            lines.insert(bottom, "")
        else:
            row = min(row + 1, rows - 1)

    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\x1b.|[\s\S]", written):
        command = part[-1]
        if part in ("\x1b7", "\x1b8"):
            if command == "7":
                saved = (row, column)
            else:
                row, column = saved
        elif part == "\x1bD":
            down()
        elif part == "\x1bM":
            row -= 1
        elif part.startswith("\x1b["):
            numbers = [int(number) for number in part[2:-1].split(";") if number]
            if command == "r":
                top, bottom = (numbers[0] - 1, numbers[1] - 1) if numbers else (0, rows - 1)
                row = column = 0
            elif command == "H":
                row, column = numbers[0] - 1, numbers[1] - 1
            elif part == "\x1b[2K":
                lines[row] = ""
            else:
                raise AssertionError(f"a sequence that nothing here writes: {part!r}")
        elif part == "\r":
            column = 0
        elif part == "\n":
            down()
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
    return lines


LINE = r"inferscope: \d+ s, CPU \d+%, [\d,]+ events"


def test_one_line_that_goes_on_and_is_gone_at_the_end(folder: Folder, terminals: list[Terminal]) -> None:
    folder.write("s.py", SCRIPT)
    terminals.append(Terminal(folder, "-o", "r.json", "s.py"))
    terminals[0].await_text(LINE, times=3)
    shown = screen(terminals[0].written)
    assert shown[0] == "first"
    assert re.fullmatch(LINE, shown[-1].split(", GPU")[0])
    assert not any(shown[1:-1])
    ended = screen(terminals[0].finish())
    assert ended[:2] == ["first", "second"]
    assert ended[2].startswith("inferscope: ") and "r.json" in ended[2]
    assert not any("events" in line for line in ended)


def test_output_that_scrolls_does_not_touch_it(folder: Folder, terminals: list[Terminal]) -> None:
    folder.write("s.py", "import sys\nprint('go', flush=True)\nsys.stdin.readline()\nfor i in range(40): print(i)\n")
    terminals.append(Terminal(folder, "-o", "r.json", "s.py"))
    terminals[0].await_text(LINE)
    ended = screen(terminals[0].finish())
    text = [line for line in ended if re.fullmatch(r"\d+", line)]
    assert text == [str(number) for number in range(40 - len(text), 40)]
    assert not any("events" in line for line in ended)


@pytest.mark.parametrize(
    ("words", "terminal"),
    [(("-q",), {}), ((), {"term": "dumb"}), ((), {"rows": 4})],
    ids=["quiet", "a dumb terminal", "a terminal of few rows"],
)
def test_no_line(
    folder: Folder, terminals: list[Terminal], words: tuple[str, ...], terminal: dict[str, object]
) -> None:
    folder.write("s.py", SCRIPT)
    terminals.append(Terminal(folder, *words, "-o", "r.json", "s.py", **terminal))  # type: ignore[arg-type]
    terminals[0].await_text("first")
    written = terminals[0].finish()
    assert "\x1b" not in written and "events" not in written


def test_no_terminal_no_line(folder: Folder) -> None:
    done = folder.run("-o", "r.json", "-c", "import time; time.sleep(1)")
    assert "\x1b" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_words() -> None:
    assert text(7.9, 1.234, Progress(12345, -1)) == "inferscope: 7 s, CPU 123%, 12,345 events"
    assert text(61, 0, Progress(1, 0.5)) == "inferscope: 1 min 01 s, CPU 0%, 1 events, GPU 50%"
    assert text(1, 0, Progress(1, 0.9, 0.31, 250)) == "inferscope: 1 s, CPU 0%, 1 events, GPU 90%, SMs 31%, 250 W"
    assert text(0, 0.5, None) == "inferscope: 0 s, CPU 50%, not collecting"


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_a_report_on_a_terminal_has_its_colours(
    folder: Folder, terminals: list[Terminal], monkeypatch: pytest.MonkeyPatch, variable: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("COLUMNS", "100")
    folder.write("s.py", "sum(range(10_000))")
    terminals.append(Terminal(folder, "--no-live", "s.py"))
    written = terminals[0].finish()
    assert ("\x1b[1m" in written) == coloured
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip("\r") for line in written.split("\n")]
    assert 80 < max(map(len, lines)) <= 100
    assert not re.search(LINE, written)
