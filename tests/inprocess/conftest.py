"""Cells run by a real IPython shell and recorded by a real Recorder; the messages are kept instead of sent."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from inferscope import _wire, recorder
from inferscope import cell as cell_module
from inferscope.transform import transform


def column(code: str, blob: bytes) -> list[int]:
    values = array(code)
    values.frombytes(blob)
    return values.tolist()


@dataclass
class Recording:
    """What one cell sent, decoded."""

    asked: int = 0  # when the recorder was told to begin, in ns of the monotonic clock; it had begun at `begin`
    begin: int = 0
    end: int = 0
    result: Any = None
    summary: recorder.RecorderSummary | None = None
    namespace: dict[str, Any] = field(default_factory=dict)
    messages: list[_wire.Events] = field(default_factory=list)
    main: int = field(default_factory=threading.get_native_id)

    def rows(self, tid: int | None = None) -> list[tuple[int, int, int]]:
        """(time, line, top) of one thread, the main one by default."""
        found: list[tuple[int, int, int]] = []
        for message in self.messages:
            for lines in message.lines:
                if lines.tid == (tid or self.main):
                    columns = column("q", lines.time), column("i", lines.line), column("i", lines.top)
                    found += zip(*columns, strict=True)
        return found

    def trace(self, tid: int | None = None) -> list[tuple[int, int]]:
        """(line, top) as it changes, without what lies between statements and without the first line."""
        trace: list[tuple[int, int]] = []
        for _, line, top in self.rows(tid):
            if line not in (0, 1) and (not trace or trace[-1] != (line, top)):
                trace.append((line, top))
        return trace

    def lines(self, tid: int | None = None) -> list[int]:
        return [line for line, _ in self.trace(tid)]

    def other_tids(self) -> list[int]:
        tids = {lines.tid for message in self.messages for lines in message.lines}
        return sorted(tids - {self.main})

    def names(self) -> dict[int, str]:
        return {thread.tid: thread.name for message in self.messages for thread in message.threads}

    def scopes(self) -> list[tuple[str, int, int, int, int]]:
        """(name, depth, tid, start, end), by start."""
        found = []
        for message in self.messages:
            c = message.scopes
            for tid, start, end, name, depth in zip(
                column("i", c.tid),
                column("q", c.start),
                column("q", c.end),
                column("i", c.name),
                column("i", c.depth),
                strict=True,
            ):
                found.append((message.strings[name], depth, tid, start, end))
        return sorted(found, key=lambda row: (row[3], -row[4]))

    def marks(self) -> list[tuple[str, str, int, int]]:
        """(name, attributes, tid, time)."""
        found = []
        for message in self.messages:
            c = message.marks
            columns = column("i", c.name), column("i", c.attributes), column("i", c.tid), column("q", c.time)
            for name, attributes, tid, at in zip(*columns, strict=True):
                found.append((message.strings[name], message.strings[attributes], tid, at))
        return found

    def collections(self) -> list[tuple[int, int, int, int, int]]:
        """(tid, start, end, generation, collected)."""
        found: list[tuple[int, int, int, int, int]] = []
        for message in self.messages:
            c = message.gc
            columns = (
                column("i", c.tid),
                column("q", c.start),
                column("q", c.end),
                c.generation,
                column("q", c.collected),
            )
            found += zip(*columns, strict=True)
        return found

    def samples(self) -> list[tuple[int, int, int, list[tuple[str, str, int]]]]:
        """(tid, time, kind, stack)."""
        found = []
        for message in self.messages:
            c = message.samples
            frames = column("i", c.frames)
            for tid, at, kind, place in zip(
                column("i", c.tid), column("q", c.time), c.kind, column("i", c.stack), strict=True
            ):
                stack = []
                while frames[place] != -1:
                    function, file, line = frames[place : place + 3]
                    stack.append((message.strings[function], message.strings[file], line))
                    place += 3
                found.append((tid, at, kind, stack))
        return found

    def functions(self) -> dict[str, tuple[str, int, int, int, int, int]]:
        """(file, line, calls, self, total, off) by name."""
        found = {}
        for message in self.messages:
            c = message.calls
            for name, file, line, calls, own, total, off in zip(
                column("i", c.function),
                column("i", c.file),
                column("i", c.line),
                column("q", c.calls),
                column("q", c.self_ns),
                column("q", c.total_ns),
                c.off,
                strict=True,
            ):
                found[message.strings[name]] = (message.strings[file], line, calls, own, total, off)
        return found

    def losses(self) -> list[str]:
        assert self.summary is not None
        return [loss.reason for loss in self.summary.losses]


class RecordingProfiler:
    """Stands where the profiler stands; the transformed cell's own code calls `begin`."""

    def __init__(self, options: _wire.Options, need_samples: bool, directive: int, send: Callable[[Any], Any] | None):
        self.options, self.need_samples, self.directive = options, need_samples, directive
        self.recording = Recording()
        self.send = send or self.recording.messages.append
        self.recorder: recorder.Recorder | None = None

    def begin(self, arguments: str) -> None:
        frame = sys._getframe(1)
        offset = self.directive - frame.f_lineno if self.directive else 0
        self.recorder = recorder.Recorder("cell", self.send, "", self.options, self.need_samples, offset)
        self.recording.asked = time.monotonic_ns()
        self.recorder.start(frame)
        self.recording.begin = time.monotonic_ns()

    def prepare(self, arguments: str, skip: int = 0) -> None: ...


@pytest.fixture(scope="session")
def shell() -> InteractiveShell:
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell(config=config)


@pytest.fixture
def profile(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Recording]]:
    """`profile(body)` runs a cell with `%%inferscope` on line 1 and `body` from line 2."""
    shell.input_transformers_cleanup.append(transform)
    recorder.install(shell)
    before = dict(shell.user_ns)

    def run(
        body: str,
        *,
        raw: str | None = None,
        directive: int = 0,
        samples: bool = False,
        functions: bool = False,
        hz: int = 499,
        send: Callable[[Any], Any] | None = None,
    ) -> Recording:
        options = _wire.Options(ebpf=False, gpu=False, sample_hz=hz, functions=functions)
        profiler = RecordingProfiler(options, samples, directive, send)
        monkeypatch.setattr(cell_module, "begin", profiler.begin)
        monkeypatch.setattr(cell_module, "prepare", profiler.prepare)
        recording = profiler.recording
        try:
            recording.result = shell.run_cell(raw or "%%inferscope\n" + textwrap.dedent(body))
        finally:
            recording.end = time.monotonic_ns()
            recording.namespace = dict(shell.user_ns)
            if profiler.recorder is not None:
                recording.summary = profiler.recorder.stop()
        return recording

    yield run
    recorder.uninstall(shell)
    shell.input_transformers_cleanup.remove(transform)
    for name in set(shell.user_ns) - set(before):
        del shell.user_ns[name]
