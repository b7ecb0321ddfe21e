"""The wheel and the source distribution: what they hold, and that they install and run elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import inferscope

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.single


def build(source: Path, target: str, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)],
        cwd=source,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    done = build(ROOT, "sdist", folder)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (tree,) = (path for path in folder.iterdir() if path.is_dir())
    return tree


def test_sdist_has_what_the_build_needs_and_no_more(sdist: Path) -> None:
    assert sdist.name == f"inferscope_profiler-{inferscope.__version__}"
    names = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}
    assert {"go.mod", "go.sum", "LICENSE", "README.md", "cupti/inferscope_shim.c", "ipython_ext/build_hook.py"} <= names
    unwanted = [name for name in names if re.search(r"_test\.go$|/_bin/|^tests/|^bench/|node_modules|\.pyc$", name)]
    assert unwanted == []


def test_wheel_from_the_sdist_installs_and_runs(sdist: Path, tmp_path: Path) -> None:
    done = build(sdist, "wheel", tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    version = re.escape(inferscope.__version__)
    assert re.fullmatch(rf"inferscope_profiler-{version}-py3-none-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"inferscope_profiler-{inferscope.__version__}.dist-info/METADATA").decode()
    assert {
        "inferscope/_bin/inferscope-sidecar",
        "inferscope/_bin/libinferscope_shim.so",
        "inferscope/py.typed",
        "inferscope/_wire.py",
    } <= names
    assert {name.split("/")[0] for name in names} == {"inferscope", wheel.name.split("-py3")[0] + ".dist-info"}
    assert "Requires-Python: >=3.10" in metadata

    # Installed into an environment of its own, its dependencies taken from this one.
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True, symlinks=True)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    command = environment / "bin" / "inferscope"
    done = subprocess.run([command, "version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, inferscope.__version__ + "\n"), done.stderr
    seen = subprocess.run(
        [python, "-c", "from inferscope import gpu; print(gpu.probe().known, gpu.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert seen[0] == "True"
    assert Path(seen[1]).is_relative_to(environment)


@pytest.mark.parametrize(("variable", "what"), [("GO", "Go"), ("CC", "A C compiler")])
def test_a_missing_tool_is_a_sentence(variable: str, what: str, tmp_path: Path) -> None:
    done = build(ROOT, "wheel", tmp_path, **{variable: "no-such-tool"})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(rf"{what} is needed to build InferScope and `no-such-tool` was not found \(.+\)\.", last)
    assert "Traceback" not in done.stderr


def test_a_failing_compiler_shows_its_words(tmp_path: Path) -> None:
    false = shutil.which("false")
    assert false
    done = build(ROOT, "wheel", tmp_path, CC=false)
    assert done.returncode != 0
    assert "Building the shim failed:" in done.stderr
    assert "Traceback" not in done.stderr
