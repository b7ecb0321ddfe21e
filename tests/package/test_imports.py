"""What the package imports: the standard library, its declared dependencies, itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ipython_ext" / "inferscope"

# The environment of an interpreter without `site`, which is told where the package is.
ALONE = {"PYTHONPATH": str(PACKAGE.parent)}

# Distribution names by the name that is imported.
DISTRIBUTIONS = {"IPython": "ipython", "msgpack": "msgpack", "zmq": "pyzmq"}


def imported(source: str) -> set[str]:
    """The top-level names of the modules that a source imports absolutely, outside of ``if TYPE_CHECKING``."""
    names = set()
    tree = ast.parse(source)
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_only_declared_dependencies_are_imported() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*)\]$", text, re.MULTILINE)
    assert listed
    declared = {re.split(r"[<>=~ ]", name.strip(' "'))[0] for name in listed.group(1).split(",")}
    used = set()
    for path in PACKAGE.glob("*.py"):
        for name in imported(path.read_text()) - set(sys.stdlib_module_names) - {"inferscope"}:
            assert name in DISTRIBUTIONS, f"{path.name} imports {name}"
            used.add(DISTRIBUTIONS[name])
    assert used == declared


def test_the_rule_sees_imports() -> None:
    source = "import a.b\nfrom c.d import e\nfrom . import f\ndef g():\n    import h\nif TYPE_CHECKING:\n    import i\n"
    assert imported(source) == {"a", "c", "h"}


def test_importing_the_package_brings_no_ipython_and_no_zmq() -> None:
    """A script that only uses ``scope`` and ``mark_event`` pays for neither."""
    program = "import sys, inferscope; print([m for m in ('IPython', 'zmq', 'numpy', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_waits_for_no_import() -> None:
    """Its start-up is a budget; see bench/command.py."""
    program = "import os, sys; known = set(sys.modules); import inferscope.__main__; print(*set(sys.modules) - known)"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=ALONE)
    others = {name for name in done.stdout.split() if name.split(".")[0] not in ("inferscope", "__future__")}
    assert others == set()
