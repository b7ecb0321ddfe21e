"""The report counts lines as the user sees them, whatever stands above the code."""

from __future__ import annotations

import json

import pytest

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
    summary = json.loads(eval(kernel.value("__import__('json').dumps(r.summary)")))
    cause = summary["host"]["causes"][0]
    text = (head + BODY).splitlines()
    assert cause["cause"] == "sleep", cause
    assert text[cause["line"]["line"] - 1].strip() == "time.sleep(0.05)", cause
    assert cause["line"]["text"].strip() == "time.sleep(0.05)"
