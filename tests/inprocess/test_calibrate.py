"""The measurements that let the sidecar walk Python frames."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from inferscope import calibrate, calibration_keys
from inferscope.calibrate_objects import Memory

ROOT = Path(__file__).resolve().parents[2]


def test_this_interpreter_is_measured() -> None:
    found = calibrate.measure()
    assert found.valid, found.why
    assert found.why == ""
    assert found.fields[calibration_keys.CODE_TYPE] == id(type(calibrate.measure.__code__))
    assert found.fields[calibration_keys.RUNTIME_SIZE] > 0


def test_measuring_again_gives_the_same() -> None:
    assert calibrate.measure() == calibrate.measure()
    assert calibrate.calibration() is calibrate.calibration()


def test_it_leaves_nothing_behind() -> None:
    calibrate.measure()
    before = (sorted(os.listdir("/proc/self/fd")), threading.active_count())
    calibrate.measure()
    assert (sorted(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_any_thread_may_measure() -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(calibrate.measure()))
    thread.start()
    thread.join()
    assert found[0].valid, found[0].why
    assert found[0] == calibrate.measure()


def test_busy_threads_do_not_disturb() -> None:
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(100))

    threads = [threading.Thread(target=spin) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        found = [calibrate.measure() for _ in range(5)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert all(f.valid for f in found), [f.why for f in found]


def test_memory_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(calibrate.os, "open", refuse)
    found = calibrate.measure()
    assert not found.valid
    assert "Permission denied" in found.why


def test_a_wrong_offset_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = calibrate._measure_slot

    def off_by_one_word(memory: Memory, fields: dict[str, int], probe: calibrate._Probe) -> None:
        measured(memory, fields, probe)
        fields[calibration_keys.INSTRUCTION_IN_FRAME] -= 8

    monkeypatch.setattr(calibrate, "_measure_slot", off_by_one_word)
    found = calibrate.measure()
    assert not found.valid
    assert "differs" in found.why
    # Where the interpreter lock is stays known.
    assert set(found.fields) <= {calibration_keys.RUNTIME_START, calibration_keys.RUNTIME_SIZE}


KEYS = """
#include <pthread.h>
__attribute__((constructor)) static void take(void)
{
    pthread_key_t key;
    for (int i = 0; i < 40; i++)
        pthread_key_create(&key, 0);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_process_with_many_thread_keys(tmp_path: Path) -> None:
    """The first 32 pthread keys have their slots in the thread's descriptor, later ones in a block."""
    (tmp_path / "keys.c").write_text(KEYS)
    library = tmp_path / "keys.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "keys.c", "-lpthread"], check=True)
    code = "from inferscope import calibrate as c; r = c.measure(); print(r.valid, r.why, c.TSTATE_INNER in r.fields)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT / "ipython_ext")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True"]


def test_the_keys_are_those_of_the_sidecar() -> None:
    source = (ROOT / "sidecar" / "wire" / "calibration.go").read_text()
    sidecar = set(re.findall(r'^\tCal\w+\s*= "(\w+)"$', source, re.MULTILINE))
    here = {
        value
        for name, value in vars(calibration_keys).items()
        if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name) and isinstance(value, str)
    }
    assert sidecar == here
    assert set(calibrate.measure().fields) <= sidecar
