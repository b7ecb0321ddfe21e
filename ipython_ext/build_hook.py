"""The wheel's build hook: builds the sidecar and the shim into the package and marks the wheel for this platform."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import native


class NativeBuildHook(BuildHookInterface[Any]):
    """Found by hatchling as this file's one hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before hatchling collects the package's files."""
        try:
            native.build()
        except native.BuildError as error:
            # A sentence, not a traceback, is what pip shows last.
            sys.exit(str(error))
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        # No part of it is built against Python's own interface, so every Python 3 can use it.
        build_data["tag"] = f"py3-none-{platform}"
