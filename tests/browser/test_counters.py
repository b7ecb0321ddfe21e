"""The counters of the interactive timeline: which come first, what pointing at them says, how high they are drawn."""

from __future__ import annotations

import pytest

HOST = "[data-inferscope=timeline] + div"
# The rows of counters are so high, in pixels.
ROW = 34
# The averages of the sample: four an interval of 500 ms, of which the last is low.
INTERVAL = 0.125
WALL = 2.0
HIGH, LOW = 0.61, 0.183

# Whether the canvas is filled with the same colour at some heights of a column, counted from above.
COLOURS = """([x, ys]) => {
  const c = document.querySelector("[data-inferscope=timeline] + div").shadowRoot.querySelector("canvas.main");
  const k = c.width / c.clientWidth;
  return ys.map(y => [...c.getContext("2d").getImageData(x * k, y * k, 1, 1).data].slice(0, 3).join());
}"""


class Counters:
    """The rows of counters, as a user finds them with the mouse."""

    def __init__(self, shown) -> None:
        self.page = shown.page
        host = self.page.locator(HOST)
        self.canvas, self.tip = host.locator("canvas.main"), host.locator(".tip")
        self.canvas.wait_for()
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        self.width, self.height = box["width"], box["height"]
        self.left = min(190, max(90, round(self.width * 0.2)))

    def x(self, seconds: float) -> float:
        return self.left + (self.width - self.left - 8) * seconds / WALL

    def words(self, x: float, y: float) -> list[str]:
        """What is said of a place on the canvas."""
        self.page.evaluate("([x, y]) => scrollTo(0, y)", [0, self._top() + y - 300])
        box = self.canvas.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + x, box["y"] + y)
        return self.tip.inner_text().splitlines() if self.tip.is_visible() else []

    def _top(self) -> float:
        return self.canvas.evaluate("e => e.getBoundingClientRect().top + scrollY")

    def rows(self) -> list[tuple[str, float]]:
        """The names of the counters from above, with where the middle of each row is."""
        found: list[tuple[str, float]] = []
        for step in range(8):
            y = self.height - 4 - ROW * (step + 0.5)
            found.insert(0, ("".join(self.words(10, y)[:1]), y))
        return found


@pytest.fixture
def counters(show, samples):
    return Counters(show((samples / "timeline_gpu.html").read_text()))


def test_what_tells_most_stands_first(counters):
    assert [name for name, _ in counters.rows()] == [
        "gpu0 SM activity",
        "gpu0 tensor activity",
        "gpu0 DRAM bandwidth",
        "gpu0 power",
        "gpu0 SM clock",
        "gpu0 memory",
        "gpu0 utilisation",
        "gpu0 SM occupancy",
    ]


def test_pointing_tells_the_average_and_its_interval(counters):
    activity = dict(counters.rows())["gpu0 SM activity"]
    assert counters.words(counters.x(0.2), activity) == ["gpu0 SM activity", "61%", "from 125 ms to 250 ms"]
    assert counters.words(counters.x(0.45), activity) == ["gpu0 SM activity", "18%", "from 375 ms to 500 ms"]
    # The last interval reaches to the end of the cell.
    assert counters.words(counters.x(1.95), activity)[1:] == ["18%", "from 1.88 s to 2 s"]


def test_a_share_is_drawn_of_the_whole(counters):
    """A GPU that is busy for 61 % of the time fills 61 % of the row, though it never was busier."""
    activity = dict(counters.rows())["gpu0 SM activity"]
    # Where the drawing begins and ends (its row less a margin), and the heights of which the colour is asked.
    top, high = activity - ROW / 2 + 2, ROW - 4
    at = {
        share: top + high - share * (high - 2)
        for share in (0.05, LOW - 0.08, LOW + 0.08, HIGH - 0.08, HIGH + 0.08, 0.95)
    }

    def filled(seconds: float) -> list[bool]:
        colours = counters.page.evaluate(COLOURS, [counters.x(seconds), list(at.values())])
        empty = counters.page.evaluate(COLOURS, [counters.x(seconds), [at[0.95]]])[0]
        return [colour != empty for colour in colours]

    assert filled(0.19) == [True, True, True, True, False, False]
    assert filled(0.44) == [True, True, False, False, False, False]
