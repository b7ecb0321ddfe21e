"""Records raw CUPTI activity of small workloads on a real GPU, for tests without one.

    python tests/cupti/record.py OUTPUT_DIRECTORY

Needs PyTorch with CUDA and its CUPTI. For each workload it writes ``NAME.cupti.gz``: what CUPTI delivered, record by
record, unchanged but for the pointers to kernel names, which become indices into a table of strings. Beside it the
number of operations as `torch.profiler`, in a run of its own, counts them. The file's layout, little-endian:

    "CUPTIREC" u32 format=1  u32 CUPTI API version  u64 CUPTI timestamp at the start
    u32 number of strings, each: u32 length, bytes
    u32 number of calls,   each: u32 domain, u32 cbid, u32 string
    u32 number of records, each: u32 size, bytes (kernel name at offset 104 is a string's index + 1)
"""

from __future__ import annotations

import ctypes
import gzip
import json
import struct
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

KERNEL, CONCURRENT_KERNEL, DRIVER, RUNTIME = 3, 10, 4, 5
KINDS = (10, 1, 2, 22, 17, 5, 4, 38)
NAME_OFFSET = 104
DOMAIN = {DRIVER: 1, RUNTIME: 2}

_Request = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)
)
_Complete = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)


class Recorder:
    """Owns the activity callbacks of the process. One at a time."""

    def __init__(self, library: str) -> None:
        self.cupti = ctypes.CDLL(library)
        self.buffers: dict[int, Any] = {}
        self.records: list[bytes] = []
        self.strings: dict[bytes, int] = {}
        self.request = _Request(self._request)
        self.complete = _Complete(self._complete)
        version = ctypes.c_uint32()
        self._call("GetVersion", ctypes.byref(version))
        self.version = version.value

    def _call(self, name: str, *arguments: Any) -> None:
        error = getattr(self.cupti, "cupti" + name)(*arguments)
        if error:
            raise RuntimeError(f"cupti{name}: error {error}")

    def _request(self, buffer: Any, size: Any, limit: Any) -> None:
        memory = (ctypes.c_uint8 * (4 << 20))()
        self.buffers[ctypes.addressof(memory)] = memory
        buffer[0], size[0], limit[0] = ctypes.addressof(memory), ctypes.sizeof(memory), 0

    def _complete(self, context: int, stream: int, buffer: int, size: int, valid: int) -> None:
        record = ctypes.c_void_p()
        starts = []
        while valid and not self.cupti.cuptiActivityGetNextRecord(
            ctypes.c_void_p(buffer), ctypes.c_size_t(valid), ctypes.byref(record)
        ):
            starts.append(record.value)
        for start, end in zip(starts, [*starts[1:], buffer + valid], strict=True):
            raw = bytearray(ctypes.string_at(start, end - start))
            (kind,) = struct.unpack_from("<I", raw)
            if kind in (KERNEL, CONCURRENT_KERNEL):
                (pointer,) = struct.unpack_from("<Q", raw, NAME_OFFSET)
                name = ctypes.string_at(pointer) if pointer else b""
                index = self.strings.setdefault(name, len(self.strings))
                struct.pack_into("<Q", raw, NAME_OFFSET, index + 1)
            self.records.append(bytes(raw))

    def run(self, work: Callable[[], None], synchronize: Callable[[], None]) -> int:
        """Record one workload; the result is CUPTI's timestamp at its start."""
        self._call("ActivityRegisterCallbacks", self.request, self.complete)
        self._call("SetThreadIdType", 1)
        for kind in KINDS:
            self._call("ActivityEnable", kind)
        stamp = ctypes.c_uint64()
        self._call("GetTimestamp", ctypes.byref(stamp))
        work()
        synchronize()
        self._call("ActivityFlushAll", 0)
        for kind in KINDS:
            self._call("ActivityDisable", kind)
        self._call("ActivityFlushAll", 1)
        self._call("Finalize")
        return stamp.value

    def write(self, path: Path, stamp: int) -> dict[str, int]:
        """Write the recording; the result counts its records by kind."""
        calls = {}
        for raw in self.records:
            kind, cbid = struct.unpack_from("<II", raw)
            if kind in DOMAIN and (kind, cbid) not in calls:
                name = ctypes.c_char_p()
                self.cupti.cuptiGetCallbackName(DOMAIN[kind], cbid, ctypes.byref(name))
                calls[kind, cbid] = self.strings.setdefault(name.value or b"", len(self.strings))
        out = bytearray(b"CUPTIREC" + struct.pack("<IIQ", 1, self.version, stamp))
        out += struct.pack("<I", len(self.strings))
        for text in self.strings:
            out += struct.pack("<I", len(text)) + text
        out += struct.pack("<I", len(calls))
        for (kind, cbid), index in calls.items():
            out += struct.pack("<III", DOMAIN[kind], cbid, index)
        out += struct.pack("<I", len(self.records))
        for raw in self.records:
            out += struct.pack("<I", len(raw)) + raw
        path.write_bytes(gzip.compress(bytes(out), mtime=0))
        return {str(k): n for k, n in sorted(Counter(struct.unpack_from("<I", r)[0] for r in self.records).items())}


def workloads() -> dict[str, Callable[[], None]]:
    """Small pieces of work that together bring every kind of record."""
    import torch

    device = torch.device("cuda")
    x = torch.ones(64, 64, device=device)
    host = torch.ones(1 << 18)
    pinned = host.pin_memory()
    target = torch.empty(1 << 18, device=device)
    weights = torch.ones(256, 256, device=device, requires_grad=True)
    static = torch.ones(64, 64, device=device)
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    with torch.cuda.graph(graph):
        for _ in range(5):
            static = static + 1

    def adds() -> None:
        for _ in range(200):
            torch.add(x, 1)

    def copies() -> None:
        for _ in range(10):
            target.copy_(host)
            target.copy_(pinned, non_blocking=True)
            target.cpu()
            target.zero_()
            float(x.sum())

    def graphs() -> None:
        for _ in range(20):
            graph.replay()

    def streams() -> None:
        for _ in range(20):
            torch.mm(x, x)
            event = torch.cuda.Event()
            event.record()
            with torch.cuda.stream(side):
                side.wait_event(event)
                torch.add(x, 1)

    def backward() -> None:
        for _ in range(5):
            (weights @ weights).relu().sum().backward()

    return {"adds": adds, "copies": copies, "graphs": graphs, "streams": streams, "backward": backward}


def count_with_torch(work: Callable[[], None]) -> dict[str, int]:
    """How many operations torch.profiler sees, by category of its trace."""
    import tempfile

    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        work()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    found = Counter(e.get("cat") for e in events if e.get("ph") == "X")
    return {name: found[name] for name in ("kernel", "gpu_memcpy", "gpu_memset")}


def main(folder: Path) -> None:
    """Record every workload, then count each with torch.profiler."""
    import torch

    torch.cuda.synchronize()
    with open("/proc/self/maps", encoding="utf-8") as maps:
        library = next(line.split()[-1] for line in maps if "libcupti.so" in line)
    works = workloads()
    for work in works.values():
        work()
    torch.cuda.synchronize()
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "recordings": {}}
    for name, work in works.items():
        recorder = Recorder(library)
        stamp = recorder.run(work, torch.cuda.synchronize)
        about["cupti"] = recorder.version
        about["recordings"][name] = {"records": recorder.write(folder / f"{name}.cupti.gz", stamp)}
    for name, work in works.items():
        about["recordings"][name]["torch.profiler"] = count_with_torch(work)
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    print(json.dumps(about))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
