"""What %load_ext costs, and what %%inferscope adds to a trivial cell, in a real kernel.

python bench/cell_overhead.py [PAIRS]

Inside is measured around the code that the kernel runs, outside from the request to the idle status that answers it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from record import measure, percentile

LOADS = 5
BODY = "x = 6 * 7"
LOAD = """\
import time
begin = time.perf_counter()
get_ipython().run_line_magic('load_ext', 'inferscope')
time.perf_counter() - begin
"""
# Around everything that IPython does for a cell, events of the extension included; the report is made, and shown when
# the outer cell ends.
MEASURED = """\
import time
def measured_run_cell(text):
    begin = time.perf_counter()
    get_ipython().run_cell(text)
    return time.perf_counter() - begin
"""


class Kernel:
    """A kernel of this Python."""

    def __init__(self) -> None:
        self.manager = KernelManager()
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, display_name="bench", language="python")
        # The notice that the kernel's transport is not encrypted goes to stderr.
        self.manager.start_kernel(stderr=subprocess.DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str) -> tuple[float, str]:
        """Runs a cell; returns its seconds from outside and the text of its result."""
        begin = time.perf_counter()
        request = self.client.execute(code)
        result = ""
        reports = 0
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_result":
                result = content["data"]["text/plain"]
            reports += kind == "display_data"
            if kind in ("error", "stream"):
                raise RuntimeError(f"{code!r} said {content}")
            if kind == "status" and content["execution_state"] == "idle":
                seconds = time.perf_counter() - begin
                break
        self.client.get_shell_msg(timeout=60)
        if reports != code.count("%%inferscope"):
            raise RuntimeError(f"{code!r} showed {reports} reports")
        return seconds, result

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def load_ms() -> list[float]:
    """What %load_ext took, measured inside kernels that were just started."""
    taken = []
    for _ in range(LOADS):
        kernel = Kernel()
        taken.append(1e3 * float(kernel.run(LOAD)[1]))
        kernel.close()
    return taken


def cell_ms(pairs: int) -> tuple[list[float], list[float]]:
    """The differences of profiled and plain trivial cells, from outside and inside, in alternating order."""
    kernel = Kernel()
    kernel.run("%load_ext inferscope")
    kernel.run(MEASURED)
    kernel.run("%%inferscope\n" + BODY)
    outside, inside = [], []
    for number in range(pairs):
        codes = ["%%inferscope\n" + BODY, BODY]
        order = codes if number % 2 else codes[::-1]
        seconds = {code: kernel.run(code)[0] for code in order}
        outside.append(1e3 * (seconds[codes[0]] - seconds[codes[1]]))
        seconds = {code: float(kernel.run(f"measured_run_cell({code!r})")[1]) for code in order}
        inside.append(1e3 * (seconds[codes[0]] - seconds[codes[1]]))
    kernel.close()
    return outside, inside


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    loads = load_ms()
    note = f"slowest of {LOADS} fresh kernels; median {statistics.median(loads):.1f} ms"
    measure("%load_ext inferscope", max(loads), "ms", "<= 150", note)
    outside, inside = cell_ms(pairs)
    for where, values in (("from request to idle", outside), ("inside the kernel", inside)):
        note = f"p95 of {pairs} pairs of `{BODY}` with and without; median {statistics.median(values):.1f} ms"
        measure(f"what %%inferscope adds to a trivial cell, {where}", percentile(values, 95), "ms", "<= 50", note)


if __name__ == "__main__":
    main()
