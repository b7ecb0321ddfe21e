"""Other profilers beside InferScope: each works after our cells, our cells after it; while one is on it is named."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernels import Kernel, load

from .conftest import HUNDRED, READY, gpu_losses, kernels_of, needs_gpu

pytestmark = needs_gpu

HERE = Path(__file__).parent

TORCH_PROFILER = """
with torch.profiler.profile() as p:
    torch.add(x, 1)
    torch.cuda.synchronize()
assert any('elementwise' in e.key for e in p.key_averages()), [e.key for e in p.key_averages()]
"""
PROTON = """
import tempfile, triton.profiler as proton
name = tempfile.mktemp()
proton.start(name)
torch.add(x, 1)
torch.cuda.synchronize()
proton.finalize()
assert 'elementwise' in open(name + '.hatchet').read()
"""
JAX_READY = """
import os
os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'
import pathlib, tempfile, jax, jax.numpy as jnp
f = jax.jit(lambda x: jnp.tanh(x @ x) + 1)
x = f(jnp.ones((512, 512))).block_until_ready()
folder = pathlib.Path(tempfile.mkdtemp())
"""
JAX_WORK = """
for _ in range(50):
    y = f(x)
y.block_until_ready()
"""
# How many events JAX's own trace has on the GPU.
JAX_TRACE = f"""
jax.profiler.start_trace(folder)
{JAX_WORK}
jax.profiler.stop_trace()
traces = [jax.profiler.ProfileData.from_file(str(path)) for path in folder.rglob('*.xplane.pb')]
planes = [plane for trace in traces for plane in trace.planes if plane.name.startswith('/device:GPU')]
seen = sum(len(list(line.events)) for plane in planes for line in plane.lines)
"""


def test_torch_profiler_works_after_a_cell_and_a_cell_after_it(gpu: Kernel) -> None:
    gpu.run(READY)
    assert gpu.run(HUNDRED).status == "ok"
    reply = gpu.run(TORCH_PROFILER, timeout=120)
    assert reply.status == "ok", reply.traceback
    for _ in range(2):
        gpu.run(HUNDRED)
        assert kernels_of(gpu) == 100, gpu_losses(gpu)


def test_a_cell_inside_torch_profiler_names_the_holder(gpu: Kernel) -> None:
    gpu.run(READY)
    gpu.run("p = torch.profiler.profile()\np.__enter__()")
    assert gpu.run(HUNDRED).status == "ok"
    assert any("torch.profiler" in reason for reason in gpu_losses(gpu))
    assert gpu.run("p.__exit__(None, None, None)").status == "ok"


def test_proton_works_after_a_cell_as_it_does_after_torch_profiler(gpu: Kernel) -> None:
    """Proton brings a CUPTI of its own, and CUPTI refuses a second copy once a first was active in a process."""
    control = load(Kernel())
    try:
        control.run(READY)
        assert control.run(TORCH_PROFILER, timeout=120).status == "ok"
        expected = control.run(PROTON, timeout=120)
    finally:
        control.close()
    gpu.run(READY)
    assert gpu.run(HUNDRED).status == "ok"
    reply = gpu.run(PROTON, timeout=120)
    assert reply.status == expected.status, (expected.traceback, reply.traceback)
    gpu.run(HUNDRED)
    assert kernels_of(gpu) == 100, gpu_losses(gpu)


@pytest.fixture
def jax(gpu: Kernel) -> Kernel:
    """A kernel in which JAX has used the GPU."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    reply = gpu.run(JAX_READY, timeout=180)
    assert reply.status == "ok", reply.traceback
    return gpu


def test_jax_profiler_works_after_a_cell_and_a_cell_after_it(jax: Kernel) -> None:
    control = load(Kernel())
    try:
        control.run(JAX_READY, timeout=180)
        reply = control.run(JAX_TRACE, timeout=120)
        assert reply.status == "ok", reply.traceback
        expected = int(control.value("seen"))
    finally:
        control.close()
    assert jax.run("%%inferscope" + JAX_WORK).status == "ok"
    kernels = kernels_of(jax)
    assert kernels >= 50
    reply = jax.run(JAX_TRACE, timeout=120)
    assert reply.status == "ok", reply.traceback
    # A trace of JAX that sees no GPU here at all is none that we broke.
    assert (int(jax.value("seen")) > 0) == (expected > 0), expected
    jax.run("%%inferscope" + JAX_WORK)
    assert kernels_of(jax) == kernels, gpu_losses(jax)


def test_a_cell_inside_a_jax_trace_names_the_holder(jax: Kernel) -> None:
    assert jax.run("jax.profiler.start_trace(folder)").status == "ok"
    reply = jax.run("%%inferscope" + JAX_WORK + "print('done')")
    assert (reply.status, reply.stdout) == ("ok", "done\n")
    assert any("JAX" in reason for reason in gpu_losses(jax)), gpu_losses(jax)
    reply = jax.run("jax.profiler.stop_trace()")
    assert reply.status == "ok", reply.traceback
    jax.run("%%inferscope" + JAX_WORK)
    assert kernels_of(jax) >= 50, gpu_losses(jax)


@pytest.mark.parametrize("variable", ["NSYS_PROFILING_SESSION_ID", "NV_NSIGHT_INJECTION_TRANSPORT_TYPE"])
def test_the_variables_of_nsight_are_seen(start_kernel: Any, variable: str) -> None:
    """Only the detection: the variables are set, as Nsight Systems and Nsight Compute set them; neither runs."""
    kernel = load(start_kernel(**{variable: "1"}))
    kernel.run(READY)
    reply = kernel.run(HUNDRED + "float(y.sum())")
    assert (reply.status, reply.result) == ("ok", "8192.0")
    assert any("Nsight" in reason for reason in gpu_losses(kernel)), gpu_losses(kernel)


def ncu() -> str | None:
    """Nsight Compute, where it is installed."""
    return shutil.which("ncu", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/cuda/bin"]))


def test_a_cell_under_nsight_compute(tmp_path: Path) -> None:
    """A real holder: the cell runs, and its kernels are all counted or the report names who holds CUPTI."""
    tool = ncu()
    if tool is None:
        pytest.skip("there is no ncu on PATH or in /usr/local/cuda/bin")
    # Its filter matches no kernel: none is replayed.
    command = [tool, "--target-processes", "all", "-k", "regex:nothing", "--launch-count", "1"]
    process = subprocess.Popen(
        [*command, sys.executable, str(HERE / "one_cell.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = [line for line in output.splitlines() if line.startswith("one_cell: ")]
    assert len(lines) == 1, output
    found = json.loads(lines[0].removeprefix("one_cell: "))
    assert found["answer"] == 8192.0
    named = any("Nsight" in reason or "another profiler" in reason for reason in found["losses"])
    assert named or found["kernels"] == 100, found
