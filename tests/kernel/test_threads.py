"""Threads are called what the program calls them, and InferScope's own are no part of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from privileges import need_ebpf


def profiled(kernel, body):
    reply = kernel.run("%%inferscope\n" + body)
    assert (reply.status, reply.said, len(reply.reports)) == ("ok", [], 1), reply
    return reply


def test_names_of_threads_that_run_no_line_of_the_cell(kernel):
    profiled(
        kernel,
        "import threading, time\n"
        "ended = threading.Thread(target=time.sleep, args=(0.3,), name='napper')\n"
        "left = threading.Thread(target=time.sleep, args=(30,), name='sleeper', daemon=True)\n"
        "for thread in ended, left: thread.start()\n"
        "ended.join()",
    )
    names = {thread["name"] for thread in kernel.summary()["host"]["threads"]}
    assert {"napper", "sleeper"} <= names


@pytest.mark.parametrize("options", ["", " --no-ebpf"])
def test_own_threads_are_named_in_the_kernel_too(kernel, options):
    before = kernel.value("sorted(__import__('os').listdir('/proc/self/task'))")
    profiled_cell = (
        f"%%inferscope{options}\n"
        "import os, time\n"
        "time.sleep(0.1)\n"
        "for task in os.listdir('/proc/self/task'):\n"
        "    print(task, open(f'/proc/self/task/{task}/comm').read().strip(), sep=':')"
    )
    comms = dict(line.split(":", 1) for line in kernel.run(profiled_cell).stdout.splitlines())
    started = {comm for task, comm in comms.items() if task not in eval(before)}
    assert "inferscope-reco" in started
    assert all(comm.startswith("inferscope") for comm in started), started
    assert list(comms.values()).count("inferscope-zmq") == 2
    assert not [t for t in kernel.summary()["host"]["threads"] if t["name"].startswith("inferscope")]


def test_an_ordinary_cell_loses_nothing(kernel):
    need_ebpf()
    before = stolen()
    profiled(kernel, "import time\ntime.sleep(0.3)\ntotal = sum(range(1000))")
    losses = kernel.summary()["losses"]
    if stolen() > before:
        # What a hypervisor took meanwhile is the machine's loss, and is told rightly.
        losses = [loss for loss in losses if not loss["reason"].startswith("the hypervisor took")]
    assert losses == []


def stolen() -> int:
    """Ticks of the machine's CPU time that its hypervisor gave to others, of proc(5)."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])
