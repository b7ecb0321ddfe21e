"""`%inferscope --compare` in a real kernel: the edited line and its cause are named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels import Kernel, load

CELL = "%%inferscope --quiet\nimport time\nvalues = [n * n for n in range(1000)]\ntime.sleep({})\nprint(len(values))"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose history is its own: a cell with sleep(0.2), another cell, and the first with sleep(0.05)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        kernel = load(Kernel())
        try:
            for cell in (CELL.format("0.2"), "%%inferscope --quiet\nother = sum(range(9))", CELL.format("0.05")):
                assert kernel.run(cell).status == "ok"
            yield kernel
        finally:
            kernel.close()


def ids(kernel: Kernel) -> list[str]:
    """The kept runs, oldest first."""
    folder = ast.literal_eval(kernel.value("str(__import__('inferscope').last().trace.parent)"))
    return sorted(path.name.removesuffix(".inferscope") for path in Path(folder).glob("*.inferscope"))


def shown(kernel: Kernel, line: str) -> str:
    """The text of the comparison, the one thing that is shown."""
    reply = kernel.run(line)
    assert reply.status == "ok", reply.traceback
    assert reply.said == []
    assert len(reply.reports) == 1
    (report,) = reply.reports
    assert report["text/html"].startswith("<div") and report["text/markdown"].startswith("**")
    return " ".join(report["text/plain"].split())


def test_the_last_two_runs_of_the_cell(compared: Kernel) -> None:
    """The other cell in between is passed over, and nothing has to be waited for."""
    text = shown(compared, "%inferscope --compare")
    assert text.startswith("Faster: ")
    assert re.search(
        r"Line 4 \(`time\.sleep\(0\.05\)`\), which was `time\.sleep\(0\.2\)`, took \d+ ms less, mostly sleeping\.", text
    )
    first, _, last = ids(compared)
    assert f"before: {first}, " in text and f"after: {last}, " in text
    assert re.search(r"sleeping; line 4: .1\d\d ms", text)
    assert "Lines of the source: 1 edited." in text


def test_runs_by_id(compared: Kernel) -> None:
    first, _, last = ids(compared)
    assert shown(compared, f"%inferscope --compare {last} {first}").startswith("Slower: ")
    assert shown(compared, f"%inferscope --compare {first[-8:]} --to {last[-8:]}").startswith("Faster: ")
    assert shown(compared, f"%inferscope --compare {first} {first}").startswith("No difference")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--compare nothing nowhere", 'There is no trace and no kept run "nothing".'),
        ("--compare no/such no/other", "no/such cannot be opened: no such file or directory."),
    ],
)
def test_what_is_not_there_is_one_sentence(compared: Kernel, line: str, said: str) -> None:
    reply = compared.run(f"%inferscope {line}")
    assert reply.status == "ok", reply.traceback
    assert reply.reports == []
    assert len(reply.said) == 1 and reply.said[0].startswith(f"InferScope: {said} The last kept runs are 20"), (
        reply.said
    )


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%inferscope --compare a", "--compare takes two runs, or none."),
        ("%inferscope --compare a b c", "--compare takes two runs, or none. With more than two, --to stands between"),
        ("%inferscope --compare a --to", "--to stands between the runs before the change and those after it."),
        ("%inferscope --compare --quiet", "--compare does not go with --quiet."),
        ("%inferscope a --compare", "--compare comes once, and before the runs."),
        ("%inferscope # --compare", "--compare comes once, and before the runs."),
        ("%inferscope --compare 'a b", "A quote in the options is not closed."),
        (
            "%%inferscope --compare\nprint('ran')",
            "--compare is no option of a cell. Write %inferscope --compare in a cell",
        ),
    ],
)
def test_options_that_are_wrong(compared: Kernel, cell: str, said: str) -> None:
    reply = compared.run(cell)
    assert reply.status == "error" and reply.stdout == "" and reply.reports == []
    assert f"UsageError: %inferscope: {said}" in reply.stderr.replace("%%", "%"), reply.stderr


def test_inside_of_a_profiled_cell(compared: Kernel) -> None:
    reply = compared.run("%%inferscope --quiet\n%inferscope --compare")
    assert reply.status == "ok" and reply.reports == []
    assert reply.said == ["InferScope: A cell is being profiled. Compare its run when it has ended."]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("0", "There are no two runs to compare, for the history is switched off. Set history.runs"),
        ("5", "There are no two runs to compare: only one run is kept. Profile the cell once before"),
    ],
)
def test_too_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: str, said: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("INFERSCOPE_HISTORY_RUNS", runs)
    kernel = load(Kernel())
    try:
        assert kernel.run("%%inferscope --quiet\nx = 1").status == "ok"
        reply = kernel.run("%inferscope --compare")
        assert reply.status == "ok" and reply.reports == []
        assert len(reply.said) == 1 and reply.said[0].startswith(f"InferScope: {said}"), reply.said
    finally:
        kernel.close()


def test_a_cell_that_runs_again_says_what_changed(fresh):
    slow = "%%inferscope{}\nimport time\nx = sum(range(1000))\ntime.sleep(0.8)"
    fast = slow.replace("time.sleep(0.8)", "time.sleep(0.1)")

    def said(code: str) -> str:
        reply = fresh.run(code)
        assert reply.status == "ok", reply.traceback
        (report,) = reply.reports
        sentences = {
            "than the run before" in " ".join(report[kind].split())
            for kind in ("text/html", "text/markdown", "text/plain")
        }
        assert len(sentences) == 1, "all renderings say the same"
        return str(ast.literal_eval(fresh.value("(inferscope.last().summary['since'] or {}).get('sentence', '')")))

    assert fresh.run("import inferscope").status == "ok"
    assert said(slow.format("")) == ""
    sentence = said(fast.format(""))
    assert re.match(r"\d+(\.\d)? times faster than the run before: \d+ ms → \d+ ms; sleeping on line 4 ", sentence), (
        sentence
    )
    assert said(slow.format(" --no-changes")) == ""
    assert said("%%inferscope\nfor i in range(3):\n    print(i)") == ""
    assert "times faster" in said(fast.format(""))
