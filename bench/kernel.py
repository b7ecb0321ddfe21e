"""A real kernel of this Python for benchmarks, driven through the Jupyter protocol."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# How often a silent kernel is asked whether it still lives.
_SLICE_SECONDS = 1.0
# Lets the code that a kernel runs use quiet.py.
QUIET = f"\n__import__('sys').path.insert(0, {str(Path(__file__).parent)!r})\nimport quiet\n"


@dataclass
class Answer:
    """What one cell brought back.

    Attributes:
        seconds: From the request to the idle status that answers it.
        result: The text of the cell's result.
        stdout: What it printed.
        stderr: What it said beside its output.
        reports: When each report arrived, CLOCK_MONOTONIC in ns, as a cell reads it by ``time.monotonic_ns``.
        updates: How often a display of the cell was rewritten.
    """

    seconds: float = 0.0
    result: str = ""
    stdout: str = ""
    stderr: str = ""
    reports: list[int] = field(default_factory=list)
    updates: int = 0

    @property
    def said(self) -> list[str]:
        """The sentences that InferScope said."""
        return [line for line in self.stderr.splitlines() if line.startswith("InferScope: ")]


class Kernel:
    """One running kernel. ``close`` ends it; as a context manager it does so by itself.

    Args:
        quiet: Throw away what the kernel's process itself writes, such as a notice on its transport; otherwise it
            goes to standard error.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.manager = KernelManager()
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="bench", language="python")
        # Standard output is for numbers alone.
        target: Any = subprocess.DEVNULL if quiet else sys.stderr
        self.manager.start_kernel(stdout=target, stderr=target)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the kernel."""
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def run(self, code: str, *, timeout: float = 60) -> Answer:
        """Runs a cell to its end.

        Args:
            code: The cell.
            timeout: Seconds that it may take.

        Raises:
            RuntimeError: The cell failed, took longer, or the kernel died.
        """
        answer = Answer()
        begin = time.perf_counter()
        request = self.client.execute(code, allow_stdin=False)
        while True:
            message = self._next(self.client.get_iopub_msg, begin + timeout, code)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_result":
                answer.result = content["data"]["text/plain"]
            elif kind == "display_data":
                answer.reports.append(time.monotonic_ns())
            elif kind == "update_display_data":
                answer.updates += 1
            elif kind == "stream" and content["name"] == "stdout":
                answer.stdout += content["text"]
            elif kind == "stream":
                answer.stderr += content["text"]
            elif kind == "error":
                raise RuntimeError(_COLOUR.sub("", "\n".join(content["traceback"])))
            elif kind == "status" and content["execution_state"] == "idle":
                answer.seconds = time.perf_counter() - begin
                break
        self._next(self.client.get_shell_msg, begin + timeout, code)
        return answer

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, which must be what JSON can hold."""
        return json.loads(self.run(f"print(__import__('json').dumps({expression}))").stdout)

    def load(self) -> None:
        """Loads the extension as a user does."""
        self.run("%load_ext inferscope")

    def offers(self, option: str) -> bool:
        """Whether ``%%inferscope`` knows an option."""
        return option in self.run("%inferscope --help").stdout

    def summary(self) -> dict[str, Any]:
        """The summary of the last profiled cell."""
        found = self.value("__import__('inferscope').last().summary")
        assert isinstance(found, dict)
        return found

    def device(self) -> dict[str, Any]:
        """The totals of the one device that the last profiled cell used.

        Raises:
            RuntimeError: The report has no device, or more than one.
        """
        summary = self.summary()
        if len(summary["devices"]) != 1:
            raise RuntimeError(f"the report has {len(summary['devices'])} devices; its losses: {summary['losses']}")
        device: dict[str, Any] = summary["devices"][0]
        return device

    def close(self) -> None:
        """Ends the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _next(self, receive: Any, deadline: float, code: str) -> Any:
        """The next message of a channel."""
        while True:
            try:
                return receive(timeout=_SLICE_SECONDS)
            except queue.Empty:
                pass
            if not self.manager.is_alive():
                raise RuntimeError(f"the kernel died in {code!r}")
            if time.perf_counter() > deadline:
                raise RuntimeError(f"there was no answer in time to {code!r}")
