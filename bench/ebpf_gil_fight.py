"""Throughput of two Python threads that fight for the interpreter lock, with and without eBPF collection.

python bench/ebpf_gil_fight.py [--pairs N] [--seconds S]
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time

from ebpf_observer import compare


class Fight:
    """Two threads that only compute, with a short switch interval."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.rate = 0.0

    def run(self) -> float:
        counts = [0, 0]

        def work(me: int, until: float) -> None:
            n = 0
            while time.perf_counter() < until:
                for _ in range(200):
                    n += 1
            counts[me] = n

        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        threads = [threading.Thread(target=work, args=(i, started + self.seconds)) for i in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
        self.rate = (after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw) / took
        return sum(counts) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    fight = Fight(options.seconds)
    compare("GIL fight of two threads", fight.run, lambda: fight.rate, options.pairs, ">= 0.99")


if __name__ == "__main__":
    main()
