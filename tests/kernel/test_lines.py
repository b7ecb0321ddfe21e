"""The report counts lines as the user sees them, whatever stands above the code."""

from __future__ import annotations

import pytest

# Line events of a loop this hot stop, and its lines come from samples of the stack.
HOT = """total = 0
def work(n):
    total = 0
    while n:
        total += n * n % 7
        n -= 1
    return total

for step in range(6):
    total += sum([work(100_000), len([value % 7 for value in range(1000)])])
"""
BODY = "import time\nfor i in range(3):\n    time.sleep(0.05)\n"


@pytest.mark.parametrize(
    "head",
    [
        "%%inferscope -o r\n",
        "%inferscope -o r\n",
        "\n\n# a comment\n%%inferscope -o r\n\n",
        "%%inferscope -o r\n%%time\n",
        "%%time\n%%inferscope -o r\n",
        "%%inferscope -o r\n\n%%capture\n",
        "%%capture\n# a comment\n%%inferscope -o r\n",
        "%%inferscope -o r\n%%capture\n%%time\n",
        "%%capture\n%%time\n%%inferscope -o r\n",
    ],
)
def test_the_line_that_sleeps(kernel, head):
    reply = kernel.run(head + BODY)
    assert (reply.status, reply.said, len(reply.reports)) == ("ok", [], 1)
    summary = kernel.summary("r")
    cause = summary["host"]["causes"][0]
    text = (head + BODY).splitlines()
    assert cause["cause"] == "sleep", cause
    assert text[cause["line"]["line"] - 1].strip() == "time.sleep(0.05)", cause
    assert cause["line"]["text"].strip() == "time.sleep(0.05)"


@pytest.mark.alone
@pytest.mark.parametrize(
    "head",
    [
        "%%inferscope -o r\n",
        "%%inferscope -o r\n\n%%time\n",
        "%%time\n%%inferscope -o r\n",
        "%%time\n\n# a comment\n\n%%inferscope -o r\n",
        "%%capture\n%%time\n%%inferscope -o r\n",
        "%%capture\n%%inferscope -o r\n%%time\n",
        "\n%%inferscope -o r\n%%capture\n",
    ],
)
@pytest.mark.parametrize("options", ["", " --no-ebpf"])
def test_the_line_that_is_hot(kernel, head, options):
    """Stacks that are read from outside of the process show the same lines as those from inside."""
    head = head.replace("-o r", "-o r" + options)
    reply = kernel.run(head + HOT)
    assert (reply.status, reply.said, len(reply.reports)) == ("ok", [], 1)
    host = kernel.summary("r")["host"]
    text = (head + HOT).splitlines()
    loop = {"while n:", "total += n * n % 7", "n -= 1"}
    hot = next(function for function in host["functions"] if function["name"] == "work")
    assert text[hot["cell_line"] - 1].strip() in loop, (hot, text)
    # What other processes take of the CPU, and InferScope's threads of the interpreter, is not the cell's.
    others = [c for c in host["causes"] if c["cause"] == "gil_wait" and c["thread"].startswith("InferScope's ")]
    cause = next(c for c in host["causes"] if c["cause"] != "preempted" and c not in others)
    assert (cause["cause"], cause["line"]["text"].strip() in loop) == ("python", True), host["causes"]
    assert text[cause["line"]["line"] - 1] == cause["line"]["text"]
