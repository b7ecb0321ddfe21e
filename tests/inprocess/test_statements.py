"""Statement markers, as used before Python 3.12: they say which line runs and change nothing else."""

from __future__ import annotations

import ast
import builtins
import pickle
import sys
import traceback

import pytest

from inferscope import statements

before_312 = pytest.mark.skipif(sys.version_info >= (3, 12), reason="sys.monitoring takes the place of markers")


def lines_of(source):
    """The marked lines, in the order in which a module runs them."""
    seen = []

    def marker(line):
        seen.append(line)
        return True

    tree = ast.fix_missing_locations(statements.mark(ast.parse(source)))
    namespace = {statements.MARKER: marker, statements.END: marker}
    failure = None
    try:
        exec(compile(tree, "<cell>", "exec"), namespace)
    except Exception as error:
        failure = error
    return seen, namespace, failure


SHAPES = {
    "statements": ("x = 1\ny = 2\nx + y", [1, 0, 2, 0, 3]),
    "loop": ("for i in range(2):\n    x = i\ny = 1", [1, 2, 1, 2, 1, 0, 3]),
    "continue": ("for i in range(2):\n    if i: continue\n    x = i\ny = 1", [1, 2, 3, 1, 2, 1, 0, 4]),
    "break and else": ("for i in (1,):\n    break\nelse:\n    x = 1\nfor i in ():\n    pass\nelse:\n    y = 2", None),
    "while": ("n = 2\nwhile n:\n    n -= 1\nelse:\n    m = 1", [1, 0, 2, 2, 3, 2, 3, 2, 5]),
    "elif": ("x = 2\nif x == 1:\n    y = 1\nelif x == 2:\n    y = 2\nelse:\n    y = 3", [1, 0, 2, 4, 5]),
    "try": ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    x = 1\nfinally:\n    y = 2", [1, 2, 4, 6]),
    "with": ("import contextlib\nwith contextlib.nullcontext() as c:\n    x = 1\ny = 2", [1, 0, 2, 3, 2, 0, 4]),
    "match": ("match 2:\n    case 1:\n        x = 1\n    case 2:\n        x = 2", [1, 5]),
    "decorator": ("def d(f): return f\n@d\ndef f():\n    x = 1\n    return x\nf()", [1, 0, -2, 0, -6]),
    "calls when the cell has functions": (
        "f = lambda: 1\nx = f()\ny = x + 1\nfor i in (1,):\n    z = f()",
        [1, 0, -2, 0, 3, 0, -4, -5, -4],
    ),
    "classes": ("class A:\n    x = 1\ny = A.x\nz = 1", [-1, 0, -3, 0, -4]),
}


@pytest.mark.parametrize("name", [name for name, (_, want) in SHAPES.items() if want is not None])
def test_marked_lines_in_order(name):
    source, want = SHAPES[name]
    seen, _, failure = lines_of(source)
    assert failure is None
    assert seen == want


@pytest.mark.parametrize("name", SHAPES)
def test_the_cell_does_what_it_did(name):
    plain = {}
    exec(compile(SHAPES[name][0], "<cell>", "exec"), plain)
    _, marked, _ = lines_of(SHAPES[name][0])
    assert set(plain) == set(marked) - {statements.MARKER, statements.END}
    for key, value in plain.items():
        if isinstance(value, int):
            assert marked[key] == value


def test_last_statement_keeps_its_kind():
    for source in ("x = 1\nx", "x = 1\ny = x", "x = 1\nx += 1", "x: int = 1"):
        kinds = [type(ast.parse(source).body[-1]), type(statements.mark(ast.parse(source)).body[-1])]
        assert kinds[0] is kinds[1]


def test_future_imports_and_docstrings_stay():
    source = '"""doc"""\nfrom __future__ import annotations\nx: undefined_name = 1'
    tree = ast.fix_missing_locations(statements.mark(ast.parse(source)))
    namespace = {statements.MARKER: bool, statements.END: bool}
    exec(compile(tree, "<cell>", "exec", dont_inherit=True), namespace)
    assert namespace["__doc__"] == "doc"


def test_bodies_of_functions_and_classes_are_not_marked():
    tree = statements.mark(
        ast.parse("def f():\n    x = 1\nclass A:\n    y = 1\n    def g(self):\n        z = 1\nw = lambda: 1")
    )
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            assert statements.MARKER not in ast.unparse(node)


def test_positions_in_tracebacks_are_those_of_the_cell():
    source = "x = 1\nfor i in range(1):\n    y = (x +\n         1 / 0)\n"
    frames = []
    for tree in (ast.parse(source), ast.fix_missing_locations(statements.mark(ast.parse(source)))):
        with pytest.raises(ZeroDivisionError) as failure:
            exec(compile(tree, "<cell>", "exec"), {statements.MARKER: bool, statements.END: bool})
        summary = traceback.extract_tb(failure.value.__traceback__)[-1]
        frames.append((summary.lineno, getattr(summary, "colno", None), getattr(summary, "end_colno", None)))
    assert frames[0] == frames[1]


def test_a_cell_without_our_call_is_not_touched():
    transformer = statements.MarkStatements(lambda statement: False)
    module = ast.parse("x = 1")
    assert transformer.visit(module) is module
    assert ast.unparse(module) == "x = 1"


def test_deep_code_is_left_alone_rather_than_broken():
    deep = "x = " + "(" * 60 + "1" + ")" * 60 + "\n" + "x = " + "+".join(["1"] * 900)
    seen, namespace, failure = lines_of(deep)
    assert failure is None
    assert namespace["x"] == 900
    assert seen == [1, 0, 2]


# In the shell, where the markers are in use.


@before_312
def test_rows_of_a_cell(profile):
    recording = profile("x = 1\nfor i in range(2):\n    x += i\nx")
    assert recording.result.result == 2
    assert recording.trace() == [(2, 2), (3, 3), (4, 4), (3, 3), (4, 4), (3, 3), (5, 5)]
    times = [at for at, _, _ in recording.rows()]
    assert times == sorted(times)
    assert all(at <= recording.end for at in times)


@before_312
def test_statements_that_may_call_functions_are_sampled(profile):
    recording = profile("def f():\n    return 1\nx = f()\ny = 1")
    assert recording.trace() == [(2, 2), (-4, 4), (5, 5)]


@before_312
def test_await_at_top_level(profile):
    recording = profile(
        "import asyncio\nfor i in range(2):\n    await asyncio.sleep(0)\nx = await asyncio.sleep(0, 5)\nx"
    )
    assert recording.result.result == 5
    assert [line for line, _ in recording.trace()] == [2, 3, 4, 3, 4, 3, 5, 6]


@before_312
def test_nothing_enters_the_users_namespace(profile, shell):
    names = set(shell.user_ns)
    recording = profile("x = 1\ndel x\ny = 2")
    assert recording.result.success
    assert set(shell.user_ns) - names <= {"y", "_i", "_ii", "_iii", "_dh", "_oh"} | {
        n for n in shell.user_ns if n[0] == "_"
    }
    assert statements.MARKER not in shell.user_ns
    assert getattr(builtins, statements.MARKER) is bool
    assert getattr(builtins, statements.END) is bool


@pytest.mark.alone
@before_312
def test_hot_loop_is_left_to_samples(profile):
    recording = profile("x = 0\nwhile x < 2_000_000:\n    x += 1\ny = 1")
    assert recording.result.success
    assert len(recording.rows()) < 60_000
    assert min(line for _, line, _ in recording.rows()) < 0
    assert recording.losses() == []


@before_312
def test_functions_of_a_profiled_cell_stay_picklable_and_plain(profile, shell):
    recording = profile("def f(a):\n    return a + 1\nx = f(1)")
    assert recording.result.success
    assert statements.MARKER not in shell.user_ns["f"].__code__.co_names
    assert pickle.loads(pickle.dumps(shell.user_ns["x"])) == 2


@before_312
def test_lines_of_a_timed_body_are_those_the_user_sees(profile):
    recording = profile("", raw="%%time\n%%inferscope\nx = 1\nx + 1", directive=2)
    assert recording.result.success
    assert recording.lines() == [2, 3, 4]


@before_312
def test_error_keeps_its_line(profile):
    recording = profile("x = 1\nfor i in (1,):\n    1 / 0")
    error = recording.result.error_in_exec
    assert isinstance(error, ZeroDivisionError)
    assert traceback.extract_tb(error.__traceback__)[-1].lineno == 4
    assert recording.lines()[-1] == 4


def test_uninstall_takes_the_transformer_away(shell, profile):
    from inferscope import recorder

    recorder.uninstall(shell)
    assert not any(isinstance(one, statements.MarkStatements) for one in shell.ast_transformers)
    recorder.install(shell)


@before_312
def test_code_of_earlier_statements_keeps_its_address(profile, shell):
    """The shell drops a statement's code when it is done; samples in the kernel know code by address alone."""
    shell.user_ns["here"] = lambda: id(sys._getframe(1).f_code)
    recording = profile("seen = [here()]\n" + "seen.append(here())\n" * 20)
    assert recording.result.success
    assert len(set(shell.user_ns["seen"])) == 21
