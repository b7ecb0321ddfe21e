"""Without eBPF, perf events tell Python from native code and from the kernel, where a process alone cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.alone


def profiled(kernel, body):
    """The summary of a cell without eBPF."""
    reply = kernel.run("%%inferscope --no-ebpf\n" + body)
    assert (reply.status, reply.said, len(reply.reports)) == ("ok", [], 1), reply
    summary = kernel.summary()
    assert summary["host"]["rung"] == "perf_events", summary["losses"]
    return summary


def running_time(kernel, body):
    """The time of a cell on the CPU by cause, without eBPF."""
    times = dict.fromkeys(("python", "native", "syscall", "page_fault"), 0)
    for cause in profiled(kernel, body)["host"]["causes"]:
        if cause["cause"] in times:
            times[cause["cause"]] += cause["ns"]
    return times


@pytest.fixture(autouse=True)
def perf_events_work():
    level = Path("/proc/sys/kernel/perf_event_paranoid")
    if not level.exists() or int(level.read_text()) > 2:
        pytest.skip("this kernel has no perf events for a user without privileges")


def test_matrix_product_is_native_code(kernel):
    pytest.importorskip("numpy")
    assert kernel.run("import numpy as np\na = np.random.rand(1000, 1000)\nout = a @ a").status == "ok"
    times = running_time(kernel, "for step in range(12):\n    np.matmul(a, a, out=out)")
    assert times["native"] > times["python"] + times["syscall"], times
    assert times["python"] < 0.05 * sum(times.values()), times


def test_matrix_product_is_native_code_on_a_busy_machine(kernel):
    """The process's own samples come late then, and cannot tell when between two looks a thread has run."""
    pytest.importorskip("numpy")
    setup = (
        "import os, subprocess, sys\nimport numpy as np\na = np.random.rand(1000, 1000)\nout = a @ a\n"
        "hogs = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(4 * os.cpu_count())]"
    )
    try:
        assert kernel.run(setup).status == "ok"
        times = running_time(kernel, "for step in range(8):\n    np.matmul(a, a, out=out)")
    finally:
        kernel.run("for hog in hogs:\n    hog.kill()\n    hog.wait()")
    assert times["python"] < 0.1 * sum(times.values()), times


def test_hash_is_native_code(kernel):
    kernel.run("import hashlib\nblock = bytes(1 << 22)")
    times = running_time(kernel, "for step in range(60):\n    hashlib.sha256(block).digest()")
    assert times["native"] > times["python"] + times["syscall"], times


def test_loop_is_python(kernel):
    times = running_time(kernel, "total = 0\nfor value in range(3_000_000):\n    total += value * value % 7")
    assert times["python"] > 4 * (times["native"] + times["syscall"]), times


def test_random_bytes_are_the_kernels(kernel):
    times = running_time(kernel, "import os\nfor step in range(150):\n    os.urandom(1 << 20)")
    assert times["syscall"] > 2 * (times["python"] + times["native"]), times


def test_a_sleep_is_not_slowed(kernel):
    """The thread that samples the process runs meanwhile, and nobody waits for it."""
    overhead = profiled(kernel, "import time\ntime.sleep(1)")["overhead"]
    assert overhead["estimated_slowdown"] < 1.02, overhead
