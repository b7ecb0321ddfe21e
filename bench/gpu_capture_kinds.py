"""Compares ways to capture launches through CUPTI. Needs a GPU, PyTorch and a C compiler.

The loop is ``torch.add`` on 64 x 64 elements. Each round runs it bare and then once under every way, each followed by a
bare loop after the way was switched off, in an order that changes from round to round. A ratio is the way's time over
the mean of the bare loops around it; the wall time's and the launching thread's CPU time's are both kept.
"""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from record import measure, say

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).with_suffix("") / "kinds.c"

LAUNCHES = 4000


class Way(ctypes.Structure):
    """``struct way`` of kinds.c."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "device",
            "runtime",
            "driver",
            "callback",
            "latency",
            "overhead",
            "shared_buffer",
            "buffer_bytes",
            "finalize",
        )
    ]


WAYS = {
    "device records": Way(device=1, finalize=1),
    "device records, not finalized": Way(device=1),
    "device records with queued times": Way(device=1, latency=1, finalize=1),
    "device records, one buffer for all threads": Way(device=1, shared_buffer=1, finalize=1),
    "device records, buffers of 256 KiB": Way(device=1, buffer_bytes=256 << 10, finalize=1),
    "device records and overhead": Way(device=1, overhead=1, finalize=1),
    "device and runtime records": Way(device=1, runtime=1, finalize=1),
    "device and driver records": Way(device=1, driver=1, finalize=1),
    "device, runtime and driver records": Way(device=1, runtime=1, driver=1, finalize=1),
    "device records and a callback on runtime launches": Way(device=1, callback=1, finalize=1),
    "device records and a callback on driver launches": Way(device=1, callback=2, finalize=1),
    "runtime records alone": Way(runtime=1, finalize=1),
    "driver records alone": Way(driver=1, finalize=1),
    "a callback on driver launches alone": Way(callback=2, finalize=1),
    "a callback on runtime launches alone": Way(callback=1, finalize=1),
    "device and runtime records, not finalized": Way(device=1, runtime=1),
}


def library() -> ctypes.CDLL:
    """Builds kinds.c and opens the CUPTI of PyTorch."""
    import torch

    x = torch.ones(1, device="cuda")
    del x
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "kinds.so"
        command = ["cc", "-std=c11", "-O2", "-shared", "-fPIC", f"-I{ROOT / 'cupti'}", "-o", str(built), str(SOURCE)]
        subprocess.run([*command, "-ldl", "-lpthread"], check=True)
        kinds = ctypes.CDLL(str(built))
    sys.path.insert(0, str(ROOT / "ipython_ext"))
    from inferscope.gpu_capture import candidates

    for line in Path("/proc/self/maps").read_text().splitlines():
        if "libcupti.so" in line:
            path = line.split()[-1]
            break
    else:
        path = candidates()[0]
    say(f"CUPTI: {path}")
    if kinds.kinds_open(path.encode()) != 0:
        raise SystemExit("CUPTI cannot be opened")
    return kinds


def loop(launches: int = LAUNCHES) -> tuple[float, float]:
    """Seconds of wall and of the thread's CPU time of one loop."""
    import torch

    x = loop.__dict__.setdefault("x", torch.ones(64, 64, device="cuda"))
    torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(launches):
        torch.add(x, 1)
    return_value = time.perf_counter() - wall, time.thread_time() - cpu
    torch.cuda.synchronize()
    return return_value


def compare(rounds: int) -> None:
    """Prints the ratio of every way."""
    kinds = library()
    for _ in range(5):
        loop()
    names = list(WAYS)
    during: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    after: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    counts = (ctypes.c_long * 4)()
    bare_us = []
    seen = {}
    for number in range(rounds):
        order = [n for n in names if "not finalized" not in n]
        random.Random(number).shuffle(order)
        order += [n for n in names if "not finalized" in n]  # what they leave behind shall not reach another way
        for name in order:
            way = WAYS[name]
            before = loop()
            if kinds.kinds_on(ctypes.byref(way)) != 0:
                say(f"{name}: could not be switched on")
            on = loop()
            import torch

            torch.cuda.synchronize()
            error = kinds.kinds_off(ctypes.byref(way))
            if error:
                say(f"{name}: off gave {error}")
            left = loop()
            if not way.finalize:
                again = Way(device=1, finalize=1)
                kinds.kinds_on(ctypes.byref(again))
                kinds.kinds_off(ctypes.byref(again))
            clean = loop()
            kinds.kinds_counts(counts)
            seen.setdefault(name, list(counts))
            bare_us.append(before[0] / LAUNCHES * 1e6)
            during[name].append(tuple(2 * on[i] / (before[i] + clean[i]) for i in (0, 1)))  # type: ignore[arg-type]
            after[name].append(tuple(left[i] / clean[i] for i in (0, 1)))  # type: ignore[arg-type]
    measure("a launch of the bare loop", median(bare_us), "us")
    for name in names:
        cpu = sorted(r[1] for r in during[name])
        note = (
            f"CPU time of the launching thread; quartiles {cpu[len(cpu) // 4]:.3f} to {cpu[3 * len(cpu) // 4]:.3f};"
            f" smallest {cpu[0]:.3f}; wall {median(r[0] for r in during[name]):.3f};"
            f" {rounds} rounds of {LAUNCHES} launches"
        )
        measure(name, median(cpu), "ratio", "", note)
        note = f"wall {median(r[0] for r in after[name]):.3f}"
        measure(f"after: {name}", median(r[1] for r in after[name]), "ratio", "", note)
    say(f"kernels, calls, callbacks, bytes: {seen}")


def windows(on_ms: int, off_ms: int, finalize: int, way: Way, seconds: float) -> None:
    """Capture in windows, switched by another thread: what the loop costs, what switching costs."""
    kinds = library()
    for _ in range(5):
        loop()
    ratios = []
    out = (ctypes.c_double * 5)()
    counts = (ctypes.c_long * 4)()
    launches = int(seconds / (min(loop()[0] for _ in range(5)) / LAUNCHES))
    for _ in range(3):
        before = loop(launches)
        kinds.kinds_windows_start(ctypes.byref(way), on_ms, off_ms, finalize)
        on = loop(launches)
        error = kinds.kinds_windows_stop(out)
        clean = loop(launches)
        kinds.kinds_counts(counts)
        ratios.append((2 * on[0] / (before[0] + clean[0]), 2 * on[1] / (before[1] + clean[1])))
    name = f"windows of {on_ms} ms every {on_ms + off_ms} ms, {'with' if finalize else 'without'} finalize"
    note = (
        f"wall; CPU {median(r[1] for r in ratios):.3f}; windows {out[0]:.0f}, us to enable {out[1]:.0f},"
        f" disable {out[2]:.0f}, flush {out[3]:.0f}, finalize {out[4]:.0f}; kernels {counts[0]} of {launches},"
        f" calls {counts[1]}; error {error}"
    )
    measure(name + (" and calls" if way.runtime else ""), median(r[0] for r in ratios), "ratio", "", note)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--windows"]:
        on_ms, off_ms, finalize, calls = map(int, sys.argv[2:6])
        windows(on_ms, off_ms, finalize, Way(device=1, runtime=calls), 3.0)
    else:
        compare(int(os.environ.get("ROUNDS", "10")))
        sys.stdout.flush()
        # Switched from another thread while this one launches: the second one dies of it.
        for arguments in ("50 950 0 0", "20 200 1 1"):
            done = subprocess.run([sys.executable, __file__, "--windows", *arguments.split()], check=False)
            if done.returncode != 0:
                say(f"windows {arguments}: exit status {done.returncode}")
