"""`inferscope doctor` through the Python entry: what only this interpreter can tell is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from inferscope import checks


def doctor(cwd: Path | None = None, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by part."""
    done = subprocess.run(
        [sys.executable, "-m", "inferscope", "doctor", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["works"] is (done.returncode == 0)
    return done.returncode, {check["part"]: check for check in document["checks"]}


def test_this_interpreter_is_looked_at() -> None:
    _, found = doctor()
    assert sys.executable in found["interpreter"]["detail"]
    assert f"pyzmq {metadata.version('pyzmq')}" in found["packages"]["detail"]
    for part in ("interpreter", "packages", "shim", "sidecar", "calibration"):
        assert found[part]["state"] == "works", found[part]
    assert "starts and answers" in found["sidecar"]["detail"]


def test_a_folder_of_the_same_name_is_not_the_package(tmp_path: Path) -> None:
    (tmp_path / "inferscope").mkdir()
    (tmp_path / "inferscope" / "checks.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "inferscope" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import inferscope.__main__ as m, os, sys; os.chdir(sys.argv[1]); m.main(['doctor'])",
         str(tmp_path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "the wrong one" not in done.stdout
    assert f"Python {sys.version.split()[0]}" in done.stdout


def test_a_wrong_configuration_is_missing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.inferscope]\nhzz = 1\n")
    code, found = doctor(cwd=tmp_path)
    assert code == 1
    assert found["configuration"]["state"] == "missing"
    assert "pyproject.toml, line 2: " in found["configuration"]["detail"]


def test_packages_that_are_missing_or_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda name: ["pyzmq>=9999", "no-such-package>=1", "msgpack", 'pytest>=1; extra == "test"'],
    )
    assert [(one["name"], one["wrong"]) for one in checks.packages()] == [
        ("pyzmq", "is older than 9999"),
        ("no-such-package", "is not installed"),
        ("msgpack", ""),
    ]


def test_versions_are_compared_by_number() -> None:
    assert checks._requirement("ipython>=7.34") == ("ipython", "7.34")
    assert checks._requirement("a.b-c [x] ; python_version<'4'") == ("a.b-c", "")
    assert checks._numbers("10.2.0rc1+cu13") > checks._numbers("9.99")
