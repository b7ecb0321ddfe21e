"""Throughput of two threads that do nothing but hand over to each other on one CPU, with and without eBPF collection.

    python bench/ebpf_switch_storm.py [--pairs N] [--seconds S]

The threads are C, started from Python: a pair of pipes, one byte back and forth.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

from ebpf_observer import Slice, compare

SOURCE = """
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static int to[2], from[2];

static void *serve(void *unused)
{
    char byte;

    while (read(to[0], &byte, 1) == 1 && byte)
        if (write(from[1], &byte, 1) != 1)
            break;
    return unused;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Round trips a second; each is two switches. */
double storm(double seconds)
{
    pthread_t other;
    char byte = 1;
    long trips = 0;
    double start = now(), took = 0;

    if (pipe(to) || pipe(from) || pthread_create(&other, 0, serve, 0))
        return -1;
    while (took < seconds) {
        for (int i = 0; i < 1000; i++)
            if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
                return -1;
        trips += 1000;
        took = now() - start;
    }
    byte = 0;
    if (write(to[1], &byte, 1) != 1)
        return -1;
    pthread_join(other, 0);
    close(to[0]), close(to[1]), close(from[0]), close(from[1]);
    return trips / took;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.05)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "storm.c", Path(folder) / "storm.so"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-lpthread"], check=True)
        storm = ctypes.CDLL(str(library)).storm
    storm.restype = ctypes.c_double
    storm.argtypes = [ctypes.c_double]

    def run() -> Slice:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(allowed)})
        wall, cpu = time.perf_counter(), time.process_time()
        rate = storm(options.seconds)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        os.sched_setaffinity(0, allowed)
        return Slice(rate * wall, wall, cpu, round(2 * rate * wall))

    compare("storm of switches", run, options.pairs, ">= 0.80", how="both threads on one core")


if __name__ == "__main__":
    main()
