"""IPython in a terminal: no kernel, no protocol, the report as text."""

from __future__ import annotations

import subprocess
import sys


def ipython(*cells: str, prelude: str = "") -> tuple[str, str]:
    """Run cells in a terminal shell of their own; returns its stdout and stderr."""
    program = "\n".join(
        [
            prelude,
            "from IPython.terminal.interactiveshell import TerminalInteractiveShell as Shell",
            "shell = Shell.instance()",
            *[f"shell.run_cell({cell!r}, store_history=True)" for cell in cells],
        ]
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, done.stderr


def test_report_is_text():
    out, err = ipython(
        "%load_ext inferscope",
        "%%inferscope -o r\nprint('out')\n6 * 7",
        "print(r.text in open('/dev/null').read() or 'kept')",
    )
    assert out.index("out") < out.index("42") < out.index("kept")
    assert "Object" not in out
    assert err == ""


def test_error_passes_once():
    out, _ = ipython("%load_ext inferscope", "%%inferscope\nx = 1\n1 / 0", "print('next')")
    assert out.count("division by zero") == 1
    assert "next" in out


def test_zmq_is_missing():
    out, err = ipython("%load_ext inferscope", "%%inferscope\n6 * 7", prelude="import sys\nsys.modules['zmq'] = None")
    assert "42" in out
    assert "%pip install pyzmq" in err
