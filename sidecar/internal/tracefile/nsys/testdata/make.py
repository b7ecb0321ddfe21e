"""Makes the small exports that the tests read, with SQLite itself: python make.py, in this folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
MEMCPY = "CUPTI_ACTIVITY_KIND_MEMCPY"
MEMSET = "CUPTI_ACTIVITY_KIND_MEMSET"
GRAPH = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"

Row = Sequence[object]


def thread(process: int, number: int) -> int:
    """The global id of a thread, and with number 0 that of a process."""
    return 1 << 48 | process << 24 | number


def integers(table: str, columns: str) -> str:
    """The statement for a table of integers; "end" is a word of SQL and stands in quotes."""
    return f"CREATE TABLE {table} (start INTEGER, {', '.join(c + ' INTEGER' for c in columns.split())})"


def export(name: str, statements: list[str], rows: dict[str, list[Row]]) -> None:
    """Writes one database with pages as small as may be, so that a few rows fill several."""
    path = Path(__file__).parent / name
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size = 512")
    for statement in statements:
        db.execute(statement)
    for table, values in rows.items():
        db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(values[0]))})", values)
    db.commit()
    db.execute("VACUUM")
    db.close()


def recent() -> None:
    """A recent version: two processes whose correlation ids are the same, NVTX, a graph, UVM, overhead, names."""
    strings = [
        "",
        "void gemm<float>(float*)",
        "gemm",
        "cudaLaunchKernel_v7000",
        "cudaMemcpyAsync_v3020",
        "worker",
        "decode",
        "cuGraphLaunch",
    ]
    first, second = thread(100, 101), thread(200, 201)
    one, two = thread(100, 0), thread(200, 0)
    export(
        "recent.sqlite",
        [
            "CREATE TABLE StringIds (\n    -- Consolidation of strings, (see below).\n"
            "    id INTEGER NOT NULL PRIMARY KEY, -- the id\n    value TEXT NOT NULL\n)",
            f'CREATE TABLE {KERNEL} (start INTEGER NOT NULL, "end" INTEGER NOT NULL, deviceId INTEGER,'
            " streamId INTEGER, correlationId INTEGER, globalPid INTEGER, demangledName INTEGER, shortName INTEGER,"
            " graphNodeId INTEGER,"
            " CHECK (start >= 0), FOREIGN KEY (demangledName) REFERENCES StringIds (id))",
            integers(MEMCPY, "[end] deviceId streamId correlationId globalPid bytes copyKind srcKind dstKind"),
            integers(MEMSET, "`end` deviceId streamId correlationId globalPid value bytes"),
            integers(GRAPH, '"end" deviceId streamId correlationId globalPid graphId'),
            integers(RUNTIME, '"end" eventClass globalTid correlationId nameId'),
            'CREATE TABLE NVTX_EVENTS (start INTEGER, "end" INTEGER, eventType INTEGER, text TEXT, textId INTEGER,'
            " globalTid INTEGER, domainId INTEGER)",
            "CREATE TABLE ThreadNames (nameId INTEGER, priority INTEGER, globalTid INTEGER)",
            "CREATE TABLE TARGET_INFO_GPU (id INTEGER, name TEXT, busLocation TEXT, totalMemory INTEGER)",
            "CREATE TABLE TARGET_INFO_CUDA_DEVICE (gpuId INTEGER, cudaId INTEGER, pid INTEGER)",
            integers("PROFILER_OVERHEAD", '"end" globalTid'),
            "CREATE TABLE TARGET_INFO_GPU_METRICS (typeId INTEGER, sourceId INTEGER, typeName TEXT, metricId INTEGER,"
            " metricName TEXT)",
            "CREATE TABLE GPU_METRICS (timestamp INTEGER, typeId INTEGER, metricId INTEGER, value INTEGER)",
            "CREATE VIEW everything AS SELECT * FROM StringIds",
            f"CREATE INDEX by_start ON {KERNEL} (start)",
        ],
        {
            "StringIds": list(enumerate(strings)),
            KERNEL: [(1000, 2000, 0, 7, 1, one, 1, 2, None), (1500, 2500, 1, 7, 1, two, 99, 2, 5 << 32 | 3)],
            MEMCPY: [(3000, 4000, 0, 7, 2, one, 640, 1, 0, 2), (4000, 4100, 0, 7, None, None, 64, 11, 4, 7)],
            MEMSET: [(4200, 4300, 0, 7, 3, one, 0, 32)],
            GRAPH: [(5000, 6000, 1, 9, 2, two, 12)],
            RUNTIME: [
                (900, 950, 0, first, 1, 3),
                (1400, 1450, 0, second, 1, 3),
                (2900, 2950, 0, first, 2, 4),
                (4900, 4950, 1, second, 2, 7),
                (10, 5, 0, first, 9, 3),
                (None, 5, 0, first, 9, 3),
            ],
            "NVTX_EVENTS": [
                (800, 2600, 59, "aten::mm, op_id = 31, sizes = [[1]]", None, first, 0),
                (850, None, 59, "open", None, first, 0),
                (860, 870, 60, None, 6, first, 0),
                (880, None, 34, "a mark", None, first, 0),
                (0, None, 75, "a domain", None, first, 0),
                (890, 895, 70, "ProfilerStep#3", None, first, 0),
            ],
            "ThreadNames": [(5, 0, second), (5, 0, thread(300, 1))],
            "TARGET_INFO_GPU": [(4, "H100 A", "0000:01:00.0", 80), (5, "H100 B", "0000:02:00.0", 80)],
            "TARGET_INFO_CUDA_DEVICE": [(5, 0, 100), (4, 1, 200)],
            "PROFILER_OVERHEAD": [(2000, 2100, first)],
            "TARGET_INFO_GPU_METRICS": [
                (0x7F0000000000 | 5, 0, "GPU Metrics", 9, "SMs Active [Throughput %]"),
                (0x7F0000000000 | 5, 0, "GPU Metrics", 10, "DRAM Read Bandwidth [Throughput %]"),
                (0x7F0000000000 | 5, 0, "GPU Metrics", 11, "SM Issue [Throughput %]"),
                (0x7F0000000000 | 4, 0, "GPU Metrics", 9, "Tensor Active [Throughput %]"),
                (0x7F0000000000 | 4, 0, "GPU Metrics", 10, "Tensor Active [Cycles]"),
            ],
            "GPU_METRICS": [
                (1000, 0x7F0000000000 | 5, 9, 80),
                (1100, 0x7F0000000000 | 5, 9, 0),
                (1000, 0x7F0000000000 | 5, 10, 30),
                (1000, 0x7F0000000000 | 5, 11, 44),
                (2000, 0x7F0000000000 | 4, 9, 100),
                (2000, 0x7F0000000000 | 4, 10, 12345),
                (None, 0x7F0000000000 | 4, 9, 5),
                (700, 0x7F0000000000 | 4, 9, 5),
            ],
        },
    )


def old() -> None:
    """An old version, of one process: no ids of processes, no kinds of memory, enough rows for a tree of pages."""
    export(
        "old.sqlite",
        [
            "PRAGMA encoding = 'UTF-16le'",
            "CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT)",
            integers(KERNEL, '"end" deviceId streamId correlationId shortName'),
            integers(RUNTIME, '"end" correlationId globalTid nameId'),
            integers(MEMCPY, '"end" deviceId streamId correlationId copyKind bytes'),
            "CREATE TABLE TARGET_INFO_GPU (id INTEGER, name TEXT)",
        ],
        {
            # The others begin in a page and end in another, each with another length.
            "StringIds": [
                (1, "kernel é😀"),
                (2, "cudaLaunchKernel"),
                (3, "x" * 9000),
                *((4 + i, chr(97 + i) * (230 + 23 * i)) for i in range(12)),
            ],
            KERNEL: [(1000 * i, 1000 * i + 900, 0, 7, i + 1, 1) for i in range(400)],
            RUNTIME: [(1000 * i - 20, 1000 * i - 10, i + 1, 1, 2) for i in range(400)],
            MEMCPY: [(400_000, 400_500, 0, 7, 500, 2, 123_456_789_012)],
            "TARGET_INFO_GPU": [(0, "V100")],
        },
    )


recent()
old()
