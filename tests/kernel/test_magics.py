"""Options, the status, and other magics above and below."""

from __future__ import annotations

import re

import pytest


def test_time_below(kernel):
    reply = kernel.run("%%inferscope\n%%time\nx = 6\nx * 7")
    assert reply.status == "ok"
    assert "Wall time" in reply.stdout
    assert reply.result == "42"
    assert reply.kinds[-1] == "report"
    assert len(reply.reports) == 1
    assert reply.said == []


def test_time_above(kernel):
    reply = kernel.run("%%time\n%%inferscope\nx = 6\nx * 7")
    assert reply.status == "ok"
    assert "Wall time" in reply.stdout
    assert reply.result == "42"
    assert reply.kinds[-1] == "report"
    assert reply.said == []


@pytest.mark.parametrize("head", ["%%inferscope\n%%time", "%%time\n%%inferscope"])
def test_error_under_time(kernel, head):
    """`%%time` itself swallows the error before IPython 9; the error is shown once all the same."""
    plain = kernel.run("%%time\n1 / 0")
    reply = kernel.run(f"{head}\n1 / 0")
    assert reply.status == plain.status
    assert len(reply.errors) == len(plain.errors) == 1
    assert "ZeroDivisionError" in reply.errors[0]["ename"]
    assert reply.kinds[-1] == "report"


@pytest.mark.parametrize(
    "head", ["%%inferscope\n%%capture held", "%%capture held\n%%inferscope", "%%capture held\n\n%%inferscope"]
)
def test_capture_does_not_swallow_the_report(kernel, head):
    reply = kernel.run(f"{head}\nprint('caught')\n6 * 7")
    assert reply.status == "ok"
    assert reply.kinds == ["report"]
    assert kernel.value("held.stdout") == r"'caught\n'"


@pytest.mark.parametrize("head", ["%%inferscope\n%%capture\n%%time", "%%capture\n%%time\n%%inferscope"])
def test_three_magics(kernel, head):
    reply = kernel.run(f"{head}\nv = 3\nv * 2")
    assert (reply.status, reply.kinds) == ("ok", ["report"])
    assert kernel.value("v") == "3"


@pytest.mark.parametrize("head", ["%%inferscope\n%%timeit -n 3 -r 2", "%%timeit -n 3 -r 2\n%%inferscope"])
def test_timeit(kernel, head):
    kernel.run("runs = []")
    reply = kernel.run(f"{head}\nruns.append(1)")
    assert reply.status == "ok"
    assert "loop" in reply.stdout
    assert reply.said == []
    assert len(reply.reports) == 1
    assert kernel.value("len(runs)") == "6"


def test_bash_runs_unmodified(kernel):
    reply = kernel.run("%%inferscope\n%%bash\nfor i in 1 2; do echo line $i; done")
    assert reply.stdout == "line 1\nline 2\n"
    assert reply.kinds == ["stdout", "report"]


def test_html_runs_unmodified(kernel):
    reply = kernel.run("%%inferscope\n\n%%html\n<b>{x}</b>\n")
    assert reply.kinds == ["display", "report"]
    assert reply.outputs[0][1]["data"]["text/html"] == "<b>{x}</b>\n"


def test_writefile_keeps_the_text(kernel, tmp_path):
    path = tmp_path / "cell.py"
    kernel.run(f"%%inferscope -q\n%%writefile {path}\n%time x\n  {{y}} $z\n")
    assert path.read_text() == "%time x\n  {y} $z\n"


def test_unknown_cell_magic_below(kernel):
    reply = kernel.run("%%inferscope -q\n%%no_such_magic\nx")
    assert reply.status == "error"
    assert reply.content["ename"] == "UsageError"


def test_line_magics_and_shell_in_the_body(kernel):
    reply = kernel.run("%%inferscope -q\n%time y = 2\nfiles = !echo a b\ny, files[0]")
    assert reply.result == "(2, 'a b')"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ("--no-epbf", "Did you mean --no-ebpf?"),
        ("--function", "Did you mean --functions?"),
        ("--hz", "xpected one argument"),
        ("--hz 0", "whole number from 1"),
        ("--hz fast", "whole number from 1"),
        ("--gpu-budget 0", "number from 0.001 to 1"),
        ("--gpu-budget nan", "number from 0.001 to 1"),
        ("--multi-gpu maybe", "is not reject or allow"),
        ("--multi-gpus allow", "Did you mean --multi-gpu?"),
        ("-o 2x", "not a Python name"),
        ("-o class", "not a Python name"),
        ("-o 'x", "quote"),
        ("x = 1", "Code goes on the lines below"),
        ("-q \\", "quote"),
    ],
)
@pytest.mark.parametrize("form", ["%%inferscope {}\n{}", "%%capture\n%%inferscope {}\n{}"])
def test_wrong_options_are_a_usage_error_and_the_cell_does_not_run(kernel, form, options, hint):
    kernel.run("ran = False")
    reply = kernel.run(form.format(options, "ran = True"))
    assert reply.status == "error"
    assert reply.content["ename"] == "UsageError"
    assert hint in reply.content["evalue"]
    assert kernel.value("ran") == "False"
    assert reply.reports == []


def test_help_does_not_run_the_cell(kernel):
    kernel.run("ran = False")
    for code in ("%%inferscope --help\nran = True", "%inferscope -h", "%%time\n%%inferscope -h\nran = True"):
        reply = kernel.run(code)
        assert reply.status == "ok"
        assert "--no-ebpf" in reply.stdout
    assert kernel.value("ran") == "False"


def test_question_mark_shows_the_docstring(kernel):
    for code in ("%%inferscope?", "%inferscope?"):
        reply = kernel.run(code)
        assert reply.status == "ok"
        text = reply.content["payload"][0]["data"]["text/plain"]
        assert "Profile a cell" in text


def test_status(kernel):
    reply = kernel.run("%inferscope")
    assert reply.status == "ok"
    assert reply.kinds == ["stdout"]
    assert "the sidecar runs" in reply.stdout


def test_output_option_stores_the_result(kernel):
    reply = kernel.run("%%inferscope -o stored\nx = 1")
    assert len(reply.reports) == 1
    kernel.run("import inferscope")
    assert kernel.value("stored is inferscope.last()") == "True"
    assert kernel.value("type(stored)") == "<class 'inferscope.result.Result'>"
    assert kernel.value("stored.summary['schema']") == "'inferscope.summary/1'"
    assert kernel.value("all(map(bool, (stored.html, stored.markdown, stored.text)))") == "True"
    assert kernel.value("isinstance(stored.losses, tuple)") == "True"
    shown = kernel.run("stored")
    result = next(c["data"] for k, c in shown.outputs if k == "execute_result")
    assert result == reply.reports[0]
    assert re.match(r"<inferscope.Result: .*>", kernel.value("stored"))
    kernel.run("del stored, inferscope")


def test_quiet_shows_nothing(kernel):
    reply = kernel.run("%%inferscope -q\nx = 1")
    assert reply.outputs == []
    assert kernel.value("__import__('inferscope').last().summary['schema']") == "'inferscope.summary/1'"


def test_last_before_any_cell(fresh):
    reply = fresh.run("import inferscope\ninferscope.last()")
    assert reply.content["ename"] == "InferScopeError"
    assert "No cell has been profiled yet" in reply.content["evalue"]


def test_the_real_cell_magic(kernel):
    """A program that calls the magic by name, as a converted notebook does."""
    reply = kernel.run(
        "get_ipython().run_cell_magic('inferscope', '-o r', 'a = 6\\na * 7\\n')\nprint('after')\nassert r.summary"
    )
    assert reply.status == "ok"
    assert reply.result == "42"
    assert reply.kinds == ["result", "stdout", "report"]
    kernel.run("del r")


def test_the_real_cell_magic_passes_the_error_once(kernel):
    reply = kernel.run("get_ipython().run_cell_magic('inferscope', '', 'a = 6\\n1 / 0\\n')")
    assert reply.status == "error"
    assert len(reply.errors) == 1
    assert re.search(r"-+> ?3 1 ?/ ?0", reply.traceback)
    assert reply.kinds == ["error", "report"]


def test_options_with_the_line_magic_in_the_middle(kernel):
    reply = kernel.run("x = 1\n%inferscope -q")
    assert reply.content["ename"] == "UsageError"
    assert "first line" in reply.content["evalue"]
