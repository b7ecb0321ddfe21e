"""JupyterLab and Notebook 7 with a real kernel: a cell runs, is watched, reported, saved, reopened and exported.

One cell runs in each of them; the tests look at what came of it, one after the other, in the same page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import pytest

from browser.jupyter import FRONT_ENDS, KERNEL, Notebook, Server
from browser.timeline import PIXEL, WHOLE, Timeline, seconds

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not in this environment")
pytest.importorskip("jupyterlab", reason="JupyterLab is not in this environment")

CODE = """%%inferscope
import os, time
print("before")
for x in range(9000):
    if os.path.exists({go!r}):
        break
    time.sleep(0.05)
print("after")
"""
STRIP = re.compile(r"^InferScope: \d+ s · [\d,]+ of 9,000")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.close()


@dataclass
class Profiled:
    """A notebook whose cell has run, and what there was to see meanwhile."""

    name: str
    notebook: Notebook
    # What the cell's outputs said while it ran.
    watched: list[str]
    verdict: str
    words: str

    @cached_property
    def saved(self) -> nbformat.NotebookNode:
        """What is on the disk, once it is saved."""
        return self.notebook.save()

    @property
    def timeline(self) -> Timeline:
        """The report's timeline, as it is before anything is done with it."""
        timeline = Timeline(self.notebook.page)
        timeline.press("Escape", "0")
        return timeline


@pytest.fixture(scope="module", params=FRONT_ENDS)
def profiled(
    request: pytest.FixtureRequest,
    browser: playwright_api.Browser,
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Profiled]:
    name = request.param
    go = tmp_path_factory.mktemp(name) / "go"
    cells = [nbformat.v4.new_code_cell(text) for text in ("%load_ext inferscope", CODE.format(go=str(go)))]
    path = server.files / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    page = browser.new_page()
    notebook = Notebook(page, server, FRONT_ENDS[name], path)
    notebook.run_all()
    page.get_by_text(STRIP).wait_for()
    watched = outputs(notebook).all_inner_texts()
    notebook.picture(f"{name}-strip")
    notebook.errors.clear()  # of the front end's own start
    go.touch()
    report = notebook.report()
    yield Profiled(name, notebook, watched, report.locator("h4").inner_text(), report.inner_text())
    notebook.picture(f"{name}-at-the-end")
    page.close()


def outputs(notebook: Notebook) -> playwright_api.Locator:
    """The outputs of the profiled cell."""
    return notebook.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-child")


def folded(text: str) -> str:
    """A report's words, without the timeline's buttons beside lines and findings."""
    return re.sub(r"\s+", " ", re.sub(r"▸(\s*show)?", "", text)).strip()


def test_a_line_says_how_the_cell_goes_and_goes_with_it(profiled: Profiled) -> None:
    assert STRIP.match(profiled.watched[0].strip()), "the strip stands above what the cell prints"
    assert profiled.watched[1].strip() == "before"
    notebook = profiled.notebook
    assert notebook.page.get_by_text("InferScope: ").count() == 0
    now = outputs(notebook)
    assert [output.strip() for output in now.all_inner_texts()][:2] == ["", "before\nafter"]
    assert (now.first.bounding_box() or {"height": 0})["height"] == 0, "what is left of the strip takes room"


def test_the_report_is_there(profiled: Profiled, modules: Path) -> None:
    notebook = profiled.notebook
    assert "sleeping on line 7" in profiled.verdict
    assert notebook.errors == []
    assert profiled.timeline.range == WHOLE
    # Its headings are bolder than its text, whatever the front end says of headings.
    assert (
        notebook.report().locator("h4, h5").evaluate_all("all => all.every(e => getComputedStyle(e).fontWeight >= 600)")
    )
    notebook.picture(f"{profiled.name}-light")
    assert notebook.violations((modules / "axe-core" / "axe.min.js").read_text()) == []


def test_zoom_by_wheel_and_by_keys(profiled: Profiled) -> None:
    timeline, page = profiled.timeline, profiled.notebook.page
    page.mouse.move(*timeline.at(0.25))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    start, end = seconds(timeline.range)
    timeline.press("0")
    assert timeline.range == WHOLE
    timeline.press("+")
    closer = seconds(timeline.range)
    assert 0 < start < end
    assert closer[1] - closer[0] == pytest.approx((end - start) * 0.6 * 2.718, rel=0.05)
    # What these keys do to a notebook in command mode, they do not: delete the cell, add one, interrupt its kernel.
    cells = page.locator(".jp-CodeCell").count()
    timeline.press("d", "d", "a", "s", "w", "-", "Escape", "0")
    assert page.locator(".jp-CodeCell").count() == cells
    assert timeline.range == WHOLE


def test_a_selection_has_its_own_tables(profiled: Profiled) -> None:
    timeline, panel = profiled.timeline, profiled.timeline.host.locator(".panel")
    timeline.drag(0.2, 0.6)
    first = panel.inner_text()
    timeline.drag(0.2, 0.4)
    second = panel.inner_text()
    longer, shorter = seconds(first)[0], seconds(second)[0]
    assert shorter == pytest.approx(longer / 2, rel=0.05)
    slept = [panel_row(text, "sleeping") for text in (first, second)]
    assert slept[1] == pytest.approx(slept[0] / 2, rel=0.25)
    panel.get_by_role("button", name="Clear").click()
    assert not panel.is_visible()


def panel_row(text: str, name: str) -> float:
    """The first time in the row of a table that a name begins, in seconds."""
    return seconds(text[text.index(name) :])[0]


def test_findings_and_lines_light_up_their_evidence(profiled: Profiled) -> None:
    timeline, report = profiled.timeline, profiled.notebook.report()
    for button, what in (
        (report.locator("ol > li button").first, "the evidence of"),
        (report.get_by_role("button", name="Show line 7 on the timeline"), "line 7"),
    ):
        before = timeline.colours()
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert timeline.said.startswith(what)
        assert "lit up" in timeline.said
        fresh = {c: n for c, n in timeline.colours().items() if n > before.get(c, 0)}
        assert sum(fresh.values()) > 200, "nothing glows"
        timeline.press("Escape")
        assert button.get_attribute("aria-pressed") == "false"


def test_pointing_shows_exact_numbers(profiled: Profiled) -> None:
    timeline = profiled.timeline
    # The rows below the ruler and the title of their group: one for each line that took its time.
    row = next(y for y in range(10, 200, 4) if "line 7" in pointed(timeline, y))
    tip = pointed(timeline, row)
    assert re.search(r"[\d.]{5,} (s|ms)", tip), tip
    profiled.notebook.page.mouse.move(*timeline.at(0.5, row=-200))
    assert not timeline.host.locator(".tip").is_visible()


def pointed(timeline: Timeline, row: int) -> str:
    """What is said of the place in the middle of a row."""
    timeline.page.mouse.move(*timeline.at(0.5, row=row))
    tip = timeline.host.locator(".tip")
    return tip.inner_text() if tip.is_visible() else ""


def test_search(profiled: Profiled) -> None:
    timeline = profiled.timeline
    box = timeline.host.get_by_role("searchbox")
    box.fill("time.sleep")
    assert re.fullmatch(r"\d+ match(es)?", timeline.host.locator(".bar .dim").inner_text())
    timeline.page.keyboard.press("Enter")
    assert "line 7" in timeline.said
    # The kernel's own threads, which wait all the time, do not hide what matters.
    box.fill("Heartbeat")
    assert timeline.host.locator(".bar .dim").inner_text() == "0 matches"
    assert re.search(r"\d+ threads that only waited have no row", timeline.host.locator(".legend").inner_text())
    timeline.page.keyboard.press("Escape")
    assert box.input_value() == ""


def test_it_follows_the_theme_that_is_chosen(profiled: Profiled, modules: Path) -> None:
    notebook = profiled.notebook
    for name, canvas in (("JupyterLab Dark", "21,24,28"), ("JupyterLab Light", "255,255,255")):
        notebook.theme(name)
        notebook.drawn()
        assert notebook.page.evaluate(PIXEL, [2, 4]) == canvas
        if "Dark" in name:
            assert notebook.violations((modules / "axe-core" / "axe.min.js").read_text()) == []
            notebook.report()
            notebook.picture(f"{profiled.name}-dark")


def test_what_is_saved(profiled: Profiled) -> None:
    kept = profiled.saved.cells[1].outputs
    assert [output.output_type for output in kept] == ["display_data", "stream", "display_data"]
    # The strip's place: the protocol has no way to take one output away, only to say that it shows nothing.
    assert kept[0].data == {"text/html": "", "text/plain": ""}
    assert set(kept[2].data) == {"text/html", "text/markdown", "text/plain"}


def test_of_somebody_else_it_runs_nothing_and_says_the_same(
    profiled: Profiled, browser: playwright_api.Browser, server: Server
) -> None:
    saved = deepcopy(profiled.saved)
    path = server.files / f"{profiled.name}-from-elsewhere.ipynb"
    saved.cells[1].outputs[1].text = "of somebody else\n"
    report = saved.cells[1].outputs[2].data
    report["text/html"] += "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
    nbformat.write(saved, path)
    page = browser.new_page()
    reopened = Notebook(page, server, FRONT_ENDS[profiled.name], path)
    untrusted = reopened.report()
    page.get_by_text("of somebody else").wait_for()
    assert untrusted.locator("script, style, canvas").count() == 0
    assert page.evaluate("window.pwned") is None
    assert untrusted.locator("h4").inner_text() == profiled.verdict
    assert folded(untrusted.inner_text()) == folded(profiled.words)
    picture = untrusted.locator("img[alt^=Timeline]")
    assert picture.evaluate("e => e.complete && e.naturalWidth > 0 && e.getBoundingClientRect().width > 300")
    reopened.picture(f"{profiled.name}-untrusted")
    page.close()


def test_of_ones_own_it_is_whole_again(profiled: Profiled, browser: playwright_api.Browser, server: Server) -> None:
    assert profiled.saved
    page = browser.new_page()
    reopened = Notebook(page, server, FRONT_ENDS[profiled.name], profiled.notebook.path)
    reopened.report()
    timeline = Timeline(page)
    timeline.press("+")
    assert timeline.range != WHOLE
    page.close()


def test_exported_it_is_the_page_that_is_sent_around(profiled: Profiled, browser: playwright_api.Browser) -> None:
    assert profiled.saved
    page = exported(browser, profiled.notebook.export(cleaned=False))
    assert page.locator("h4").first.inner_text() == profiled.verdict
    assert page.get_by_text("InferScope: ").count() == 0
    timeline = Timeline(page)
    timeline.press("+")
    assert timeline.range != WHOLE
    page.close()


def test_exported_and_cleaned_it_runs_nothing(profiled: Profiled, browser: playwright_api.Browser) -> None:
    # nbconvert's cleaning allows few elements, and writes others, such as headings and pictures, as their source.
    assert profiled.saved
    page = exported(browser, profiled.notebook.export(cleaned=True))
    output = page.locator(".jp-OutputArea-child").last
    assert output.locator("script, canvas, img").count() == 0
    assert folded(profiled.verdict) in folded(output.inner_text())
    page.close()


def exported(browser: playwright_api.Browser, html: str) -> playwright_api.Page:
    """A page of an exported notebook, without a network."""
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content(html, wait_until="load")
    return page
