"""What a CUDA launch costs more while the calls are probed, against a library that stands for the driver's.

python bench/cuda_probe.py [--pairs N]

The library's functions begin as the driver's do (a pushed register), so that its probes are as cheap. Each pair of runs
is one without probes and one with them, in alternating order. Times are CPU times of the process that launches.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from ebpf_observer import ROOT, Observer
from record import measure, median_ratio, percentile, say, spread

SOURCES = ROOT / "tests/cupti"
LAUNCHES = 50_000
# What a launch takes on a host with a GPU, 8 us, and the time between launches of a model's layers.
WORK_NS = {"a loop of nothing but launches of 8 us": 8_000, "a launch every 50 us": 50_000}


class Driver:
    """A process that launches on command."""

    def __init__(self, folder: Path) -> None:
        library, program = folder / "libcuda.so.1", folder / "calls_driver"
        compiler = [os.environ.get("CC", "cc"), "-std=c11", "-O1"]
        mocks = [SOURCES / "mock_cuda.c", SOURCES / "mock_cuda_calls.c"]
        subprocess.run([*compiler, "-shared", "-fPIC", *mocks, "-o", library, "-lpthread"], check=True)
        subprocess.run([*compiler, SOURCES / "calls_driver.c", "-o", program, "-ldl", "-lpthread"], check=True)
        self.process = subprocess.Popen([program, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.ask("load")

    def ask(self, command: str) -> float:
        """Lets it obey a command; the result is the seconds of CPU time that took."""
        assert self.process.stdin is not None and self.process.stdout is not None
        clock = ~self.process.pid << 3 | 2  # the CPU clock of another process, as clock_getcpuclockid makes it
        started = time.clock_gettime(clock)
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise SystemExit("the program that launches has ended")
        return time.clock_gettime(clock) - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        driver = Driver(Path(folder))
        observer = Observer(collector="cudaprobe", pid=driver.process.pid)

        def compare(launches: int, work: int) -> list[tuple[float, float]]:
            def run() -> float:
                return driver.ask(f"storm {launches} {work}")

            def probed_run() -> float:
                observer.begin()
                took = run()
                observer.end()
                return took

            kept = []
            for number in range(-1, pairs):
                found = {}
                for probed in (False, True) if number % 2 == 0 else (True, False):
                    found[probed] = probed_run() if probed else run()
                if number >= 0:
                    kept.append((found[False], found[True]))
            return kept

        bare = compare(LAUNCHES, 0)
        cost = percentile([(probed - alone) / LAUNCHES * 1e9 for alone, probed in bare], 50)
        say(f"{cost:.0f} ns a launch")
        measure("what a probed launch costs more", cost, "ns", "", f"median of {pairs} pairs of {LAUNCHES:,} launches")
        for name, work in WORK_NS.items():
            kept = compare(min(LAUNCHES, 500_000_000 // work), work)
            measure(f"{name}: time with probes over without", median_ratio(kept), "ratio", "", spread(kept))
        measure("calls lost", sum(observer.losses.values()), "calls", "<= 0", f"{observer.rows:,} were recorded")
        measure("attaching the probes, median", percentile(observer.begin_ns, 50) / 1e6, "ms")
        note = "mostly the kernel's wait until no thread is in a probe any more"
        measure("detaching them, median", percentile(observer.end_ns, 50) / 1e6, "ms", "", note)
        observer.close()
        assert driver.process.stdin is not None
        driver.process.stdin.close()
        driver.process.wait()


if __name__ == "__main__":
    main()
