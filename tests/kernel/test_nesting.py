"""Cells inside cells, beside cells, and in other processes."""

from __future__ import annotations

import os
import subprocess
import time

import pytest


def test_nested_profile_is_the_outer_one(kernel):
    reply = kernel.run(
        "%%inferscope -o outer\nprint('a')\n"
        "get_ipython().run_cell('%%inferscope -o inner\\nprint(\"b\")')\nprint('c')\nouter = None"
    )
    assert reply.status == "ok"
    assert reply.stdout == "a\nb\nc\n"
    assert len(reply.said) == 1 and "already being profiled" in reply.said[0]
    assert reply.kinds[-1] == "report"
    assert len(reply.reports) == 1
    assert kernel.value("'inner' in globals(), outer is None") == "(False, False)"
    kernel.run("del outer")


@pytest.mark.parametrize("inner", ["print('b')", "", "%time print('b')", "1 / 0"])
def test_run_cell_inside_a_profiled_cell(kernel, inner):
    reply = kernel.run(f"%%inferscope\nprint('a')\nr = get_ipython().run_cell({inner!r})\nprint('c')")
    assert reply.status == "ok"
    assert reply.stdout.startswith("a\n") and reply.stdout.endswith("c\n")
    assert reply.said == []
    assert len(reply.reports) == 1
    assert reply.kinds[-1] == "report"


def test_profiled_cells_inside_an_unprofiled_cell(kernel):
    reply = kernel.run("for i in range(2):\n    get_ipython().run_cell(f'%%inferscope\\nprint({i})')\nprint('end')")
    assert reply.stdout == "0\n1\nend\n"
    assert reply.kinds == ["stdout", "report", "report"]


def test_two_directives(kernel):
    reply = kernel.run("%%inferscope\n%%inferscope\n6 * 7")
    assert (reply.status, reply.result) == ("ok", "42")
    assert len(reply.reports) == 1
    assert len(reply.said) == 1


def test_fork_inside_a_profiled_cell(kernel):
    """A child that goes on running Python leaves the profile to its parent."""
    reply = kernel.run(
        "%%inferscope\nimport os\npid = os.fork()\nif pid == 0:\n    sum(range(1000))\n    os._exit(7)\n"
        "os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    )
    assert reply.result == "7"
    assert len(reply.reports) == 1
    assert reply.said == []


def test_forked_child_that_runs_cells(kernel):
    """The child's own cells do not speak to the parent's sidecar."""
    reply = kernel.run(
        "%%inferscope\nimport os, time\nr, w = os.pipe()\npid = os.fork()\nif pid == 0:\n    try:\n"
        "        import inferscope.cell as c\n        ip = get_ipython()\n"
        "        ok = c._profiler._active is None and c._profiler._sidecar is None\n"
        "        ip.events.trigger('post_run_cell', None)\n"
        "        os.write(w, b'1' if ok else b'0')\n    finally:\n        os._exit(0)\n"
        "os.waitpid(pid, 0)\nos.read(r, 1)"
    )
    assert reply.result == "b'1'"
    assert len(reply.reports) == 1


def test_multiprocessing_inside_a_profiled_cell(kernel):
    reply = kernel.run(
        "%%inferscope\nimport multiprocessing as mp\ndef square(x):\n    return x * x\n"
        "with mp.get_context('fork').Pool(2) as pool:\n    print(pool.map(square, range(4)))",
        timeout=60,
    )
    assert reply.stdout == "[0, 1, 4, 9]\n"
    assert len(reply.reports) == 1
    assert reply.said == []


def test_subshell_runs_unprofiled_beside_a_profiled_cell(kernel):
    """ipykernel 7: a subshell's cell runs on another thread while the main one is busy."""
    if int(eval(kernel.value("__import__('ipykernel').version_info[0]"))) < 7:
        pytest.skip("subshells came with ipykernel 7")
    client = kernel.client
    request = client.session.msg("create_subshell_request")
    client.control_channel.send(request)
    subshell = client.get_control_msg(timeout=10)["content"]["subshell_id"]
    outer = kernel.send(
        "%%inferscope\nimport threading\ngate = threading.Event()\nprint('ready', flush=True)\ngate.wait(30)"
    )
    before = kernel.receive(outer, until="ready")
    assert not before.content
    message = client.session.msg(
        "execute_request",
        {
            "code": "%%inferscope\nprint('sub')\ngate.set()",
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        },
    )
    message["header"]["subshell_id"] = subshell
    client.shell_channel.send(message)
    replies = {}
    outputs: dict[str, list] = {outer: before.outputs, message["header"]["msg_id"]: []}
    idle: set[str] = set()
    deadline = time.monotonic() + 40
    while len(idle) < 2 and time.monotonic() < deadline:
        got = client.get_iopub_msg(timeout=30)
        parent = got["parent_header"].get("msg_id")
        if parent in outputs:
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                idle.add(parent)
            else:
                outputs[parent].append((got["msg_type"], got["content"]))
    while len(replies) < 2:
        got = client.get_shell_msg(timeout=10)
        replies[got["parent_header"]["msg_id"]] = got["content"]
    inner = message["header"]["msg_id"]
    assert replies[outer]["status"] == replies[inner]["status"] == "ok"
    shown = {key: [kind for kind, content in value if kind == "display_data"] for key, value in outputs.items()}
    assert len(shown[outer]) == 1
    assert shown[inner] == []
    said = "".join(c["text"] for k, c in outputs[inner] if k == "stream")
    assert "sub" in said and "Another cell is being profiled" in said
    client.control_channel.send(client.session.msg("delete_subshell_request", {"subshell_id": subshell}))
    client.get_control_msg(timeout=10)


def test_two_kernels_have_two_sidecars(kernel, fresh):
    pids = set()
    for one in (kernel, fresh):
        reply = one.run("%%inferscope\nprint('x')")
        assert len(reply.reports) == 1
        pids.add(int(eval(one.value("__import__('inferscope.cell').cell._profiler._sidecar.pid"))))
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, 0)
    assert subprocess.run(["true"], check=True).returncode == 0
