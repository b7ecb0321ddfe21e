"""Capture inside the process: the C side under the sanitizers, and what Python makes of it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import HERE, ROOT, build_mocks, compile_c

HEADER = 4096
CAPACITY = 1 << 20
MAGIC = 0x474E525550474E49


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """An empty ring, as the sidecar makes it."""
    path = tmp_path / "ring"
    with path.open("wb") as file:
        file.write(struct.pack("<QIIQ", MAGIC, 1, HEADER, CAPACITY))
        file.truncate(HEADER + CAPACITY)
    return path


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_stress_under_sanitizers(sanitizer: str, tmp_path: Path, recordings: dict[str, Path]) -> None:
    """Threads that launch and flush, forks, a consumer, and two threads that end the same capture."""
    flags = (f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
    build_mocks(tmp_path, *flags)
    program = tmp_path / "stress"
    sources = sorted((ROOT / "cupti").glob("*.c"))
    compile_c(
        "-g",
        "-O1",
        *flags,
        "-I",
        ROOT / "cupti",
        HERE / "capture_stress.c",
        *sources,
        "-o",
        program,
        "-ldl",
        "-lpthread",
    )
    kernels = json.loads((HERE / "recordings/about.json").read_text())["recordings"]["streams"]["records"]["10"]
    libraries = (tmp_path / "libcuda.so.1", tmp_path / "libcupti.so.13")
    done = subprocess.run(
        [program, *libraries, recordings["streams"], tmp_path / "ring", str(kernels)],
        env={**os.environ, "MOCK_CUPTI_RECORDING": str(recordings["streams"]), "MOCK_CUPTI_WORKERS": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


PROGRAM = """
import ctypes, json, os, pathlib, sys
from inferscope import gpu_capture
shim, mocks, recording, ring = map(pathlib.Path, sys.argv[1:5])
said = {}
def cuda():
    library = ctypes.CDLL(str(mocks / "libcuda.so.1"))
    library.mock_cuda_busy_until.argtypes = (ctypes.c_uint64,)
    return library
def cupti():
    library = ctypes.CDLL(str(mocks / "libcupti.so.13"))
    library.mock_cupti_replay.restype = ctypes.c_uint64
    library.mock_cupti_replay.argtypes = (ctypes.c_char_p, ctypes.c_int)
    return library
def work():
    end = cupti().mock_cupti_replay(os.fsencode(recording), 1)
    assert end > 0
    cuda().mock_cuda_busy_until(end)
def injection():
    return os.environ.get("CUDA_INJECTION64_PATH")
def tell(summary):
    said.update(started=summary.started, records=summary.records, losses=[loss.reason for loss in summary.losses])
capture = gpu_capture.Capture(shim=shim)
"""


Program = Callable[..., dict[str, Any]]


@pytest.fixture
def in_process(shim: Path, mocks: Path, recordings: dict[str, Path], ring: Path) -> Program:
    """Runs a program in a process of its own; the result is what it put into ``said``."""

    def run(body: str, *, shim: Path = shim, **environment: str) -> dict[str, Any]:
        arguments = [shim, mocks, recordings["adds"], ring]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM + body + "\nprint(json.dumps(said))", *arguments],
            env={**os.environ, "MOCK_CUPTI_RECORDING": str(recordings["adds"]), **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return run


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shim") / "libinferscope_shim.so"
    sources = sorted((ROOT / "cupti").glob("*.c"))
    compile_c("-shared", "-fPIC", "-O2", "-fvisibility=hidden", *sources, "-o", path, "-ldl", "-lpthread")
    return path


CUDA_IN_USE = "cuda().cuInit(0); cupti()\n"


def test_cuda_in_use(in_process: Program) -> None:
    body = CUDA_IN_USE + "capture.begin(str(ring)); said['injection'] = injection(); work(); tell(capture.end())"
    said = in_process(body)
    assert said["started"] is True
    assert said["losses"] == []
    assert said["records"] > 400
    assert said["injection"] is None


def test_armed_only_inside_the_cell(in_process: Program) -> None:
    body = """
os.environ.pop("CUDA_INJECTION64_PATH", None)
capture.begin(str(ring)); said["inside"] = injection(); tell(capture.end()); said["after"] = injection()
"""
    said = in_process(body)
    assert said.pop("inside").endswith("libinferscope_shim.so")
    assert said == {"started": False, "records": 0, "losses": [], "after": None}


def test_cuda_begins_inside_the_cell(in_process: Program) -> None:
    body = """
cupti()
capture.begin(str(ring)); cuda().cuInit(0); work(); tell(capture.end()); said["after"] = injection()
"""
    said = in_process(body)
    assert (said["started"], said["losses"], said["after"]) == (True, [], None)
    assert said["records"] > 400


def test_child_process_inherits_an_inert_injection(in_process: Program) -> None:
    body = """
import subprocess
capture.begin(str(ring))
child = (
    "import ctypes, sys; cuda, shim = map(ctypes.CDLL, sys.argv[1:]);"
    "print(cuda.cuInit(0), shim.inferscope_capture_state())"
)
said["child"] = subprocess.run(
    [sys.executable, "-c", child, mocks / "libcuda.so.1", shim], capture_output=True, text=True, check=True
).stdout.split()
tell(capture.end())
"""
    said = in_process(body)
    assert said["child"] == ["0", "0"]
    assert said["losses"] == []


def test_foreign_injection_is_left_alone(in_process: Program) -> None:
    body = "capture.begin(str(ring)); said['inside'] = injection(); tell(capture.end()); said['after'] = injection()"
    said = in_process(body, CUDA_INJECTION64_PATH="/opt/other.so")
    assert (said["inside"], said["after"]) == ("/opt/other.so", "/opt/other.so")


CONFLICTS = [
    ("os.environ['NSYS_PROFILING_SESSION_ID'] = '1'", "Nsight"),
    ("import types; sys.modules['torch'] = types.SimpleNamespace(_C=types.SimpleNamespace(_autograd="
     "types.SimpleNamespace(_profiler_enabled=lambda: True)))", "torch.profiler"),
    ("import types; sys.modules['triton.profiler.flags'] = types.SimpleNamespace(profiling_on=True)", "Proton"),
    ("import types; sys.modules['jax._src.profiler'] = types.SimpleNamespace(_profile_state="
     "types.SimpleNamespace(profile_session=object()))", "JAX"),
    ("os.environ['MOCK_CUPTI_ENABLE'] = '39'", "another profiler holds CUPTI"),
]  # fmt: skip


@pytest.mark.parametrize(("conflict", "named"), CONFLICTS)
def test_conflicts_are_named(conflict: str, named: str, in_process: Program) -> None:
    body = conflict + "\n" + CUDA_IN_USE + "capture.begin(str(ring)); work(); tell(capture.end())"
    said = in_process(body)
    assert said["started"] is False
    assert len(said["losses"]) == 1
    assert named in said["losses"][0]


def test_odd_modules_do_no_harm(in_process: Program) -> None:
    """A module that looks like torch and raises at every touch, and paths that are none."""
    body = (
        CUDA_IN_USE
        + """
class Odd:
    def __getattr__(self, name): raise RuntimeError(name)
sys.modules["torch"] = sys.modules["triton.profiler.flags"] = sys.modules["jax._src.profiler"] = Odd()
sys.path += [None, 7, "\\0"]
capture.begin(str(ring)); tell(capture.end())
"""
    )
    said = in_process(body)
    assert said["started"] is False
    assert len(said["losses"]) == 1  # whatever it is, it was said and not raised


def test_lost_end_is_made_up_for(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
capture.begin(str(ring))
second = gpu_capture.Capture(shim=shim)
second.begin(str(ring)); work(); tell(second.end())
"""
    )
    said = in_process(body)
    assert (said["started"], said["losses"]) == (True, [])


EARLIER = 120  # gpu_ring_header.earlier_ns


def test_earlier_work_is_waited_for_and_told(in_process: Program, ring: Path) -> None:
    body = (
        CUDA_IN_USE
        + """
import time
until = time.monotonic_ns() + 200_000_000
cuda().mock_cuda_busy_until(until)
capture.begin(str(ring)); said["begun"] = time.monotonic_ns() >= until
work(); tell(capture.end())
"""
    )
    said = in_process(body)
    assert (said["started"], said["losses"], said["begun"]) == (True, [], True)
    (earlier,) = struct.unpack_from("<Q", ring.read_bytes(), EARLIER)
    assert earlier > 150_000_000


def test_earlier_work_without_end_is_not_waited_for(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
import time
gpu_capture._EARLIER_SECONDS = 0.1
cuda().mock_cuda_busy_until(time.monotonic_ns() + 3600_000_000_000)
capture.begin(str(ring)); tell(capture.end())
print(json.dumps(said), flush=True); os._exit(0)
"""
    )
    said = in_process(body)
    assert said["started"] is False
    assert len(said["losses"]) == 1
    assert "still busy with earlier work" in said["losses"][0]


def test_wait_for_the_device_can_be_interrupted(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
import _thread, threading
capture.begin(str(ring)); work()
os.environ["MOCK_CUDA_HANG_MS"] = "60000"
threading.Timer(0.3, _thread.interrupt_main).start()
tell(capture.end())
"""
    )
    said = in_process(body)
    assert said["started"] is True
    assert len(said["losses"]) == 1
    assert "interrupted" in said["losses"][0]


def test_missing_or_other_shim(in_process: Program, tmp_path: Path) -> None:
    source = tmp_path / "old.c"
    source.write_text("unsigned inferscope_shim_version(void) { return 999; }\n")
    compile_c("-shared", "-fPIC", source, "-o", tmp_path / "old.so")
    for shim, why in ((tmp_path / "none.so", "none.so"), (tmp_path / "old.so", "version 999")):
        body = "capture.begin(str(ring)); tell(capture.end()); said['after'] = injection()"
        said = in_process(body, shim=shim)
        assert said["started"] is False
        assert why in said["losses"][0]
        assert said["after"] is None


def test_governor_decides(tmp_path: Path) -> None:
    program = tmp_path / "governor"
    sources = (HERE / "governor_test.c", ROOT / "cupti/governor.c")
    compile_c(
        "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", ROOT / "cupti", *sources, "-o", program
    )
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TWO_DEVICES = {"MOCK_CUPTI_DEVICES": "2", "MOCK_CUDA_DEVICES": "2"}


def test_second_device_stops_the_cell(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
capture.begin(str(ring))
try:
    for step in range(10_000): work()
except gpu_capture.MultiGpuError as error:
    said["error"], said["of"] = str(error), error.devices
summary = capture.end()
said["devices"] = summary.devices
tell(summary)
"""
    )
    said = in_process(body, **TWO_DEVICES)
    assert said["of"] == said["devices"] == [0, 1]
    assert "0 (NVIDIA H100 80GB HBM3) and 1 (NVIDIA H100 80GB HBM3)" in said["error"]
    assert 'multi_gpu = "allow"' in said["error"]
    assert said["losses"] == []


def test_several_devices_may_be_allowed(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
capture = gpu_capture.Capture(shim=shim, several_devices=True)
capture.begin(str(ring)); work(); work(); work()
summary = capture.end(); said["devices"] = summary.devices
"""
    )
    assert in_process(body, **TWO_DEVICES) == {"devices": [0, 1]}


def test_second_device_at_the_very_end_is_no_error_of_the_next_cell(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
import threading
watched = []
for attempt in range(50):
    capture = gpu_capture.Capture(shim=shim)
    capture.begin(str(ring))
    try:
        work(); work()
    except gpu_capture.MultiGpuError:
        watched.append(attempt)
    capture.end()
    for quiet in range(1000): pass
said["threads"] = sorted(thread.name for thread in threading.enumerate())
"""
    )
    assert in_process(body, **TWO_DEVICES) == {"threads": ["MainThread"]}


def test_capture_is_cut_into_windows(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
import time
for budget in (0.01, 0.0):
    capture = gpu_capture.Capture(shim=shim, budget=budget)
    capture.begin(str(ring))
    until = time.monotonic() + 1.0
    while time.monotonic() < until: work()
    summary = capture.end()
    said[str(budget)] = [summary.windows > 0, [loss.reason for loss in summary.losses]]
"""
    )
    assert in_process(body, MOCK_CUPTI_FAST="5") == {"0.01": [True, []], "0.0": [False, []]}


def test_several_threads_keep_a_capture_whole(in_process: Program) -> None:
    body = (
        CUDA_IN_USE
        + """
import threading, time
capture = gpu_capture.Capture(shim=shim, budget=0.001)
capture.begin(str(ring))
until = time.monotonic() + 1.0
def launch():
    while time.monotonic() < until: work()
threads = [threading.Thread(target=launch) for _ in range(2)]
for thread in threads: thread.start()
launch()
for thread in threads: thread.join()
tell(capture.end())
"""
    )
    said = in_process(body)
    assert len(said["losses"]) == 1
    assert "several threads" in said["losses"][0]


def test_no_ring_no_capture(in_process: Program) -> None:
    body = CUDA_IN_USE + "capture.begin(''); tell(capture.end())"
    assert in_process(body) == {"started": False, "records": 0, "losses": []}
