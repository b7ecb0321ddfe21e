"""Counts the device operations of one workload by CUPTI directly, in a process of its own.

    python tests/gpu/count.py NAME

Prints one JSON object: operations by kind. It is independent of InferScope: it uses the recorder of
``tests/cupti/record.py``, which keeps what CUPTI delivers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = {10: "kernels", 3: "kernels", 1: "memcpys", 22: "memcpys", 2: "memsets"}


def load(path: Path) -> Any:
    """Import a file that lies beside the tests."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def synchronize() -> None:
    """Wait for the current context, whatever framework made it."""
    ctypes.CDLL("libcuda.so.1").cuCtxSynchronize()


def cupti() -> str:
    """The CUPTI of this process, or one that the package's own search finds."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            if "libcupti.so" in line:
                return line.split()[-1]
    return str(load(HERE.parent.parent / "ipython_ext/inferscope/gpu_capture.py").candidates()[0])


def main(name: str) -> None:
    """Run the workload warm, then recorded."""
    workload = next(w for w in load(HERE / "workloads.py").WORKLOADS if w.name == name)
    scope: dict[str, Any] = {}
    exec(workload.setup, scope)
    exec(workload.cell, scope)
    synchronize()
    try:
        library = cupti()
    except ImportError:
        import nvidia.cu13 as cuda

        library = str(Path(next(iter(cuda.__path__))) / "lib/libcupti.so.13")
    recorder = load(HERE.parent / "cupti/record.py").Recorder(library)
    recorder.run(lambda: exec(workload.cell, scope), synchronize)
    counts = Counter(NAMES.get(struct.unpack_from("<I", raw)[0], "other") for raw in recorder.records)
    print(json.dumps({kind: counts[kind] for kind in ("kernels", "memcpys", "memsets")}))


if __name__ == "__main__":
    main(sys.argv[1])
