"""Throughput of two Python threads that fight for the interpreter lock, with and without eBPF collection.

python bench/ebpf_gil_fight.py [--pairs N] [--seconds S] [--cores one|two|any] [--hz HZ]

The threads run from the first slice to the last, so that both sides of a pair meet the same fight. On one core they
hand over as the scheduler arranges it when it is left alone (it draws the one woken to the core of the one that wakes);
on a core each, a hand-over waits for a sleeping core, which on a virtual machine takes as long as the host likes: pairs
of that kind differ by half of their throughput with no collection at all.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import threading
import time

from ebpf_observer import Slice, compare

PLACES = {
    "one": "both threads on one core",
    "two": "the threads on a core each",
    "any": "the threads where the scheduler puts them",
}


class Fight:
    """Two threads that only compute, with a short switch interval, from begin to end.

    Args:
        seconds: The length of a slice.
        cores: Where the threads run: a key of ``PLACES``.
    """

    def __init__(self, seconds: float, cores: str) -> None:
        self._seconds = seconds
        self._counts = [0, 0]
        self._over = False
        allowed = sorted(os.sched_getaffinity(0))
        self._places = {"one": [{allowed[-1]}] * 2, "two": [{allowed[0]}, {allowed[-1]}]}.get(cores, [set(allowed)] * 2)
        self._threads = [threading.Thread(target=self._work, args=(i,)) for i in (0, 1)]
        for thread in self._threads:
            thread.start()
        self._clocks = [time.pthread_getcpuclockid(thread.ident) for thread in self._threads if thread.ident]

    def _work(self, me: int) -> None:
        os.sched_setaffinity(0, self._places[me])
        n = 0
        while not self._over:
            for _ in range(200):
                n += 1
            self._counts[me] = n

    def _now(self) -> tuple[float, float, float, int]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = sum(time.clock_gettime(clock) for clock in self._clocks)
        return sum(self._counts), time.perf_counter(), cpu, usage.ru_nvcsw + usage.ru_nivcsw

    def slice(self) -> Slice:
        """What the threads get done from now on."""
        before = self._now()
        time.sleep(self._seconds)
        after = self._now()
        return Slice(after[0] - before[0], after[1] - before[1], after[2] - before[2], after[3] - before[3])

    def end(self) -> None:
        """Have the threads end."""
        self._over = True
        for thread in self._threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--cores", choices=sorted(PLACES), default="one")
    parser.add_argument("--hz", type=int, default=0, help="samples a second; 0: the collector's default, -1: none")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    fight = Fight(options.seconds, options.cores)
    try:
        place = PLACES[options.cores]
        compare("GIL fight of two threads", fight.slice, options.pairs, ">= 0.99", how=place, hz=options.hz)
    finally:
        fight.end()


if __name__ == "__main__":
    main()
