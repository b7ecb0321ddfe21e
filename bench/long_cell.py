"""A cell of 50 million events: the sidecar's memory, and whether all of them are in the trace.

python bench/long_cell.py [--events N]

The sidecar is the real one, and the events reach it as those of a cell do: columns in messages of the seam, in order of
time, of the threads of a cell that executes some ten million lines a second. They are made here because no interpreter
executes lines that fast. What the eBPF programs see of this process meanwhile comes on top.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from inferscope import _wire
from inferscope.client import Connection
from inferscope.sidecar import Sidecar
from inferscope.trace import await_written
from record import measure, say

EVENTS = 50_000_000
THREADS = 4
ROWS = 16_384  # of one thread in one message
# After so many messages the sidecar is asked how many events it has taken: it may be behind by so many. No cell makes
# them as fast as they are sent here, and the sidecar drops what it cannot take.
CATCH_UP = 16
BEHIND = 1_000_000
PATIENCE = 120.0
LINES = 20  # of the cell
NS = 400  # from one line of a thread to the next


def peak_mib(pid: int) -> float:
    """The most memory that a process had resident so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found.group(1)) / 1024


def catch_up(connection: Connection, events: int) -> None:
    """Waits until the sidecar has taken so many events of the cell.

    Raises:
        SystemExit: It has lost some.
    """
    until = time.monotonic() + PATIENCE
    while connection.request(_wire.StatusRequest(), PATIENCE).events < events:
        if time.monotonic() > until:
            raise SystemExit("the sidecar did not take the events")
        time.sleep(0.001)


def send(connection: Connection, cell: str, begun: int, events: int) -> int:
    """Sends the lines of a cell as fast as the sidecar takes them.

    Returns:
        When the cell ends, CLOCK_MONOTONIC ns.

    Raises:
        SystemExit: The sidecar fell so far behind that events were dropped.
    """
    generator = np.random.default_rng(0)
    times = [np.arange(ROWS, dtype="<i8") * NS + generator.integers(0, NS // 2, ROWS) for _ in range(THREADS)]
    lines = (1 + np.arange(ROWS, dtype="<i4") % LINES).tobytes()
    at, sent, messages = begun, 0, 0
    while sent < events:
        for thread in range(THREADS):
            n = min(ROWS, events - sent)
            column = _wire.LineColumns(
                tid=os.getpid() + thread,
                time=(times[thread][:n] + at).tobytes(),
                line=lines[: 4 * n],
                top=lines[: 4 * n],
            )
            if not connection.send(_wire.Events(cell_id=cell, lines=[column])):
                raise SystemExit("the sidecar did not take the events in time")
            sent, messages = sent + n, messages + 1
            if messages % CATCH_UP == 0:
                catch_up(connection, sent - BEHIND)
        at += ROWS * NS
    return at


def run(trace: Path, events: int) -> None:
    """Sends the events of one cell and measures."""
    sidecar = Sidecar()
    connection = sidecar.connection(PATIENCE)
    pid = sidecar.pid
    assert pid is not None
    idle, cell = peak_mib(pid), "long"
    connection.request(
        _wire.Start(
            cell_id=cell,
            main_tid=threading.get_native_id(),
            source=LINES * "x = f(x)\n",
            cell_file="<cell>",
            kind=_wire.KIND_CELL,
            cell_name="In [1]",
            trace=str(trace),
            directory=str(trace.parent),
            typed={"gpu": "false"},
        ),
        PATIENCE,
    )
    begun, started = time.monotonic_ns(), time.perf_counter()
    end = send(connection, cell, begun, events)
    report = connection.request(_wire.Stop(cell_id=cell, begin=begun, end=end, outcome="ok"), PATIENCE)
    reported = time.perf_counter() - started
    await_written(trace)
    written = time.perf_counter() - started
    peak = peak_mib(pid)
    sidecar.shutdown()
    for loss in json.loads(report.summary)["losses"]:
        say(f"   {loss['source']}: {loss['reason']} ({loss['count']})")
    what, kept = f"a cell of {events / 1e6:g} million events", rows(trace, "lines")
    note = f"of the whole process, {idle:.0f} MiB before the cell; {THREADS} threads"
    measure(f"{what}: peak resident memory of the sidecar", peak, "MiB", "<= 768", note)
    measure(f"{what}: events that its trace lacks", events - kept, "events", "<= 0")
    size = sum(file.stat().st_size for file in trace.iterdir()) / 2**20
    note = f"{written:.1f} s to the closed trace of {size:.0f} MiB; {reported:.1f} s to the report"
    measure(f"{what}: taken, analysed and written", events / written / 1e6, "million/s", note=note)


def rows(trace: Path, table: str) -> int:
    """How many rows of a table a trace has."""
    manifest = json.loads((trace / "manifest.json").read_text(encoding="utf-8"))
    return sum(part["rows"] for part in manifest["parts"] if part["table"] == table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=EVENTS, metavar="N")
    arguments = parser.parse_args()
    # Not "inferscope-": sidecars sweep such folders.
    with tempfile.TemporaryDirectory(prefix="bench-long-") as folder:
        run(Path(folder) / "cell.inferscope", arguments.events)


if __name__ == "__main__":
    main()
