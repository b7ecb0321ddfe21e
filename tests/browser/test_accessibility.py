"""The report and its timeline for those who use no mouse, see no colours, or want no motion."""

from __future__ import annotations

import pytest

from browser.test_report import CONTRAST
from browser.timeline import HOST, PIXEL, Timeline, read

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page, modules, *but: str) -> list[str]:
    """What axe-core finds wrong with a page; but for some of its rules."""
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags}).then(r => r.violations)", AXE_TAGS)
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found if v["id"] not in but]


def test_nothing_moves_by_itself_for_those_who_want_none(gpu):
    gpu.page.evaluate("() => { Element.prototype.scrollIntoView = function(how) { window.how = how?.behavior; }; }")
    for motion, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        gpu.page.emulate_media(reduced_motion=motion)
        gpu.page.locator("ol > li button").first.click()
        assert gpu.page.evaluate("how") == behaviour
        gpu.press("Escape")
    gpu.page.emulate_media(reduced_motion=None)


@pytest.mark.parametrize("name", ["timeline_gpu", "timeline_cpu", "timeline_hostile", "timeline_one"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe(show, samples, modules, name, dark):
    t = Timeline(show(read(samples, name), dark=dark))
    t.press("?", "v")
    assert violations(t.page, modules) == []


def test_a_page_of_its_own_is_light_or_dark_as_the_user_likes_pages(browser, standalone, modules):
    context = browser.new_context(color_scheme="dark", bypass_csp=True)  # axe-core is a script of the test's
    page = context.new_page()
    page.goto(standalone.as_uri())
    page.locator(f"{HOST} canvas.main").wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for scheme, canvas in (("dark", "21,24,28"), ("light", "255,255,255")):
        page.emulate_media(color_scheme=scheme)
        page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
        assert page.evaluate(PIXEL, [2, 4]) == canvas
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, f"{scheme}: {ratio:.2f} at {where!r}"
        # Its first heading is the verdict, of the level that it has in a notebook.
        assert violations(page, modules, "page-has-heading-one") == []
    context.close()
