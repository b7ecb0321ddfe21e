"""What only the user's interpreter can tell of an installation: `inferscope doctor` runs this and reads its JSON.

Nothing here needs IPython to be importable: that it is not is one of the answers.
"""

from __future__ import annotations

import ctypes
import json
import platform
import re
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

DISTRIBUTION = "inferscope-profiler"
# What is looked for where the package is not installed, as in a source tree.
_PACKAGES = ("ipython", "msgpack", "pyzmq")


def main() -> int:
    """Write the answers to standard output."""
    answers = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": packages(),
        "shim": _answer(_shim),
        "cupti": _answer(_cupti),
        "calibration": _answer(_calibration),
        "sidecar": _answer(_sidecar),
    }
    print(json.dumps(answers))
    return 0


def packages() -> list[dict[str, str]]:
    """The packages that InferScope needs: name, version (empty when it is missing), what is wrong (else empty)."""
    try:
        wanted = [line for line in metadata.requires(DISTRIBUTION) or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        wanted = list(_PACKAGES)
    found = []
    for line in wanted:
        name, least = _requirement(line)
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append({"name": name, "version": "", "wrong": "is not installed"})
            continue
        old = bool(least) and _numbers(version) < _numbers(least)
        found.append({"name": name, "version": version, "wrong": f"is older than {least}" if old else ""})
    return found


def _requirement(line: str) -> tuple[str, str]:
    """The name and the least version of `pyzmq>=25`; the version may be empty."""
    name = re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0]
    least = re.search(r">=\s*([\d.]+)", line)
    return name, least[1] if least else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _answer(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a look found: `works`, `detail`, `enable`. A failure of the look is an answer too."""
    from .errors import InferScopeError

    try:
        return look()
    except InferScopeError as error:
        return {"works": False, "detail": error.sentence.rstrip("."), "enable": error.hint}
    except Exception as error:
        return {"works": False, "detail": f"{type(error).__name__}: {error}", "enable": ""}


def _shim() -> dict[str, Any]:
    from . import gpu

    presence = gpu.probe()
    enable = "" if presence.known else f"{sys.executable} -m pip install --force-reinstall {DISTRIBUTION}"
    return {"works": presence.known, "detail": presence.why or str(gpu.shim_path()), "enable": enable}


def _cupti() -> dict[str, Any]:
    """The library that a cell would use, where CUDA's own is not loaded by then."""
    from .gpu_capture import candidates

    tried = candidates()
    for path in tried:
        try:
            library = ctypes.CDLL(path)
            version = ctypes.c_uint32()
            library.cuptiGetVersion(ctypes.byref(version))
        except (OSError, AttributeError):
            continue
        return {"works": True, "detail": f"{path}, version {version.value}", "enable": ""}
    return {"works": False, "detail": f"none of {', '.join(tried)} can be loaded", "enable": _cupti_package()}


def _cupti_package() -> str:
    """The command that installs a CUPTI for the driver's CUDA."""
    version = ctypes.c_int()
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return ""
    package = "nvidia-cuda-cupti" if version.value >= 13000 else "nvidia-cuda-cupti-cu12"
    return f"{sys.executable} -m pip install {package}"


def _calibration() -> dict[str, Any]:
    from .calibrate import calibration

    found = calibration()
    return {"works": found.valid, "detail": found.why or "the frames of this interpreter can be read", "enable": ""}


def _sidecar() -> dict[str, Any]:
    """Start one as the extension does, ask it something, and end it."""
    from . import _wire
    from .sidecar import Sidecar

    sidecar = Sidecar()
    try:
        status = sidecar.connection(15.0).request(_wire.StatusRequest(), 15.0)
    finally:
        sidecar.shutdown()
    return {"works": True, "detail": f"version {status.sidecar_version} starts and answers", "enable": ""}


if __name__ == "__main__":
    sys.exit(main())
