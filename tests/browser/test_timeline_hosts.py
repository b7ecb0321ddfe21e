"""What hosts do to the interactive timeline: themes, cleaning, policies, outputs that come and go."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest

from browser.test_report import exported
from browser.test_sanitiser import Content
from browser.timeline import HOST, PIXEL, WHOLE, Timeline, read

SCRIPTS = re.compile(r'<script type="application/json">.*?</script><script>.*?</script>', re.DOTALL)


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


def test_hostile_names_are_shown_and_not_run(show, samples):
    shown = show(read(samples, "timeline_hostile"))
    t = Timeline(shown.page)
    t.press("v")
    text = t.host.locator(".panel").inner_text()
    assert "<script>window.pwned=1</script>" in text
    t.host.get_by_role("searchbox").fill("onerror")
    t.page.keyboard.press("Enter")
    assert "<img src=x onerror=" in t.said
    for share in range(0, 100, 5):
        t.page.mouse.move(*t.at(share / 100, row=share * 3))
    assert t.page.evaluate("window.pwned") is None
    assert shown.dialogs == []
    assert shown.errors == []
    assert t.page.locator("main > #canary").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_an_exported_notebook(show, samples, theme):
    t = Timeline(show(exported(read(samples, "timeline_gpu"), theme), whole=True).page)
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
    one, two = Timeline(shown.page, 0), Timeline(shown.page, 1)
    one.press("+")
    assert one.range != WHOLE
    assert two.range == WHOLE
    # The first is run again: its output goes, another comes.
    page.evaluate("document.querySelector('#first').replaceChildren()")
    page.locator(HOST).nth(1).wait_for(state="detached")
    page.evaluate(REDISPLAY, ["#first", gpu])
    again = Timeline(shown.page, 0)
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
        t = Timeline(show(read(samples, "timeline_gpu"), width=width).page)
        t.press("v")
        assert t.host.evaluate("e => e.scrollWidth <= e.clientWidth && e.clientWidth <= innerWidth")
        box = t.canvas.bounding_box()
        assert box is not None
        assert box["width"] > min(width, 1000) * 0.75


def test_the_file_works_by_itself(browser, standalone):
    assert standalone.stat().st_size <= 1 << 20
    context = browser.new_context(offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(standalone.as_uri())
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
    t = Timeline(shown.page)
    assert t.host.get_by_role("button", name="Zoom in").count() == 1
    assert t.host.get_by_role("button", name="Open in Perfetto").count() == 0
    shown.page.evaluate("delete document.body.dataset.vscodeThemeKind")
