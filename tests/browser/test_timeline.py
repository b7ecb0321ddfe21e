"""What a user does with the interactive timeline, in a real browser."""

from __future__ import annotations

import re
import subprocess

import pytest

from browser.timeline import HOST, WHOLE, seconds


def test_it_stands_in_the_place_of_the_picture(gpu, only_page):
    assert gpu.page.locator("img").count() == 1
    assert not gpu.page.locator("img").is_visible()
    assert only_page.errors == []
    assert [url for url in only_page.requests if not url.startswith("data:")] == []
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
