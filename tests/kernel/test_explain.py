"""`inferscope.last().explain`, and why a finding says what it says in the report."""

from __future__ import annotations

import ast
import re

import pytest

from kernels import Kernel

CELL = """%%inferscope
import inferscope, time
for i in range(6):
    time.sleep(0.02)"""


@pytest.fixture(scope="module")
def profiled(shared: Kernel) -> Kernel:
    """The module's kernel, where a cell slept."""
    reply = shared.run(CELL)
    assert reply.status == "ok" and len(reply.reports) == 1, reply
    assert "Why do you say so?" in reply.reports[0]["text/html"]
    return shared


def explain(kernel: Kernel, subject: str) -> str:
    text = ast.literal_eval(kernel.value(f"str(inferscope.last().explain({subject!r}))"))
    assert isinstance(text, str)
    return " ".join(text.split())


def test_a_finding_and_a_cause(profiled: Kernel) -> None:
    for subject in ("sleep", "all"):
        text = explain(profiled, subject)
        assert text.startswith("The cell sleeps (sleep), line 4")
        assert "It looks for this: The main thread slept on purpose" in text
    causes = "[cause['cause'] for cause in inferscope.last().summary['host']['by_kind']]"
    other = next(kind for kind in ast.literal_eval(profiled.value(causes)) if kind != "sleep")
    text = explain(profiled, other)
    assert re.match(rf"[^.]*\w \({other}\) - ", text), text
    assert re.search(r"It means: \w[^.]{15,}\.", text), text


def test_it_is_shown_as_text(profiled: Kernel) -> None:
    shown = profiled.value("inferscope.last().explain('sleep')")
    assert shown.startswith("The cell sleeps (sleep), line 4\n  - ")


def test_what_is_not_there_is_said(profiled: Kernel) -> None:
    for subject, said in (
        ("device_wait", "nothing here is due to device_wait."),
        ("sleeep", 'there is no finding and no cause "sleeep".'),
        ("--last", 'there is no finding and no cause "--last".'),
    ):
        reply = profiled.run(f"inferscope.last().explain({subject!r})")
        assert reply.content["ename"] == "InferScopeError"
        assert said in reply.content["evalue"], subject
