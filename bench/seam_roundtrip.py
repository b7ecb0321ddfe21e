"""The seam alone: start, round trip, events, and how long something is left of a killed kernel.

python bench/seam_roundtrip.py [SIDECAR]

Without SIDECAR it builds the stub of the tests, whose handler does nothing.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from inferscope import _wire
from inferscope.client import Connection
from inferscope.sidecar import Sidecar
from record import measure, percentile

ROOT = Path(__file__).resolve().parents[1]
KILLED = """
import os, sys
from pathlib import Path
from inferscope.sidecar import Sidecar
sidecar = Sidecar(Path(sys.argv[1]))
sidecar.connection(30)
print(sidecar.pid, flush=True)
sys.stdin.read()
"""


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1e3


def report(what: str, values: list[float], unit: str, budget: str = "") -> None:
    note = f"median of {len(values)}; 95th percentile {percentile(values, 95):.3g} {unit}"
    measure(what, percentile(values, 50), unit, budget, note)


def measure_life(binary: Path) -> None:
    start, ready, shutdown = [], [], []
    for _ in range(20):
        sidecar = Sidecar(binary)
        start.append(milliseconds(sidecar.start))
        ready.append(milliseconds(lambda sidecar=sidecar: sidecar.connection(30)))  # type: ignore[misc]
        shutdown.append(milliseconds(sidecar.shutdown))
    report("starting the sidecar: the call returns", start, "ms")
    report("starting the sidecar: connected, without the import of pyzmq", ready[1:], "ms", "<= 100")
    report("shutting the sidecar down", shutdown, "ms")


def measure_round_trip(connection: Connection) -> None:
    request = _wire.Cancel(cell_id="none")
    times = [1e3 * milliseconds(lambda: connection.request(request, 30)) for _ in range(2200)][200:]
    report("round trip of a small request", times, "us")


def measure_events(connection: Connection) -> None:
    """Batches of 256 KiB of columns, from the first one sent until the sidecar has decoded the last."""
    rows, batches = (256 << 10) // 16, 2000
    events = _wire.Events(
        cell_id="a", lines=[_wire.LineColumns(tid=1, time=bytes(8 * rows), line=bytes(4 * rows), top=bytes(4 * rows))]
    )
    connection.request(_wire.Start(cell_id="a"), 30)
    sends, full = [], 0
    begin = time.perf_counter()
    for _ in range(batches):
        sent = time.perf_counter()
        while not connection.send(events):
            full += 1
            connection.request(_wire.StatusRequest(), 30)  # lets the sidecar catch up
        sends.append((time.perf_counter() - sent) * 1e6)
    connection.request(_wire.Stop(cell_id="a"), 60)
    seconds = time.perf_counter() - begin
    rate = batches * (256 << 10) / seconds / 1e6
    note = f"{batches} batches as fast as they go; {full} times the queue of this side was full"
    measure("events in batches of 256 KiB", rate, "MB/s", note=note)
    report("sending one batch of 256 KiB", sends, "us")


def measure_killed(binary: Path) -> None:
    """From SIGKILL of the client to the end of the sidecar, when nothing of it may be left."""
    times = []
    for _ in range(10):
        with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
            client = subprocess.Popen(
                [sys.executable, "-c", KILLED, str(binary)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "TMPDIR": temporary},
            )
            assert client.stdout is not None
            descriptor = os.pidfd_open(int(client.stdout.readline()))
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            begin = time.perf_counter()
            client.kill()
            poll.poll()
            times.append(time.perf_counter() - begin)
            os.close(descriptor)
            client.communicate()
            if left := list(Path(temporary).iterdir()):
                raise SystemExit(f"left behind: {left}")
    measure("kernel killed: until no process or file is left", max(times), "s", "<= 2", f"worst of {len(times)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        if len(sys.argv) > 1:
            binary = Path(sys.argv[1]).resolve()
        else:
            binary = Path(directory) / "inferscope-sidecar"
            build = ["go", "build", "-o", str(binary), "./sidecar/internal/server/stubsidecar"]
            subprocess.run(build, cwd=ROOT, check=True)
        measure_life(binary)
        measure_killed(binary)
        sidecar = Sidecar(binary)
        connection = sidecar.connection(30)
        measure_round_trip(connection)
        measure_events(connection)
        sidecar.shutdown()


if __name__ == "__main__":
    main()
