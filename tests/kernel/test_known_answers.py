"""The cells with a known answer: each must be told its cause and its exact line.

Each plant is one cell; the line to blame carries the marker ``# <- here``, so that
no line number is written by hand. They need the scheduler's view from eBPF: a
machine that cannot give it is shown to lack it before a test is skipped.
"""

from __future__ import annotations

import ast
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel


@dataclass(frozen=True)
class Plant:
    """One cell whose slowness is known.

    Attributes:
        number: Its number in the list of known-answer cells.
        name: A short word for test ids.
        cause: The cause kinds of which one must be the largest.
        source: The cell, without the magic.
        setup: A cell that is run before, unprofiled.
        teardown: A cell that is run afterwards, unprofiled.
        blames: Words of which one must appear in the cause's thread or detail.
        share: The least share of the wall that the cause on that line must have.
    """

    number: int
    name: str
    cause: tuple[str, ...]
    source: str
    setup: str = ""
    teardown: str = ""
    blames: tuple[str, ...] = field(default=())
    share: float = 0.4

    @property
    def line(self) -> int:
        """The 1-based line to blame; line 1 of the source is the rest of the magic's line."""
        for number, text in enumerate(self.source.splitlines(), start=1):
            if "# <- here" in text:
                return number
        raise ValueError(f"plant {self.name} marks no line")


PLANTS = (
    Plant(
        9,
        "cold_file",
        ("host_io",),
        setup="""
import os, tempfile
handle, path = tempfile.mkstemp(dir=os.getcwd())
for _ in range(48):
    os.write(handle, os.urandom(1 << 20))
os.fsync(handle)
os.close(handle)
""",
        source="""
total = 0
for step in range(20):
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    data = os.read(file, 48 << 20)  # <- here
    os.close(file)
    total += len(data)
""",
        teardown="os.unlink(path)",
    ),
    Plant(
        10,
        "sleep",
        ("sleep",),
        setup="import time",
        source="""
results = []
for step in range(60):
    time.sleep(0.005)  # <- here
    results.append(step * step)
""",
        share=0.8,
    ),
    Plant(
        11,
        "pure_python",
        ("python",),
        source="""
total = 0
for step in range(40):
    part = [value % 7 for value in range(step)]
    total += sum(value * value % 13 for value in range(200_000))  # <- here
""",
        share=0.7,
    ),
    Plant(
        12,
        "gil_fight",
        ("gil_wait",),
        setup="""
import hashlib, threading
buffer = bytes(1 << 19)
""",
        source="""
running = True
def spin():
    count = 0
    while running:
        count += 1
spinner = threading.Thread(target=spin, name="spinner")
spinner.start()
for step in range(150):
    digest = hashlib.sha256(buffer).digest()  # <- here
running = False
spinner.join()
""",
        blames=("spinner", "spin"),
        share=0.5,
    ),
    Plant(
        13,
        "lock_held",
        ("lock_wait",),
        setup="""
import threading, time
lock = threading.Lock()
""",
        source="""
done = False
def hold():
    while not done:
        with lock:
            time.sleep(0.005)
holder = threading.Thread(target=hold, name="lock-holder")
holder.start()
for step in range(60):
    lock.acquire()  # <- here
    lock.release()
    time.sleep(0.0005)
done = True
holder.join()
""",
        blames=("lock-holder", "hold"),
        share=0.5,
    ),
    Plant(
        17,
        "gc",
        ("gc",),
        setup="import gc",
        source="""
class Node:
    pass
kept = []
for step in range(20):
    nodes = [Node() for _ in range(20_000)]
    for left, right in zip(nodes, nodes[1:] + nodes[:1]):
        left.next, right.previous = right, left
    kept.append(nodes[0])
    gc.collect()  # <- here
""",
        teardown="del kept; gc.collect()",
        share=0.4,
    ),
    Plant(
        18,
        "first_touch",
        ("page_fault",),
        setup="import numpy as np",
        source="""
total = 0.0
for step in range(3):
    block = np.empty(1 << 27)
    block.fill(1.0)  # <- here
    total += block[step]
    del block
""",
        share=0.4,
    ),
    Plant(
        19,
        "preempted",
        ("preempted",),
        setup="""
import os, subprocess, sys
allowed = os.sched_getaffinity(0)
core = min(allowed)
os.sched_setaffinity(0, {core})
hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
""",
        source="""
total = 0
for step in range(12):
    total += sum(value * value for value in range(200_000))  # <- here
""",
        teardown="""
for hog in hogs:
    hog.kill()
    hog.wait()
os.sched_setaffinity(0, allowed)
""",
        share=0.5,
    ),
)


def _summary(kernel: Kernel) -> dict[str, Any]:
    text = ast.literal_eval(kernel.value("__import__('json').dumps(__import__('inferscope').last().summary)"))
    summary: dict[str, Any] = json.loads(text)
    return summary


def _need_ebpf() -> None:
    """Skip where the kernel or the privileges for eBPF are absent, and nowhere else."""
    if os.geteuid() != 0:
        pytest.skip("eBPF needs root or capabilities; this user has none")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("this kernel has no BTF")


def _told(summary: dict[str, Any]) -> str:
    causes = [(c["cause"], round(c["share"], 3), (c["line"] or {}).get("line")) for c in summary["host"]["causes"][:6]]
    return f"{summary['verdict']['sentence']}\n{causes}\n{summary['losses']}"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_plant(kernel: Kernel, plant: Plant) -> None:
    _need_ebpf()
    if plant.setup:
        assert kernel.run(plant.setup).status == "ok"
    try:
        reply = kernel.run("%%inferscope" + plant.source, timeout=180)
        assert reply.status == "ok", reply.traceback
        assert len(reply.reports) == 1, reply
        summary = _summary(kernel)
    finally:
        if plant.teardown:
            assert kernel.run(plant.teardown).status == "ok"
    told = _told(summary)
    # Other work on the machine may take the CPU away at any time: unless that is the
    # plant, the answer is about the rest of the wall.
    causes = [c for c in summary["host"]["causes"] if c["cause"] in plant.cause or c["cause"] != "preempted"]
    top, rest = causes[0], sum(c["ns"] for c in causes)
    assert top["cause"] in plant.cause, told
    assert top["line"]["line"] == plant.line, told
    assert top["ns"] >= plant.share * rest, told
    assert sum(cause["ns"] for cause in summary["host"]["causes"]) == summary["wall_ns"], told
    assert summary["verdict"]["class"] == "cpu_bound", told
    if plant.blames:
        said = f"{top.get('thread', '')} {top.get('detail', '')}"
        assert any(word in said for word in plant.blames), f"{said!r}: {told}"
