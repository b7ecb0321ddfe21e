"""The interactive timeline of a page, driven as a user does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

HOST = "[data-inferscope=timeline] + div"
# What the note of a timeline says when all of it is shown.
WHOLE = "Drag to select · Ctrl + scroll to zoom"

# The colour of the canvas below a place, as "r,g,b".
PIXEL = """([x, y]) => {
  const c = document.querySelector("[data-inferscope=timeline] + div").shadowRoot.querySelector("canvas.main");
  const k = c.width / c.clientWidth;
  return [...c.getContext("2d").getImageData(x * k, y * k, 1, 1).data].slice(0, 3).join();
}"""

# How many pixels the canvas has of each colour.
COLOURS = """() => {
  const c = document.querySelector("[data-inferscope=timeline] + div").shadowRoot.querySelector("canvas.main");
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = {};
  for (let i = 0; i < d.length; i += 4) {
    const k = [d[i], d[i+1], d[i+2]].join();
    seen[k] = (seen[k] || 0) + 1;
  }
  return seen;
}"""


def read(samples: Path, name: str) -> str:
    """The HTML of a sample."""
    return (samples / f"{name}.html").read_text()


class Timeline:
    """The timeline of a page, driven as a user does.

    Args:
        page: The page, or a frame of one.
        nth: Which of its timelines, from 0.
    """

    def __init__(self, page: Page | Frame, nth: int = 0) -> None:
        self.page = page
        whole = getattr(page, "page", page)  # a frame has neither keyboard nor mouse
        self.keyboard, self.mouse = whole.keyboard, whole.mouse
        self.host = self.page.locator(HOST).nth(nth)
        self.canvas = self.host.locator("canvas.main")
        self.canvas.wait_for()
        self.host.scroll_into_view_if_needed()

    @property
    def range(self) -> str:
        """What it says that it shows, once that is drawn."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
        return self.host.locator(".note").inner_text()

    def colours(self) -> dict[str, int]:
        """How many pixels of each colour there are, once all is drawn."""
        assert self.range
        return self.page.evaluate(COLOURS)

    @property
    def said(self) -> str:
        return self.host.locator("[role=status]").text_content() or ""

    def at(self, share: float, row: int = 0) -> tuple[float, float]:
        """A place on the page: a share of the time, in a row as a number of pixels below the ruler."""
        box = self.canvas.bounding_box()
        assert box is not None
        left = min(190, max(90, round((box["width"]) * 0.2)))
        return box["x"] + left + share * (box["width"] - left - 8), box["y"] + (30 + row)

    def drag(self, start: float, end: float, row: int = 20) -> None:
        mouse = self.mouse
        mouse.move(*self.at(start, row))
        mouse.down()
        mouse.move(*self.at((start + end) / 2, row))
        mouse.move(*self.at(end, row))
        mouse.up()

    def press(self, *keys: str) -> None:
        self.canvas.focus()
        for key in keys:
            self.keyboard.press(key)


def seconds(text: str) -> list[float]:
    """The times in a text."""
    unit = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    return [float(n) * unit[u] for n, u in re.findall(r"([\d.]+) (s|ms|µs|ns)\b", re.sub(r"^0 to", "0 s to", text))]
