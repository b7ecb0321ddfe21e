"""A real kernel of the Python that runs the tests, driven through the Jupyter protocol: a plugin with its fixtures."""

from __future__ import annotations

import ast
import json
import os
import queue
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

REPORT_TYPES = {"text/html", "text/markdown", "text/plain"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Reply:
    """What one execute request brought back."""

    content: dict[str, Any]
    # (message type, content) in the order they came
    outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> str:
        return str(self.content["status"])

    @property
    def kinds(self) -> list[str]:
        """The order of what a reader sees: stdout, stderr, result, display, report, error."""
        kinds: list[str] = []
        for kind, content in self.outputs:
            name = {"execute_result": "result", "error": "error", "clear_output": "clear"}.get(kind, kind)
            if kind == "stream":
                name = content["name"]
            if kind == "display_data":
                name = "report" if set(content["data"]) >= REPORT_TYPES else "display"
            if name not in ("stdout", "stderr") or kinds[-1:] != [name]:
                kinds.append(name)
        return kinds

    def stream(self, name: str) -> str:
        return "".join(c["text"] for k, c in self.outputs if k == "stream" and c["name"] == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        return self.stream("stderr")

    @property
    def result(self) -> str | None:
        found = [c["data"]["text/plain"] for k, c in self.outputs if k == "execute_result"]
        return found[0] if found else None

    @property
    def reports(self) -> list[dict[str, str]]:
        return [c["data"] for k, c in self.outputs if k == "display_data" and set(c["data"]) >= REPORT_TYPES]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [c for k, c in self.outputs if k == "error"]

    @property
    def traceback(self) -> str:
        """The traceback as it is read, without colours."""
        return _COLOUR.sub("", "\n".join(self.content.get("traceback", [])))

    @property
    def said(self) -> list[str]:
        """The sentences InferScope said beside the output."""
        return [line for line in self.stderr.splitlines() if line.startswith("InferScope: ")]


class Kernel:
    """One running kernel.

    Args:
        env: Variables beside those of this process.
        launcher: The command that starts the kernel's own, in the same process.
        connection_file: Where the manager writes how to reach the kernel; by default it chooses.
        python: The interpreter; by default that of the tests.
    """

    def __init__(
        self,
        *,
        env: dict[str, str] | None = None,
        launcher: Sequence[str] = (),
        connection_file: str = "",
        python: str = sys.executable,
    ) -> None:
        self.manager = KernelManager(connection_file=connection_file)
        argv = [*launcher, python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="test", language="python")
        self.manager.start_kernel(env={**os.environ, **(env or {})})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def send(self, code: str, **options: Any) -> str:
        """Send an execute request without waiting; `receive` takes its answer."""
        return str(self.client.execute(code, **{"allow_stdin": False, **options}))

    def send_watched(self, code: str) -> str:
        """Send an execute request as a front end does, in which somebody looks at the cell."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = self.client.session.msg("execute_request", content, metadata={"cellId": "a-cell"})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def receive(
        self, request: str, *, timeout: float = 60, until: str = "", seen: Callable[[Reply], None] | None = None
    ) -> Reply:
        """Everything that answers a request; with `until`, only up to stdout having that text.

        `seen` is called with what there is after each output.
        """
        deadline = time.monotonic() + timeout
        reply = Reply({})
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind in ("stream", "display_data", "execute_result", "error", "clear_output", "update_display_data"):
                reply.outputs.append((kind, content))
                if seen is not None:
                    seen(reply)
            if until and until in reply.stdout:
                return reply
        while True:
            message = self.client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == request:
                reply.content = message["content"]
                return reply

    def run(self, code: str, *, timeout: float = 60, **options: Any) -> Reply:
        """Run a cell to its end."""
        start = time.monotonic()
        reply = self.receive(self.send(code, **options), timeout=timeout)
        reply.seconds = time.monotonic() - start
        return reply

    def interrupt_when(self, code: str, printed: str) -> Reply:
        """Run a cell, interrupt it once it has printed a text, and return its whole answer."""
        request = self.send(code)
        before = self.receive(request, until=printed)
        assert not before.content, f"the cell ended before it printed {printed!r}: {before}"
        os.kill(self.pid, signal.SIGINT)
        reply = self.receive(request)
        reply.outputs[:0] = before.outputs
        return reply

    def value(self, expression: str) -> str:
        """The repr of an expression in the user's namespace; leaves no trace in the history."""
        reply = self.run(
            "", user_expressions={"value": f"repr(({expression}))"}, silent=False, store_history=False
        ).content["user_expressions"]["value"]
        assert reply["status"] == "ok", reply
        text: str = reply["data"]["text/plain"]
        return str(eval(text))

    def summary(self, result: str = "__import__('inferscope').last()") -> dict[str, Any]:
        """The summary of a result, the last one by default."""
        text = ast.literal_eval(self.value(f"__import__('json').dumps({result}.summary)"))
        summary: dict[str, Any] = json.loads(text)
        return summary

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def load(kernel: Kernel) -> Kernel:
    """Load the extension as a user does; it says nothing."""
    reply = kernel.run("%load_ext inferscope")
    assert reply.status == "ok", reply.traceback
    assert reply.outputs == [], reply
    return kernel


@pytest.fixture(scope="module")
def shared() -> Iterator[Kernel]:
    """The module's kernel with the extension loaded; use `kernel`."""
    kernel = load(Kernel())
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared: Kernel) -> Iterator[Kernel]:
    """The module's kernel, shown afterwards to be as fit as before."""
    yield shared
    while True:
        try:
            shared.client.get_iopub_msg(timeout=0)
        except queue.Empty:
            break
    reply = shared.run("6 * 7")
    assert (reply.status, reply.result, reply.reports, reply.said) == ("ok", "42", [], []), reply


@pytest.fixture
def fresh() -> Iterator[Kernel]:
    """A kernel of the test's own, with the extension loaded."""
    kernel = load(Kernel())
    yield kernel
    kernel.close()


@pytest.fixture
def bare() -> Iterator[Kernel]:
    """A kernel of the test's own, without the extension."""
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def start_kernel() -> Iterator[Any]:
    """Starts kernels without the extension, with variables in their environment."""
    kernels: list[Kernel] = []

    def start(**env: str) -> Kernel:
        kernels.append(Kernel(env=env))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()
