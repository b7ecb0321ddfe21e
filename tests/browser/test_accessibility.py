"""The report and its timeline for those who use no mouse, see no colours, or want no motion."""

from __future__ import annotations

import pytest

from browser.test_report import CONTRAST
from browser.timeline import HOST, PIXEL, WHOLE, Timeline, read

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page, modules, *but: str) -> list[str]:
    """What axe-core finds wrong with a page; but for some of its rules."""
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags}).then(r => r.violations)", AXE_TAGS)
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found if v["id"] not in but]


# What the keyboard is on: its name, and whether that can be seen.
FOCUSED = """() => {
  let e = document.activeElement;
  while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  if (e === document.body) return ["BODY", true];
  const seen = e.matches(":focus-visible") && getComputedStyle(e).outlineStyle !== "none";
  return [e.getAttribute("aria-label") || e.innerText.split("\\n")[0] || e.tagName, seen];
}"""


def test_all_of_it_is_reached_by_the_keyboard(gpu):
    page = gpu.page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    page.evaluate("scrollTo(0, 0)")
    names = []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(FOCUSED)
        if name == "BODY":
            break
        assert seen, f"nobody sees that the keyboard is on {name!r}"
        names.append(name)
    bar = names.index("Search kernels, lines, threads")
    assert names[bar : bar + 7] == [
        "Search kernels, lines, threads",
        "Zoom out",
        "Zoom in",
        "Show all",
        "Keys",
        "Open in Perfetto",
        "Download trace",
    ]
    # From the findings and lines to the picture, and out of it again: nothing holds the keyboard.
    assert sum(name.startswith("Show ") and name.endswith("on the timeline") for name in names[:bar]) > 4
    assert names[bar + 7].startswith("Timeline of ")
    assert any(name.startswith("How to read this") for name in names[bar + 8 :])


def test_a_question_is_answered_without_a_mouse(gpu):
    keyboard = gpu.keyboard
    gpu.page.get_by_role("button", name="Show line 7 on the timeline").focus()
    keyboard.press("Enter")
    assert "line 7 is lit up" in gpu.said
    gpu.press("/")
    keyboard.type("sgemm")
    keyboard.press("Enter")
    assert "ampere_sgemm" in gpu.said
    gpu.press("f", "v")
    panel = gpu.host.locator(".panel")
    assert "ampere_sgemm" in panel.inner_text()
    assert gpu.range != WHOLE
    keyboard.press("Tab")
    assert gpu.page.evaluate(FOCUSED)[0] == "Zoom to it"
    keyboard.press("Tab")
    keyboard.press("Enter")  # on Clear
    assert not panel.is_visible()
    gpu.press("Escape", "0")
    assert gpu.range == WHOLE


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
    t = Timeline(show(read(samples, name), dark=dark).page)
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
