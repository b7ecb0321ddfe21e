"""What other tools take for the trace that ``inferscope analyze`` reads: Holistic Trace Analysis, and Perfetto."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kineto_traces import Made
from record import measure, say

ROOT = Path(__file__).resolve().parents[1]
HTA = ("HolisticTraceAnalysis==0.5.0", "pandas<3")
# What answers the question that analyze answers, as far as it does: how long the GPU was busy and idle, and with which
# kernels.
HTA_PROGRAM = """
import sys
from hta.trace_analysis import TraceAnalysis
trace = TraceAnalysis(trace_files={0: sys.argv[1]}, trace_dir=sys.argv[2])
trace.get_temporal_breakdown(visualize=False)
trace.get_idle_time_breakdown(visualize=False)
trace.get_gpu_kernel_breakdown(visualize=False)
"""
ENGINE = ROOT / ".tools" / "trace-processor"
PERFETTO_QUERY = "select count(*) as kernels, sum(dur) as ns from slice where category in ('kernel', 'Kernel')"


class Taken(NamedTuple):
    """What a process took to its end."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    stdout: bytes


def timed(command: Sequence[str | Path], stdin: bytes = b"") -> Taken:
    """Runs a process to its end.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    started = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(stdin)
    child.stdin.close()
    stdout = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - started
    child.stdout.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, [str(word) for word in command])
    return Taken(taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, stdout)


def report(peer: str, what: str, taken: Taken, note: str) -> None:
    """Hands over the two numbers of a peer."""
    measure(f"beside it, {what}: {peer}", taken.seconds, "s", note=note)
    measure(f"beside it, {what}: {peer}, peak resident memory", taken.peak_mib, "MiB", note=note)


def hta(trace: Path, what: str, folder: Path) -> None:
    """Measures Holistic Trace Analysis, which it installs into an environment of its own in the folder."""
    say(f"{HTA[0]} into an environment of its own")
    venv.create(folder / "hta", with_pip=True)
    python = folder / "hta" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *HTA], check=True, stdout=sys.stderr)
    taken = timed([python, "-c", HTA_PROGRAM, trace, folder])
    report(HTA[0], what, taken, "one run; its reading, its breakdowns of time, of idle time and of kernels")


def perfetto(trace: Path, what: str, made: Made) -> None:
    """Measures Perfetto's trace processor, as the tests have it: compiled to WebAssembly.

    Raises:
        SystemExit: It found other kernels than the trace holds.
    """
    if shutil.which("node") is None or not ENGINE.exists():
        say(f"no trace processor: it needs node, and .ci/trace-processor to fetch it into {ENGINE.relative_to(ROOT)}")
        return
    command = ["node", ROOT / "tests" / "exports" / "query.mjs", ENGINE, trace]
    taken = timed(command, json.dumps([PERFETTO_QUERY]).encode())
    ((found,),) = json.loads(taken.stdout)
    if (found["kernels"], found["ns"]) != made:
        raise SystemExit(f"the trace processor found {found}, the trace holds {made}")
    report(
        "Perfetto's trace processor", what, taken, "one run; in WebAssembly; its reading, and the sum of the kernels"
    )
