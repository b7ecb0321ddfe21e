"""What the report looks like, region by region, against the pictures of `regions`.

After a change that is meant: RENEW_PICTURES=1 .venvs/py312-ipy9/bin/python -m pytest tests/browser/test_regions.py
and a look at the new pictures.
"""

from __future__ import annotations

import os

import pytest

from browser.regions import FAILED, REFERENCES, check, difference
from browser.timeline import HOST

# From a heading to the next section, as [x, y, width, height] on the page.
SECTION = """(title) => {
  const own = [...document.querySelectorAll("main > div > *")];
  const from = own.findIndex(e => e.tagName === "H5" && e.textContent.startsWith(title));
  const to = own.findIndex((e, i) => i > from && (e.tagName === "H5" || e.tagName === "DETAILS"));
  const [a, b] = [own[from].getBoundingClientRect(), own[to].getBoundingClientRect()];
  return [a.x, a.y + scrollY, a.width, b.y - a.y];
}"""

BOX = "e => { const b = e.getBoundingClientRect(); return [b.x, b.y + scrollY, b.width, b.height]; }"

# Each region that begins with a heading, then those that are an element.
SECTIONS = {
    "gpu": "The GPU",
    "breakdown": "Where the host",
    "lines": "The cell, line by line",
    "findings": "What to change",
}
PLACES = {
    "verdict": "main > div > div:first-child",
    "overview": f"{HOST} >> canvas.map",
    "lanes": f"{HOST} >> canvas.main",
}
# Of a page, and of those regions whose colours are our own in the dark, too.
PICTURES = {"light": [*PLACES, *SECTIONS], "dark": [*PLACES, "lines"]}

CANVAS = f"document.querySelector('{HOST}').shadowRoot.querySelector('canvas.KIND').getContext('2d')"
NAMED = "[...document.querySelectorAll('TAG')].find(e => e.innerText.startsWith('TEXT'))"
# What breaks each region, as small as a break may be.
BREAKS = {
    "verdict": "(t => { t.data = t.data.replace('71%', '77%'); })(document.querySelector('h4').firstChild)",
    "gpu": NAMED.replace("TAG", "strong").replace("TEXT", "26%") + ".style.fontWeight = 400",
    "breakdown": NAMED.replace("TAG", "h5").replace("TEXT", "Where the host") + ".nextSibling.style.background = 0",
    "lines": "document.querySelectorAll('tr[style*=rgba]').forEach(e => e.removeAttribute('style'))",
    "findings": "document.querySelector('ol > li button').remove()",
    "overview": CANVAS.replace("KIND", "map") + ".clearRect(300, 0, 60, 20)",
    "lanes": CANVAS.replace("KIND", "main") + ".clearRect(190, 46, 400, 16)",
}


class Pictures:
    """The page of a report, and pictures of its regions."""

    def __init__(self, page, path) -> None:
        self.page, self.path = page, path
        self.open()

    def open(self) -> None:
        """Load the page, until all of it is drawn."""
        self.page.goto(self.path.as_uri())
        self.page.locator(f"{HOST} canvas.main").wait_for()
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def take(self, region: str) -> bytes:
        """A picture of a region, cut out of one of the whole page: what is scrolled is painted otherwise."""
        if region in PLACES:
            x, y, width, height = self.page.locator(PLACES[region]).evaluate(BOX)
        else:
            x, y, width, height = self.page.evaluate(SECTION, SECTIONS[region])
        clip = {"x": round(x), "y": round(y), "width": round(width), "height": round(height)}
        return self.page.screenshot(clip=clip, full_page=True, animations="disabled")


@pytest.fixture
def pictures(browser, samples, typeface):
    """Shows the report on a training loop, light or dark."""
    contexts = []

    def show(scheme: str) -> Pictures:
        context = browser.new_context(viewport={"width": 820, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        return Pictures(context.new_page(), samples / "timeline_gpu.page.html")

    yield show
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_region_is_as_it_was(pictures, scheme):
    shown = pictures(scheme)
    wrong = [check(shown.page, f"{region}-{scheme}", shown.take(region)) for region in PICTURES[scheme]]
    assert [sentence for sentence in wrong if sentence] == []


def test_the_pictures_are_those_of_the_regions():
    assert set(BREAKS) == set(PICTURES["light"])
    wanted = {f"{region}-{scheme}" for scheme, regions in PICTURES.items() for region in regions}
    assert {path.stem for path in REFERENCES.glob("*.png")} == wanted
    assert sum(path.stat().st_size for path in REFERENCES.glob("*.png")) < 500_000


def test_a_region_that_breaks_is_seen(pictures):
    shown = pictures("light")
    before = {region: shown.take(region) for region in BREAKS}
    for region, script in BREAKS.items():
        shown.open()
        assert difference(shown.page, before[region], shown.take(region)).share == 0
        shown.page.evaluate(script)
        found = difference(shown.page, before[region], shown.take(region))
        assert not found.within, f"{region}: {found.share:.4%}"


def test_what_differs_is_named_and_kept(pictures, monkeypatch, tmp_path):
    monkeypatch.setattr("browser.regions.FAILED", FAILED / "of-the-test")
    monkeypatch.setattr("browser.regions.RENEW", False)
    shown = pictures("light")
    shown.page.evaluate(BREAKS["verdict"])
    sentence = check(shown.page, "verdict-light", shown.take("verdict"))
    assert sentence.startswith("verdict-light: ")
    assert sentence.endswith("see build/regions/of-the-test/verdict-light.difference.png")
    for kind in ("now", "difference"):
        kept = FAILED / "of-the-test" / f"verdict-light.{kind}.png"
        assert kept.read_bytes().startswith(b"\x89PNG")
        kept.unlink()
    os.rmdir(FAILED / "of-the-test")
