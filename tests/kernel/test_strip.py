"""The live strip: it appears while a cell runs for long, and nothing of it is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kernels import Kernel, Reply

# Goes on until the test has seen the strip often enough.
WAIT = """import os, time
while not os.path.exists({go!r}):
    time.sleep(0.05)
"""

NOTHING = {"text/html": "", "text/plain": ""}


def strips(reply: Reply) -> list[str]:
    """What the strip said, in order; empty where it showed nothing."""
    placed = [c for k, c in reply.outputs if k == "display_data" and "display_id" in c.get("transient", {})]
    assert all(c["data"] == NOTHING for c in placed), "the strip takes its place empty"
    own = [c["transient"]["display_id"] for c in placed]
    updates = [c for k, c in reply.outputs if k == "update_display_data" and c["transient"]["display_id"] in own]
    return [c["data"].get("text/plain", "") for c in updates]


def saved(reply: Reply) -> list[dict[str, object]]:
    """The outputs as a front end keeps them: displays with what they showed last."""
    outputs: list[dict[str, object]] = []
    places: dict[str, dict[str, object]] = {}
    for kind, content in reply.outputs:
        display = content.get("transient", {}).get("display_id")
        if kind == "update_display_data":
            places[display]["data"] = content["data"]
            continue
        outputs.append({"kind": kind, **content})
        if display:
            places[display] = outputs[-1]
    return outputs


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file that lets a cell go on."""
    return tmp_path / "go"


def until(go: Path, done: Callable[[list[str]], bool]) -> Callable[[Reply], None]:
    """Lets the cell go on once the strip has said what `done` waits for."""

    def seen(reply: Reply) -> None:
        if done(strips(reply)):
            go.touch()

    return seen


def twice(said: list[str]) -> bool:
    return len(said) >= 2


def test_it_says_how_the_cell_goes_on_and_is_gone(kernel: Kernel, go: Path) -> None:
    code = "%%inferscope\nprint('one', end='')\n" + WAIT.format(go=str(go)) + "print('two')\n7"
    reply = kernel.receive(kernel.send_watched(code), seen=until(go, twice))
    said = strips(reply)
    assert "line 5: time.sleep(0.05)" in " ".join(said)
    assert "waits for a sleep" in " ".join(said)
    assert said[-1] == ""
    outputs = saved(reply)
    assert outputs[0]["data"] == NOTHING
    # What the cell shows is as it would have been, and in one piece.
    assert [o["kind"] for o in outputs[1:]] == ["stream", "stream", "execute_result", "display_data"]
    assert reply.stdout == "onetwo\n"
    assert reply.result == "7"
    assert len(reply.reports) == 1
    assert "waits for a sleep" not in str(reply.reports[0])


def test_the_turns_of_a_loop_are_told(kernel: Kernel, go: Path) -> None:
    items = kernel.run("items = [object() for _ in range(3000)]")
    assert items.status == "ok"
    body = f"    if os.path.exists({str(go)!r}):\n        break\n    time.sleep(.05)"
    code = f"%%inferscope\nimport os, time\nfor x in items:\n{body}"
    reply = kernel.receive(kernel.send_watched(code), seen=until(go, lambda said: "left" in " ".join(said)))
    turns = [int(text.split(" of 3,000")[0].rsplit(" ", 1)[1]) for text in strips(reply) if " of 3,000" in text]
    assert turns == sorted(turns)
    assert 2 <= turns[0] < turns[-1] < 3000
    passed = int(kernel.value("items.index(x)"))
    assert turns[-1] <= passed + 1


def test_it_is_gone_after_an_error(kernel: Kernel, go: Path) -> None:
    reply = kernel.receive(
        kernel.send_watched("%%inferscope\n" + WAIT.format(go=str(go)) + "1/0"), seen=until(go, twice)
    )
    assert reply.status == "error"
    assert strips(reply)[-1] == ""
    assert reply.kinds[-2:] == ["update_display_data", "report"]


def test_it_is_gone_after_an_interrupt(kernel: Kernel, go: Path) -> None:
    sent: list[int] = []

    def seen(reply: Reply) -> None:
        if twice(strips(reply)) and not sent:
            sent.append(1)
            os.kill(kernel.pid, signal.SIGINT)

    reply = kernel.receive(kernel.send_watched("%%inferscope\n" + WAIT.format(go=str(go))), seen=seen)
    assert reply.status == "error"
    assert reply.content["ename"] == "KeyboardInterrupt"
    assert strips(reply)[-1] == ""
    assert len(reply.reports) == 1


def test_what_the_cell_captures_is_its_own(kernel: Kernel, go: Path) -> None:
    code = "%%capture got\n%%inferscope\nprint('x')\n" + WAIT.format(go=str(go)) + "print('y')"
    reply = kernel.receive(kernel.send_watched(code), seen=until(go, twice))
    assert twice(strips(reply))
    assert strips(reply)[-1] == ""
    assert reply.stdout == ""
    assert kernel.value("(got.stdout, got.stderr, len(got.outputs))") == "('x\\ny\\n', '', 0)"


@pytest.mark.parametrize("options", ["", "--quiet", "--no-live"])
def test_a_short_cell_and_one_without_it_show_nothing(kernel: Kernel, options: str) -> None:
    reply = kernel.receive(kernel.send_watched(f"%%inferscope {options}\n6 * 7"))
    assert strips(reply) == []
    assert ("display" in reply.kinds) == (options == "")


def test_no_live_holds_for_a_long_cell(kernel: Kernel) -> None:
    # Longer than the strip would wait, and it is not there.
    reply = kernel.receive(kernel.send_watched("%%inferscope --no-live\nimport time\ntime.sleep(1.7)"))
    assert reply.kinds == ["report"]


def test_it_can_be_asked_for_where_nobody_seems_to_look(kernel: Kernel, go: Path) -> None:
    code = "%%inferscope --live\n" + WAIT.format(go=str(go))
    assert twice(strips(kernel.receive(kernel.send(code), seen=until(go, twice))))


def test_a_forked_child_leaves_it_alone(kernel: Kernel, go: Path) -> None:
    child = "import os\npid = os.fork()\nif not pid: os._exit(0)\nassert os.waitpid(pid, 0)[1] == 0\n"
    code = "%%inferscope\n" + child + WAIT.format(go=str(go))
    reply = kernel.receive(kernel.send_watched(code), seen=until(go, twice))
    assert reply.status == "ok", reply.traceback
    assert strips(reply)[-1] == ""


def test_a_notebook_that_a_program_executes_keeps_nothing_of_it() -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("%load_ext inferscope"),
            nbformat.v4.new_code_cell("%%inferscope\nimport time\ntime.sleep(1.7)"),
        ]
    )
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    (only,) = notebook.cells[1].outputs
    assert "text/html" in only.data
