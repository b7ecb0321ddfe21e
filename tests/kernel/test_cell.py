"""A profiled cell behaves as the cell without the magic, and the report follows it."""

from __future__ import annotations

import re

import pytest

TRACEBACK_LINE = re.compile(r"^-+> ?(\d+) ", re.MULTILINE)


def test_report_follows_output(kernel):
    reply = kernel.run("%%inferscope\nprint('out')\n6 * 7")
    assert reply.status == "ok"
    assert reply.kinds == ["stdout", "result", "report"]
    assert reply.result == "42"
    assert reply.said == []
    report = reply.reports[0]
    assert all(report[kind].strip() for kind in ("text/html", "text/markdown", "text/plain"))


def test_report_follows_displays_and_stderr(kernel):
    reply = kernel.run(
        "%%inferscope\nimport sys\nfrom IPython.display import display, Markdown\n"
        "display(Markdown('# m'))\nprint('e', file=sys.stderr)"
    )
    assert reply.kinds == ["display", "stderr", "report"]


def test_error_passes_once_with_visible_line(kernel):
    reply = kernel.run("%%inferscope\nx = 1\n\n1 / 0\ny = 2")
    assert reply.status == "error"
    assert reply.content["ename"] == "ZeroDivisionError"
    assert len(reply.errors) == 1
    assert reply.kinds == ["error", "report"]
    assert TRACEBACK_LINE.findall(reply.traceback) == ["4"]
    assert "1 / 0" in reply.traceback


def test_traceback_is_the_cells_own(kernel):
    """No frame and no source line of ours, and the frames of the cell without the magic."""
    body = "def f():\n    raise ValueError('v')\nf()"
    plain = kernel.run("# comment\n" + body)
    profiled = kernel.run("%%inferscope\n" + body)
    assert "inferscope.cell" not in profiled.traceback
    assert "inferscope/" not in profiled.traceback
    assert TRACEBACK_LINE.findall(profiled.traceback) == TRACEBACK_LINE.findall(plain.traceback) == ["4", "3"]


def test_traceback_shows_the_directive_as_typed(kernel):
    reply = kernel.run("%%inferscope --hz 100\n1 / 0")
    assert "# %%inferscope --hz 100" in reply.traceback


def test_semicolon_stays_silent(kernel):
    reply = kernel.run("%%inferscope\n1 + 1;")
    assert reply.kinds == ["report"]


def test_out_and_underscore(kernel):
    kernel.run("'before'")
    reply = kernel.run("%%inferscope\nx = 'quiet'")
    assert kernel.value("_") == "'before'"
    reply = kernel.run("%%inferscope\n'after'")
    count = reply.content["execution_count"]
    assert kernel.value("_") == "'after'"
    assert kernel.value(f"Out[{count}]") == "'after'"
    assert kernel.value(f"_{count}") == "'after'"


def test_await_at_the_top_level(kernel):
    reply = kernel.run("%%inferscope\nimport asyncio\nv = await asyncio.sleep(0, 'done')\nv")
    assert (reply.status, reply.result) == ("ok", "'done'")
    assert reply.kinds == ["result", "report"]


def test_error_after_await(kernel):
    reply = kernel.run("%%inferscope\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0")
    assert reply.status == "error"
    assert TRACEBACK_LINE.findall(reply.traceback)[-1] == "4"
    assert reply.kinds == ["error", "report"]


def test_variables_stay(kernel):
    kernel.run("%%inferscope\nkept = 5\nimport json as kept_module")
    assert kernel.value("kept, kept_module.__name__") == "(5, 'json')"


def test_system_exit(kernel):
    plain = kernel.run("raise SystemExit(3)")
    reply = kernel.run("%%inferscope\nraise SystemExit(3)")
    assert reply.status == plain.status == "error"
    assert reply.content["ename"] == "SystemExit"
    assert len(reply.errors) == len(plain.errors)
    assert len(reply.reports) == 1


def test_interrupt_passes_once_and_the_report_appears(kernel):
    code = "%%inferscope\nprint('ready', flush=True)\nimport time\nwhile True:\n    time.sleep(0.01)"
    reply = kernel.interrupt_when(code, "ready")
    assert reply.status == "error"
    assert reply.content["ename"] == "KeyboardInterrupt"
    assert len(reply.errors) == 1
    assert reply.kinds == ["stdout", "error", "report"]


def test_interrupt_while_awaiting(kernel):
    code = "%%inferscope\nimport asyncio\nprint('ready', flush=True)\nwhile True: await asyncio.sleep(0.01)"
    plain = kernel.interrupt_when(code.partition("\n")[2], "ready")
    reply = kernel.interrupt_when(code, "ready")
    assert reply.content["ename"] == plain.content["ename"]
    assert len(reply.errors) == len(plain.errors)
    assert len(reply.reports) == 1


@pytest.mark.parametrize("code", ["%%inferscope", "%%inferscope\n", "%%inferscope -q\n\n   \n# nothing\n"])
def test_empty_body(kernel, code):
    reply = kernel.run(code)
    assert reply.status == "ok"
    assert reply.reports == []
    assert len(reply.said) == 1 and "no code below" in reply.said[0]


def test_syntax_error(kernel):
    reply = kernel.run("%%inferscope\nx = 1\nx = = 2")
    assert reply.status == "error"
    assert reply.content["ename"] == "SyntaxError"
    assert len(reply.errors) == 1
    assert "line 3" in reply.traceback.lower() or "3" in TRACEBACK_LINE.findall(reply.traceback)
    assert reply.reports == []


@pytest.mark.parametrize(
    "code",
    [
        "%inferscope\n6 * 7",
        "%inferscope --hz 100\n6 * 7",
        "# a comment\n%%inferscope\n6 * 7",
        "\n\n%%inferscope\n\n6 * 7",
        "%%inferscope\r\nx = 6\r\nx * 7\r\n",
        "%%inferscope\t-q -o seven\t\n6 * 7",
        "    %%inferscope\n    x = 6\n    x * 7",
        "%%inferscope\n    x = 6\n    x * 7",
        "%%inferscope   # why is this slow? “ünïcode”\n6 * 7",
        "%%inferscope\nfrom __future__ import annotations\n6 * 7",
        "%%inferscope\n'''a docstring'''\n6 * 7",
        "%%inferscope\n>>> x = 6\n>>> x * 7",
        "%%inferscope\nx = 6 \\\n    * 7\nx",
    ],
)
def test_forms_of_the_first_line(kernel, code):
    reply = kernel.run(code)
    assert (reply.status, reply.result, reply.said) == ("ok", "42", [])
    assert len(reply.reports) == (0 if "-q" in code else 1)


def test_lines_with_a_comment_above(kernel):
    reply = kernel.run("# a comment\n%%inferscope\nx = 1\n1 / 0")
    assert TRACEBACK_LINE.findall(reply.traceback) == ["4"]


def test_history_is_the_users_text(kernel):
    code = "%%inferscope -q\nsecret = 'typed'"
    count = kernel.run(code).content["execution_count"]
    assert kernel.value(f"In[{count}]") == kernel.value(f"_ih[{count}]") == repr(code)
    assert kernel.value(f"_i{count}") == repr(code)
    assert code in kernel.run(f"%history {count}").stdout
    reply = kernel.run(f"%rerun {count}")
    assert reply.status == "ok"
    assert "inferscope.cell" not in reply.stdout
    recall = kernel.run(f"%recall {count}")
    assert recall.content["payload"][0]["text"].rstrip() == code


def test_nothing_enters_the_namespace(fresh):
    before = fresh.value("sorted(globals())")
    who = fresh.run("%who").stdout
    fresh.run("%%inferscope\n6 * 7")
    fresh.run("%%inferscope\n1 / 0")
    fresh.run("%inferscope")
    after = set(eval(fresh.value("sorted(globals())"))) - set(eval(before))
    assert {name for name in after if not re.fullmatch(r"_i?\d*|_+|_i+|_exit_code", name)} == set()
    assert fresh.run("%who").stdout == who


def test_input_in_a_profiled_cell(kernel):
    request = kernel.send("%%inferscope\nx = input('name? ')\nx", allow_stdin=True)
    question = kernel.client.get_stdin_msg(timeout=30)
    assert question["content"]["prompt"] == "name? "
    kernel.client.input("Ada")
    reply = kernel.receive(request)
    assert reply.result == "'Ada'"
    assert len(reply.reports) == 1


def test_threads_print_before_the_report(kernel):
    reply = kernel.run(
        "%%inferscope\nimport threading\nt = threading.Thread(target=print, args=['thread'])\nt.start()\nt.join()"
    )
    assert reply.kinds == ["stdout", "report"]


def test_a_store_history_false_cell_is_profiled(kernel):
    reply = kernel.run("%%inferscope\nprint('x')", store_history=False)
    assert reply.kinds == ["stdout", "report"]


def test_a_silent_cell_runs_unprofiled(kernel):
    reply = kernel.run("%%inferscope\nsilently = 1", silent=True)
    assert reply.status == "ok"
    assert reply.outputs == []
    assert kernel.value("silently") == "1"


def test_the_sidecar_is_no_part_of_the_cell(kernel):
    """It is a child of the kernel's process, and children are followed."""
    reply = kernel.run("%%inferscope\nimport subprocess\nsubprocess.run(['sleep', '0.05'])\n")
    assert reply.status == "ok"
    names = kernel.value("[t['name'] for t in __import__('inferscope').last().summary['host']['threads']]")
    assert "inferscope-side" not in names, names
