"""The gallery's pages, made of a plant and what the suite kept of it: nothing is run here."""

from __future__ import annotations

from typing import Any

from gallery import Shown, _page, _sentence
from plants import MARK, Plant

PLANTED = f"for step in range(3):\n    time.sleep(1)  {MARK}\nprint()"
MARKDOWN = f"**It slept on line 3 (`time.sleep(1) {MARK}`).**\n\nCPU-bound, 100 ms wall time\n"


def shown(**changed: Any) -> Shown:
    cells = {"setup": "import time", "planted": PLANTED, "repaired": "for step in range(3):\n    pass\nprint()"}
    plant = Plant(
        7, "a_sleep", "A sleep", "It sleeps.", cells, verdict=("cpu_bound",), cause=("sleep",), finds=("sleep",)
    )
    report = {"wall_ns": 100_000_000, "faults": []}
    record = {
        "reports": [report, report],
        "faults": [],
        "plain_ns": [90_000_000, 110_000_000, 100_000_000],
        "plain_repaired_ns": [10_000_000],
        "saving": {"measured_ns": 90_000_000, "predicted_ns": [45_000_000, 91_000_000]},
        **changed,
    }
    saving = {"low_ns": 40_000_000, "high_ns": 80_000_000}
    summary = {
        "wall_ns": 100_000_000,
        "findings": [{"id": "sleep", "line": {"line": 3}, "saving": saving}],
        "whatif": [],
    }
    return Shown(plant, record, MARKDOWN, summary)


def test_a_page_has_the_cell_the_report_as_it_is_and_the_repair_with_what_it_saved() -> None:
    page = _page(shown(), None, None)
    assert f"```python\n%%inferscope\n{PLANTED}\n```" in page
    assert f"\n---\n\n{MARKDOWN}\n---\n" in page
    assert "names `sleep` on line 3 as the cause and finds [sleep](../findings/sleep.md)" in page
    assert "```diff\n for step in range(3):\n-    time.sleep(1)\n+    pass\n print()\n```" in page
    assert "| **saved** | **90 ms** |" in page
    assert "of these runs | 45 ms to 91 ms |" in page
    assert "of 100 ms | 40 ms to 80 ms |" in page


def test_a_page_says_when_its_report_is_of_a_shorter_run_and_what_was_told_wrong() -> None:
    long = {"wall_ns": 300_000_000, "faults": []}
    assert "fewer steps" not in _page(shown(), None, None)
    page = _page(
        shown(reports=[long, {**long, "faults": ["the line is 4, not 3"]}], faults=["the line is 4, not 3"]), None, None
    )
    assert "fewer steps, whose trace is small enough to be kept" in page
    assert "1 of 2 reports were right; in the others, the line is 4, not 3." in page


def test_the_mark_of_the_line_to_blame_is_no_part_of_the_index_also_where_it_was_cut() -> None:
    one = shown()
    assert _sentence(one) == "It slept on line 3 (`time.sleep(1)`)."
    cut = Shown(one.plant, one.record, f"**It slept on line 3 (`time.sleep(1) {MARK[:3]}…`).**", one.summary)
    assert _sentence(cut) == "It slept on line 3 (`time.sleep(1)`)."
