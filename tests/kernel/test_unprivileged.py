"""A user without privileges profiles a cell: the ladder's next rung is taken, and the report says how to climb."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from kernels import Kernel, load

CELL = """%%inferscope
import time
total = sum(value * value for value in range(300_000))
time.sleep(0.2)
total
"""

# perf_event_paranoid up to which a user may observe their own threads.
PARANOID = 2


@pytest.fixture
def kernel(unprivileged_kernel: Kernel) -> Kernel:
    return load(unprivileged_kernel)


def rung() -> tuple[str, str]:
    """The rung that such a user reaches on this machine, and how the report speaks of it."""
    level = Path("/proc/sys/kernel/perf_event_paranoid")
    if level.exists() and int(level.read_text()) <= PARANOID:
        return "perf_events", "unprivileged perf events"
    return "procfs", "/proc: sampled thread states"


@pytest.mark.alone
def test_a_cell_is_profiled_on_the_next_rung(kernel: Kernel) -> None:
    lines = kernel.run("print(open('/proc/self/status').read())").stdout.splitlines()
    status = dict(line.split(":\t", 1) for line in lines if line)
    assert "0" not in status["Uid"].split() and int(status["CapPrm"], 16) == 0
    reply = kernel.run(CELL)
    assert (reply.status, reply.result, reply.said) == ("ok", str(sum(v * v for v in range(300_000))), [])
    assert reply.kinds == ["result", "report"]
    summary = kernel.summary()

    name, words = rung()
    assert summary["host"]["rung"] == name
    sleep = next(cause for cause in summary["host"]["causes"] if cause["cause"] == "sleep")
    assert sleep["line"]["line"] == 4
    # A look at /proc may come late, and what is before it is told by the next.
    assert sleep["ns"] >= 150e6, summary["host"]["causes"]
    assert {3, 4, 5} <= {line["line"] for line in summary["host"]["lines"]}
    assert sum(cause["ns"] for cause in summary["host"]["causes"]) == summary["wall_ns"]

    missing = next(loss for loss in summary["losses"] if loss["source"] == "ebpf")
    assert missing["reason"] == "the sidecar lacks CAP_BPF and CAP_PERFMON"
    program = kernel.value("__import__('inferscope.binary').binary.find_binary()")
    command = f"sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+p {eval(program)}"
    assert missing["enable"] == command
    for kind, text in reply.reports[0].items():
        plain = html.unescape(text) if kind == "text/html" else text
        assert words in plain, kind
        assert command in plain, kind
    assert command in kernel.run("%inferscope").stdout
