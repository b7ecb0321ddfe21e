"""What is configured counts for the next cell: files, the environment, the options, in this order."""

from __future__ import annotations

import ast
import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels import Kernel, load

OPTIONS = "__import__('inferscope.cell').cell._profiler._active.options"
SIDECAR = "__import__('inferscope.cell').cell._profiler._sidecar"


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, Path]]:
    """A kernel with the extension loaded and a home of its own, and the folder that holds it; use `configured`."""
    folder = tmp_path_factory.mktemp("configuration")
    (folder / "home").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        kernel = load(Kernel(env={"HOME": str(folder / "home")}))
    yield kernel, folder
    kernel.close()


@pytest.fixture
def project(at_home: tuple[Kernel, Path], tmp_path: Path) -> Path:
    """A project's folder. Its `home` is that of the kernel, and configures nothing yet."""
    home = tmp_path / "home"
    home.symlink_to(at_home[1] / "home")
    user_file(tmp_path).unlink(missing_ok=True)
    (tmp_path / "notebooks").mkdir()
    return tmp_path


@pytest.fixture
def configured(at_home: tuple[Kernel, Path], project: Path) -> Iterator[Kernel]:
    """The kernel, in the project's folder `notebooks`; what a test leaves in its environment goes."""
    kernel, _ = at_home
    entered = kernel.run(f"import os; before = dict(os.environ); os.chdir({str(project / 'notebooks')!r})")
    assert entered.status == "ok", entered.traceback
    yield kernel
    left = kernel.run("os.environ.clear(); os.environ.update(before)")
    assert left.status == "ok", left.traceback


def counted(kernel, options: str = "") -> dict[str, object]:
    """The settings that count inside a cell."""
    reply = kernel.run(
        f"%%inferscope {options}\nimport dataclasses, json\nprint(json.dumps(dataclasses.asdict({OPTIONS})))"
    )
    assert reply.status == "ok", reply.traceback
    assert reply.said == []
    found: dict[str, object] = json.loads(reply.stdout)
    return found


def user_file(project: Path) -> Path:
    path = project / "home" / ".config" / "inferscope" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_defaults(configured):
    counts = counted(configured)
    assert counts["hz"] == 199 and counts["multi_gpu"] == "reject" and counts["gpu_budget"] == 0.05
    assert counts["full"] is False and counts["cupti_finalize"] is True and counts["ebpf"] is True


def test_an_edited_file_counts_for_the_next_cell(configured, project):
    pyproject = project / "pyproject.toml"
    pyproject.write_text('[tool.inferscope]\nhz = 211\nmulti_gpu = "allow"\ngpu_budget = 0.2\ncupti_finalize = false\n')
    counts = counted(configured)
    assert (counts["hz"], counts["multi_gpu"]) == (211, "allow")
    assert (counts["gpu_budget"], counts["cupti_finalize"]) == (0.2, False)
    pyproject.write_text("[tool.inferscope]\nfull = true\n")
    counts = counted(configured)
    assert (counts["hz"], counts["multi_gpu"], counts["full"]) == (199, "reject", True)


def test_later_wins(configured, project):
    user_file(project).write_text("hz = 101\nfunctions = true\n")
    assert counted(configured)["hz"] == 101
    (project / "pyproject.toml").write_text("[tool.inferscope]\nhz = 102\n")
    assert counted(configured)["hz"] == 102
    configured.run("import os; os.environ['INFERSCOPE_HZ'] = '103'")
    assert counted(configured)["hz"] == 103
    counts = counted(configured, "--hz 104 --no-functions --multi-gpu allow --gpu-budget 0.3 --full")
    assert (counts["hz"], counts["functions"], counts["multi_gpu"]) == (104, False, "allow")
    assert (counts["gpu_budget"], counts["full"]) == (0.3, True)
    configured.run("os.environ.pop('INFERSCOPE_HZ'); os.chdir('/')")
    assert counted(configured)["hz"] == 101


def test_settings_reach_what_acts_on_them(configured, project):
    """The collectors' frequency, the ladder, what is recorded in the process, what is shown."""
    pyproject = project / "pyproject.toml"
    pyproject.write_text("[tool.inferscope]\nebpf = false\nfunctions = true\nquiet = true\n")
    code = "def f():\n    return 1\nf()"
    assert configured.run(f"%%inferscope\n{code}").kinds == ["result"]
    summary = "__import__('inferscope').last().summary"
    exact = f"[row['name'] for row in {summary}['host']['functions'] if row['exact']]"
    assert "'f'" in configured.value(exact)
    losses = configured.value(f"[loss['enable'] for loss in {summary}['losses'] if loss['source'] == 'ebpf']")
    assert losses == f"['change ebpf in {pyproject}, line 2']"
    reply = configured.run(f"%%inferscope --no-quiet --no-functions --ebpf\n{code}")
    assert reply.kinds == ["result", "report"]
    assert configured.value(exact) == "[]"
    assert "change ebpf" not in configured.value(f"{summary}['losses']")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.inferscope]\nhzz = 5\nquiet = false\n", 'line 2: there is no setting "hzz" (did you mean hz?).'),
        ("[tool.inferscope]\n\nhz = 'x'\n", 'line 3: hz must be a whole number from 1 to 10000, not "x".'),
        ("[tool.inferscope\nhz = 5\n", "line 1: "),
    ],
)
def test_what_is_wrong_is_one_sentence_and_the_cell_runs(configured, project, text, said):
    user_file(project).write_text("hz = 101\n")
    pyproject = project / "pyproject.toml"
    pyproject.write_text(text)
    reply = configured.run(f"%%inferscope\nassert {OPTIONS}.hz == 101\n6 * 7")
    assert (reply.status, reply.result, len(reply.reports)) == ("ok", "42", 1)
    (sentence,) = reply.said
    assert sentence.startswith(f"InferScope: {pyproject}, {said}")
    pyproject.write_text("")
    assert configured.run("%%inferscope\n6 * 7").said == []


def test_what_is_wrong_is_said_of_a_quiet_cell_and_of_one_that_fails(configured, project):
    (project / "pyproject.toml").write_text("[tool.inferscope]\nnothing = 5\n")
    reply = configured.run("%%inferscope -q\n1 / 0")
    assert reply.content["ename"] == "ZeroDivisionError"
    assert len(reply.said) == 1 and 'no setting "nothing"' in reply.said[0]


def test_the_environment_is_the_kernels(configured):
    configured.run("import os; os.environ['INFERSCOPE_HZZ'] = '5'; os.environ['INFERSCOPE_X\\udcff'] = '\\udcff'")
    (sentence,) = configured.run("%%inferscope\n6 * 7").said
    assert sentence == "InferScope: INFERSCOPE_HZZ: no setting has this variable (did you mean INFERSCOPE_HZ?)."


def test_a_working_directory_that_is_gone(configured, project):
    (project / "gone").mkdir()
    configured.run(f"import os; os.chdir({str(project / 'gone')!r})")
    (project / "gone").rmdir()
    assert counted(configured)["hz"] == 199


def test_the_idle_sidecar_exits_as_configured(configured, project):
    assert configured.run("%%inferscope\n6 * 7").said == []
    pid = int(configured.value(f"{SIDECAR}.pid"))
    watch = os.pidfd_open(pid)
    try:
        user_file(project).write_text("idle_exit = 0.05\n")
        assert configured.run("%%inferscope\n6 * 7").said == []
        assert select.select([watch], [], [], 60)[0], "the sidecar still runs"
    finally:
        os.close(watch)
    user_file(project).unlink()
    again = configured.run("%%inferscope\n6 * 7")
    assert (len(again.reports), again.said) == (1, [])
    assert int(configured.value(f"{SIDECAR}.pid")) != pid


def test_the_magics_own_check_is_the_sidecars(kernel):
    """An option that the magic accepts is one that the sidecar accepts, at both ends of what is allowed."""
    for options in ("--hz 1", "--hz 10000", "--gpu-budget 0.001", "--gpu-budget 1", "--multi-gpu reject", "--no-full"):
        reply = kernel.run(f"%%inferscope -q {options}\n6 * 7")
        assert (reply.status, reply.said) == ("ok", [])


def test_a_rule_of_the_users_own(configured, project):
    pyproject = project / "pyproject.toml"
    pyproject.write_text(
        "[[tool.inferscope.rules]]\n"
        'name = "house-rule"\nwhen = "any(host.scopes, .name == \'decode <b>\' and .count > 2)"\n'
        'severity = "high"\ntitle = "Decoded thrice"\nadvice = "Decode <i>once</i>."\n'
    )
    cell = "%%inferscope\nimport inferscope\nfor _ in range({}):\n    with inferscope.scope('decode <b>'): pass"
    reply = configured.run(cell.format(3))
    assert reply.status == "ok" and reply.said == []
    assert "Decode &lt;i&gt;once&lt;/i&gt;." in reply.reports[0]["text/html"]
    findings = "[f for f in inferscope.last().summary['findings'] if f['id'] == 'house-rule']"
    (finding,) = ast.literal_eval(configured.value(findings))
    assert finding["severity"] == "high" and finding["title"] == "Decoded thrice"
    assert "scopes, .name == 'decode <b>'" in finding["evidence"]
    assert configured.run(cell.format(2)).status == "ok"
    assert configured.value(findings) == "[]"


def test_a_rule_that_makes_no_sense_is_named(configured, project):
    user_file(project).write_text('[[rules]]\nname = "mine"\nwhen = "wall_ms > 1"\nadvice = "Nothing."\n')
    reply = configured.run("%%inferscope\npass")
    assert reply.status == "ok" and len(reply.reports) == 1
    (said,) = reply.said
    assert 'rule "mine": unknown name wall_ms' in said and "config.toml, line 1" in said
