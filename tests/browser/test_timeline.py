"""The interactive timeline in a real browser: what a user does with it, and what hosts do to it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from browser.test_report import exported
from browser.test_sanitiser import Content
from inferscope import run_report

HERE = Path(__file__).parent
HOST = "[data-inferscope=timeline] + div"
SCRIPTS = re.compile(r'<script type="application/json">.*?</script><script>.*?</script>', re.DOTALL)

# The colour of the canvas below a place, as "r,g,b".
PIXEL = """([x, y]) => {
  const c = document.querySelector("[data-inferscope=timeline] + div").shadowRoot.querySelector("canvas.main");
  const k = c.width / c.clientWidth;
  return [...c.getContext("2d").getImageData(x * k, y * k, 1, 1).data].slice(0, 3).join();
}"""


def read(samples: Path, name: str) -> str:
    return (samples / f"{name}.html").read_text()


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


class Timeline:
    """The timeline of a page, driven as a user does."""

    def __init__(self, shown, nth: int = 0) -> None:
        self.shown, self.page = shown, shown.page
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
        mouse = self.page.mouse
        mouse.move(*self.at(start, row))
        mouse.down()
        mouse.move(*self.at((start + end) / 2, row))
        mouse.move(*self.at(end, row))
        mouse.up()

    def press(self, *keys: str) -> None:
        self.canvas.focus()
        for key in keys:
            self.page.keyboard.press(key)


WHOLE = "Drag to select · Ctrl + scroll to zoom"


def seconds(text: str) -> list[float]:
    """The times in a text."""
    unit = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    return [float(n) * unit[u] for n, u in re.findall(r"([\d.]+) (s|ms|µs|ns)\b", re.sub(r"^0 to", "0 s to", text))]


@pytest.fixture
def gpu(show, samples):
    return Timeline(show(read(samples, "timeline_gpu")))


@pytest.fixture
def cpu(show, samples):
    return Timeline(show(read(samples, "timeline_cpu")))


def test_it_stands_in_the_place_of_the_picture(gpu):
    assert gpu.page.locator("img").count() == 1
    assert not gpu.page.locator("img").is_visible()
    assert gpu.shown.errors == []
    assert [url for url in gpu.shown.requests if not url.startswith("data:")] == []
    # Not blank: each of the kinds of row left its colour.
    colours = gpu.colours()
    for what, colour in {"lines": "91,127,168", "kernels": "108,168,15", "running": "59,125,216"}.items():
        assert colours.get(colour, 0) > 100, f"no {what} drawn"


def test_wheel(gpu):
    assert gpu.range == WHOLE
    gpu.page.mouse.move(*gpu.at(0.25))
    gpu.page.keyboard.down("Control")
    gpu.page.mouse.wheel(0, -200)
    gpu.page.keyboard.up("Control")
    start, end = seconds(gpu.range)
    assert end - start == pytest.approx(2 / 2.718, rel=0.03)
    # The time below the pointer stays there.
    assert start + 0.25 * (end - start) == pytest.approx(0.5, abs=0.02)
    gpu.page.keyboard.down("Shift")
    gpu.page.mouse.wheel(0, 100)
    gpu.page.keyboard.up("Shift")
    moved = seconds(gpu.range)
    assert moved[0] > start + 0.05
    assert moved[1] - moved[0] == pytest.approx(end - start, rel=0.02)
    # Without a key the page scrolls, and the timeline stays.
    gpu.page.evaluate("scrollTo(0, 0)")
    gpu.host.scroll_into_view_if_needed()
    gpu.page.mouse.move(*gpu.at(0.5))
    before = gpu.page.evaluate("scrollY")
    gpu.page.mouse.wheel(0, -120)
    gpu.page.wait_for_function("y => scrollY < y", arg=before)
    assert seconds(gpu.range) == moved


def test_dragging_moves_and_the_map_chooses(gpu):
    gpu.press("+", "+")
    start, end = seconds(gpu.range)
    gpu.drag(0.5, 0.25, row=-20)  # on the ruler
    moved = seconds(gpu.range)
    assert moved[0] - start == pytest.approx(0.25 * (end - start), rel=0.05)
    box = gpu.host.locator("canvas.map").bounding_box()
    gpu.press("0")
    mouse, y = gpu.page.mouse, box["y"] + box["height"] / 2
    mouse.move(gpu.at(0.5)[0], y)
    gpu.press("+")
    mouse.move(gpu.at(0.9)[0], y)  # outside of what is shown
    mouse.down()
    mouse.move(gpu.at(0.95)[0], y)
    mouse.move(gpu.at(0.98)[0], y)
    mouse.up()
    assert seconds(gpu.range) == pytest.approx([1.8, 1.96], abs=0.01)


def test_keys(gpu):
    gpu.press("+")
    start, end = seconds(gpu.range)
    assert end - start == pytest.approx(1.2, rel=0.01)
    gpu.press("ArrowRight")
    assert seconds(gpu.range)[0] == pytest.approx(start + 0.24, rel=0.02)
    gpu.press("0")
    assert gpu.range == WHOLE
    gpu.press("ArrowDown", "ArrowDown")
    assert gpu.said.startswith("3  x = batch")
    gpu.press("n")
    assert "line 3" in gpu.said
    assert "from" in gpu.said
    first = gpu.said
    gpu.press("n")
    assert gpu.said != first
    gpu.press("p")
    assert gpu.said == first
    gpu.press("f")
    start, end = seconds(gpu.range)
    assert end - start < 0.01
    # Keys of the timeline do not reach the notebook, whose own they are too.
    gpu.page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    gpu.press("a", "d", "F9")
    assert gpu.page.evaluate("heard") == ["F9"]
    # JupyterLab hears them first, and heeds this.
    assert gpu.host.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_selection_has_its_tables(gpu):
    panel = gpu.host.locator(".panel")
    assert not panel.is_visible()
    gpu.press("v")
    kernels = panel.locator("table", has_text="GPU kernels and copies")
    rows = [row.locator("td").all_inner_texts() for row in kernels.locator("tbody tr").all()]
    assert sum(int(row[2].replace(",", "")) for row in rows) == 40 * 180 + 40
    states = panel.locator("table", has_text="by state").locator("tbody tr").all_inner_texts()
    assert sum(seconds(row)[0] for row in states) == pytest.approx(2, rel=0.01)
    gpu.drag(0.25, 0.5)
    head = panel.locator("h6").inner_text()
    assert seconds(head)[0] == pytest.approx(0.5, rel=0.03)
    rows = [row.locator("td").all_inner_texts() for row in kernels.locator("tbody tr").all()]
    assert sum(int(row[2].replace(",", "")) for row in rows) == pytest.approx(10 * 181, rel=0.15)
    panel.get_by_role("button", name="Zoom to it").click()
    assert seconds(gpu.range)[0] == pytest.approx(0.5, abs=0.02)
    panel.get_by_role("button", name="Clear").click()
    assert not panel.is_visible()


def test_search(gpu):
    box = gpu.host.get_by_role("searchbox")
    gpu.press("/")
    assert box.evaluate("e => e.getRootNode().activeElement === e")
    gpu.page.keyboard.type("SGEMM")
    assert "match" in gpu.host.locator(".bar .dim").inner_text()
    assert "found" in gpu.said
    gpu.page.keyboard.press("Enter")
    first = gpu.said
    assert "ampere_sgemm_128x64_tn" in first
    gpu.page.keyboard.press("Enter")
    assert "ampere_sgemm_128x64_tn" in gpu.said
    assert gpu.said != first
    gpu.page.keyboard.press("Escape")
    assert box.input_value() == ""
    box.fill("no such thing")
    assert gpu.host.locator(".bar .dim").inner_text() == "0 matches"


def test_pointing_shows_exact_numbers(cpu):
    tip = cpu.host.locator(".tip")
    cpu.page.mouse.move(*cpu.at(0.5, row=40))  # line 5
    assert tip.is_visible()
    words = tip.inner_text()
    assert "line 5" in words
    assert "1.59805 s" in words
    cpu.page.mouse.move(*cpu.at(0.5, row=-200))
    assert not tip.is_visible()


def test_a_finding_lights_up_its_evidence(gpu):
    buttons = gpu.page.locator("ol > li button")
    assert buttons.count() > 0
    button = buttons.first
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert "lit up" in gpu.said
    # It scrolls there, which takes a while.
    in_view = "e => { const b = e.getBoundingClientRect(); return b.top < innerHeight && b.bottom > 0; }"
    gpu.page.wait_for_function(in_view, arg=gpu.host.element_handle())
    # The spans of its evidence glow, and are in view.
    assert re.search(r"in \d+ places? of [\d.]+ (ms|µs|s)", gpu.said)

    def glowing() -> int:
        found = {tuple(map(int, c.split(","))): n for c, n in gpu.colours().items()}
        return sum(n for (r, g, b), n in found.items() if abs(r - 247) + abs(g - 233) + abs(b - 233) <= 2)

    assert glowing() > 200
    gpu.press("Escape")
    assert glowing() == 0
    assert button.get_attribute("aria-pressed") == "false"
    line = gpu.page.get_by_role("button", name="Show line 7 on the timeline")
    line.click()
    assert line.get_attribute("aria-pressed") == "true"
    line.click()
    assert line.get_attribute("aria-pressed") == "false"


def test_what_is_no_evidence_turns_grey(cpu):
    running, waiting, sleeping = "59,125,216", "217,84,30", "141,123,201"
    before = cpu.colours()
    assert min(before.get(c, 0) for c in (running, waiting, sleeping)) > 50
    cpu.page.get_by_role("button", name="Show line 6 on the timeline").click()
    assert "in 1 place of 400 ms" in cpu.said
    cpu.press("0")
    after = cpu.colours()
    # The sleep lies in the stretch of its line, below a glow; the other threads ran before.
    assert after.get(waiting, 0) == 0
    assert after.get(running, 0) < before[running] / 10
    glowing = [c for c in after if c not in before and after[c] > 200]
    assert glowing
    cpu.press("Escape")
    again = cpu.colours()
    assert [again[c] for c in (running, waiting, sleeping)] == [before[c] for c in (running, waiting, sleeping)]


def test_fingers(browser, samples):
    context = browser.new_context(has_touch=True, viewport={"width": 800, "height": 800})
    page = context.new_page()
    page.goto((samples / "timeline_gpu.page.html").as_uri())
    canvas = page.locator(f"{HOST} canvas.main")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    note = page.locator(f"{HOST} .note")
    box = canvas.bounding_box()
    assert box is not None
    touch = context.new_cdp_session(page)
    y = box["y"] + 150

    def fingers(kind: str, *xs: float) -> None:
        points = [{"x": x, "y": y, "id": i} for i, x in enumerate(xs)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 400, 500)
    for spread in range(10, 110, 10):
        fingers("touchMove", 400 - spread, 500 + spread)
    fingers("touchEnd")
    page.wait_for_function("e => e.textContent.includes(' to ')", arg=note.element_handle())
    start, end = seconds(note.inner_text())
    assert end - start == pytest.approx(2 / 3, rel=0.1)
    fingers("touchStart", 500)
    for x in range(490, 390, -10):
        fingers("touchMove", x)
    fingers("touchEnd")
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    assert seconds(note.inner_text())[0] > start
    assert page.locator(f"{HOST} .panel").is_hidden()
    context.close()


@pytest.mark.parametrize(
    ("attribute", "dark", "light"),
    [
        ("data-jp-theme-light", "false", "true"),
        ("data-vscode-theme-kind", "vscode-dark", "vscode-light"),
        ("style", "background:#000", "background:#fff"),
    ],
)
def test_it_follows_the_theme_of_its_host(gpu, attribute, dark, light):
    def back() -> str:
        assert gpu.range == WHOLE  # once it is drawn
        return gpu.page.evaluate(PIXEL, [2, 4])

    gpu.page.evaluate("([k, v]) => document.body.setAttribute(k, v)", [attribute, dark])
    assert back() == "21,24,28"
    gpu.page.evaluate("([k, v]) => document.body.setAttribute(k, v)", [attribute, light])
    assert back() == "255,255,255"
    gpu.page.evaluate("k => document.body.removeAttribute(k)", attribute)


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
    t.page.evaluate((modules / "axe-core" / "axe.min.js").read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = t.page.evaluate("tags => axe.run(document, {runOnly: tags}).then(r => r.violations)", tags)
    assert [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found] == []


def test_hostile_names_are_shown_and_not_run(show, samples):
    t = Timeline(show(read(samples, "timeline_hostile")))
    t.press("v")
    text = t.host.locator(".panel").inner_text()
    assert "<script>window.pwned=1</script>" in text
    t.host.get_by_role("searchbox").fill("onerror")
    t.page.keyboard.press("Enter")
    assert "<img src=x onerror=" in t.said
    for share in range(0, 100, 5):
        t.page.mouse.move(*t.at(share / 100, row=share * 3))
    assert t.page.evaluate("window.pwned") is None
    assert t.shown.dialogs == []
    assert t.shown.errors == []
    assert t.page.locator("main > #canary").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_an_exported_notebook(show, samples, theme):
    t = Timeline(show(exported(read(samples, "timeline_gpu"), theme), whole=True))
    assert t.range == WHOLE
    assert t.page.evaluate(PIXEL, [2, 4]) == ("21,24,28" if theme == "dark" else "255,255,255")
    t.press("+")
    assert t.range != WHOLE


@pytest.mark.parametrize("name", ["timeline_gpu", "timeline_hostile"])
def test_the_sanitiser_leaves_the_base(sanitised, name):
    before = Content(SCRIPTS.sub("", read(sanitised, name)))
    after = Content(read(sanitised, f"{name}.sanitised"))
    assert after.text == before.text
    assert after.elements == before.elements


@pytest.mark.parametrize("how", ["off", "policy", "broken data", "no inflating"])
def test_without_scripts_the_picture_stays(browser, samples, how):
    context = browser.new_context(java_script_enabled=how != "off")
    page = context.new_page()
    html = read(samples, "timeline_gpu")
    head = ""
    if how == "policy":
        head = '<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">'
    elif how == "broken data":
        html = re.sub(r'"data":"[^"]{400}', '"data":"', html)
    elif how == "no inflating":
        head = "<script>delete window.DecompressionStream</script>"
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    with page.expect_console_message() if how in ("policy", "broken data") else contextlib.nullcontext():
        page.set_content(f"<!doctype html>{head}<main>{html}</main>")
    assert page.locator("img").is_visible()
    assert page.locator("canvas").count() == 0
    assert errors == []
    context.close()


# How JupyterLab shows an output: markup, then each script again, for those of innerHTML do not run.
REDISPLAY = """([parent, html]) => {
  const div = document.createElement("div");
  document.querySelector(parent).append(div);
  div.innerHTML = html;
  for (const s of div.querySelectorAll("script")) {
    const again = document.createElement("script");
    for (const a of s.attributes) again.setAttribute(a.name, a.value);
    again.textContent = s.textContent;
    s.replaceWith(again);
  }
}"""


def test_two_reports_and_one_shown_again(show, samples):
    shown = show("<div id=first></div><div id=second></div>")
    page = shown.page
    gpu, cpu = read(samples, "timeline_gpu"), read(samples, "timeline_cpu")
    page.evaluate(REDISPLAY, ["#first", gpu])
    page.evaluate(REDISPLAY, ["#second", cpu])
    one, two = Timeline(shown, 0), Timeline(shown, 1)
    one.press("+")
    assert one.range != WHOLE
    assert two.range == WHOLE
    # The first is run again: its output goes, another comes.
    page.evaluate("document.querySelector('#first').replaceChildren()")
    page.locator(HOST).nth(1).wait_for(state="detached")
    page.evaluate(REDISPLAY, ["#first", gpu])
    again = Timeline(shown, 0)
    assert again.range == WHOLE
    assert page.locator("canvas.main").count() == 2
    # A notebook may take an output out of the page for a while, and put it back.
    page.evaluate(
        "() => { const d = document.querySelector('#second'); const p = d.parentNode; d.remove(); p.append(d); }"
    )
    two.press("-", "+", "+")
    assert two.range != WHOLE
    assert shown.errors == []


def test_an_output_that_is_thrown_away_is_forgotten(browser, samples):
    page = browser.new_page()
    page.set_content("<div id=first></div>")
    page.evaluate(REDISPLAY, ["#first", read(samples, "timeline_cpu")])
    page.locator(f"{HOST} canvas.main").wait_for()
    page.evaluate(
        f"""() => {{ window.was = new WeakRef(document.querySelector("{HOST}"));
        document.querySelector("#first").replaceChildren(); }}"""
    )
    session = page.context.new_cdp_session(page)
    for _ in range(10):  # what observers hold is let go with the next frames
        session.send("HeapProfiler.collectGarbage")
        page.evaluate("() => new Promise(r => requestAnimationFrame(r))")
    assert page.evaluate("was.deref() === undefined")
    page.close()


def test_narrow(show, samples):
    for width in (360, 700, 1400):
        t = Timeline(show(read(samples, "timeline_gpu"), width=width))
        t.press("v")
        assert t.host.evaluate("e => e.scrollWidth <= e.clientWidth && e.clientWidth <= innerWidth")
        box = t.canvas.bounding_box()
        assert box is not None
        assert box["width"] > min(width, 1000) * 0.75


@pytest.mark.parametrize("written_by", ["analyze", "run"])
def test_the_file_works_by_itself(browser, samples, tmp_path, written_by):
    path = samples / "timeline_gpu.page.html"
    if written_by == "run":
        path = tmp_path / "report.html"
        fragment = SimpleNamespace(html=read(samples, "timeline_gpu"))
        path.write_text(run_report.render(fragment, "html", "train.py"))
    assert path.stat().st_size <= 1 << 20
    context = browser.new_context(offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(path.as_uri())
    page.locator(f"{HOST} canvas.main").wait_for()
    # No other script may run in it.
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'pwned = 1'}))")
    assert page.evaluate("typeof pwned") == "undefined"
    assert len(errors) == 1
    assert "Content Security Policy" in errors.pop()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download trace").click()
    trace = json.loads(Path(saved.value.path()).read_text())
    events = trace["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    assert sum("sgemm" in e["name"] for e in slices) == 40 * 60
    assert sum(e["ph"] == "s" for e in events) == sum(e["ph"] == "f" for e in events) > 10
    assert all(e["ts"] >= 0 and e["dur"] > 0 for e in slices)
    assert errors == []
    context.close()


def test_perfetto_is_given_the_trace_on_a_click(browser, samples):
    context = browser.new_context()
    asked: list[str] = []
    # Stands for Perfetto's page, as its documentation describes what it says and hears.
    fake = """<script>addEventListener("message", e => {
        if (e.data === "PING") e.source.postMessage("PONG", "*");
        else if (e.data.perfetto) document.title = new TextDecoder().decode(e.data.perfetto.buffer).slice(0, 16);
      })</script>"""

    def serve(route):
        asked.append(route.request.url)
        route.fulfill(content_type="text/html", body=fake)

    context.route("https://ui.perfetto.dev/**", serve)
    page = context.new_page()
    page.goto((samples / "timeline_gpu.page.html").as_uri())
    button = page.get_by_role("button", name="Open in Perfetto")
    button.wait_for()
    assert asked == []
    with context.expect_page() as opened:
        button.click()
    opened.value.wait_for_function("document.title === '{\"traceEvents\":['")
    assert asked == ["https://ui.perfetto.dev/"]
    context.close()


def test_a_host_that_opens_no_windows_has_no_buttons_for_it(show, samples):
    shown = show("<div id=first></div>")
    shown.page.evaluate("document.body.dataset.vscodeThemeKind = 'vscode-dark'")
    shown.page.evaluate(REDISPLAY, ["#first", read(samples, "timeline_cpu")])
    t = Timeline(shown)
    assert t.host.get_by_role("button", name="Zoom in").count() == 1
    assert t.host.get_by_role("button", name="Open in Perfetto").count() == 0
    shown.page.evaluate("delete document.body.dataset.vscodeThemeKind")


def test_units(tools):
    """The decoder, the sums and the words, on what Go packs."""
    done = subprocess.run(
        ["node", "--test", "test"], cwd=tools, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_types_hold(tools):
    done = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=tools,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
