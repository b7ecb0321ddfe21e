"""The report as real kernels make it, in pages that do to an output what VS Code, Colab and GitHub do to one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.test_report import STRIP
from browser.timeline import HOST, PIXEL, WHOLE, Timeline
from kernels import Kernel, load

CELL = """%%inferscope
import time
def wait():
    time.sleep(0.02)
for _ in range(20):
    wait()
sum(range(100_000))
"""
# Each host with the kernel that is behind it there, as an environment of the matrix.
KERNELS = {"vscode": "py312-ipy9", "colab": "py310-ipy7"}


@pytest.fixture(scope="module", params=["vscode", "colab"])
def host(request: pytest.FixtureRequest) -> str:
    """Each host."""
    return request.param


@pytest.fixture(scope="module")
def report(host: str) -> Iterator[str]:
    """The report of a cell in the kernel of a host."""
    python = Path(sys.prefix).parent / KERNELS[host] / "bin" / "python"
    if not python.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no environment {KERNELS[host]}")
        pytest.skip(f"no environment {KERNELS[host]}: .ci/setup {KERNELS[host]}")
    kernel = load(Kernel(python=str(python)))
    try:
        version = kernel.value("__import__('IPython').__version__")
        assert version.startswith("'7.34" if host == "colab" else "'9.")
        reply = kernel.run(CELL)
        assert reply.status == "ok", reply.traceback
        (bundle,) = reply.reports
        yield bundle["text/html"]
    finally:
        kernel.close()


# VS Code shows outputs in a frame of its own with this policy, and executes an output's scripts one after the other at
# the output's end, from where each is taken away again.
VSCODE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>webview</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
  script-src https://*.vscode-cdn.test 'unsafe-inline' 'unsafe-eval';
  style-src https://*.vscode-cdn.test 'unsafe-inline';
  img-src https: http: data:; font-src https:; connect-src https:; child-src https: data:">
<style>html { --vscode-editor-background: #1e1e1e; --vscode-foreground: #cccccc; }
  body.vscode-light, body.vscode-high-contrast-light { --vscode-editor-background: #fff; --vscode-foreground: #3b3b3b; }
  body { background: var(--vscode-editor-background); color: var(--vscode-foreground); font: 13px sans-serif; }
  table, thead, tr, th, td { text-align: right; border: none; }</style></head>
<body class="vscode-dark" data-vscode-theme-kind="vscode-dark"><main id="container"></main><script>
  addEventListener("message", ({data}) => {
    if (data.theme) { document.body.className = document.body.dataset.vscodeThemeKind = data.theme; return; }
    const output = document.createElement("div");
    output.innerHTML = data.html;
    document.querySelector("#container").append(output);
    for (const written of [...output.querySelectorAll("script")]) {
      const script = document.createElement("script");
      script.text = written.innerText;
      if (written.type) script.setAttribute("type", written.type);
      output.appendChild(script).parentNode.removeChild(script);
    }
  });
</script></body></html>"""

# Colab shows each output in a frame of another origin, which may neither reach its parent nor keep anything.
COLAB = """<!doctype html><html lang="en" theme="dark"><head><meta charset="utf-8"><title>output</title>
<style>html[theme=dark] { background: #1e1e1e; color: #e0e0e0; } html { background: #fff; color: #212121; }
</style></head><body><div id="output-body"></div><script>
  addEventListener("message", ({data}) => {
    if (data.theme) { document.documentElement.setAttribute("theme", data.theme); return; }
    const output = document.createRange().createContextualFragment(data.html);
    document.querySelector("#output-body").append(output);
  });
</script></body></html>"""

FRAMES = {"vscode": ("allow-scripts allow-same-origin allow-forms", VSCODE), "colab": ("allow-scripts", COLAB)}
# The themes of each host, with whether they are dark.
THEMES = {
    "vscode": {
        "vscode-light": False,
        "vscode-dark": True,
        "vscode-high-contrast-light": False,
        "vscode-high-contrast": True,
    },
    "colab": {"light": False, "dark": True},
}


class Frame:
    """The frame of a host's page that has a report, and what was asked of the network meanwhile."""

    def __init__(self, page, host: str, html: str) -> None:
        sandbox, frame = FRAMES[host]
        self.page, self.requests, self.errors = page, [], []
        pages = {
            f"https://{host}.test/": f'<!doctype html><title>{host}</title><iframe sandbox="{sandbox}" '
            f'src="https://output.{host}-content.test/" style="width:980px;height:1900px;border:0"></iframe>',
            f"https://output.{host}-content.test/": frame,
        }

        def serve(route) -> None:
            body = pages.get(route.request.url)
            if body is None:
                self.requests.append(route.request.url)
                route.abort()
            else:
                route.fulfill(content_type="text/html", body=body)

        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.set_viewport_size({"width": 1000, "height": 2000})
        page.route("**/*", serve)
        page.goto(f"https://{host}.test/")
        self.frame = next(frame for frame in page.frames if frame.parent_frame)
        self.tell({"html": html})

    def tell(self, message: dict[str, str]) -> None:
        """What the host's page says to its frame."""
        self.page.evaluate("m => document.querySelector('iframe').contentWindow.postMessage(m, '*')", message)

    def drawn(self) -> None:
        self.frame.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


@pytest.fixture(scope="module")
def shown(browser, host: str, report: str) -> Iterator[Frame]:
    page = browser.new_page()
    shown = Frame(page, host, report)
    shown.frame.locator(f"{HOST} canvas.main").wait_for()
    yield shown
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{host}.png")
    page.close()


def test_it_reads_and_asks_for_nothing(shown: Frame) -> None:
    verdict = shown.frame.locator("h4").inner_text()
    assert "sleeping on line 4" in verdict
    assert shown.frame.locator("h5").count() > 5
    assert [url for url in shown.requests if not url.startswith("data:")] == []
    assert shown.errors == []


def test_the_timeline_works(shown: Frame) -> None:
    timeline = Timeline(shown.frame)
    assert timeline.range == WHOLE
    timeline.press("+", "v")
    assert timeline.range != WHOLE
    assert "Selected" in timeline.host.locator(".panel").inner_text()
    shown.frame.locator("ol > li button").first.click()
    assert "lit up" in timeline.said
    timeline.press("Escape", "0")
    assert not timeline.host.locator(".panel").is_visible()
    assert shown.errors == []


def test_it_follows_the_theme(shown: Frame, host: str) -> None:
    for name, dark in THEMES[host].items():
        shown.tell({"theme": name})
        shown.frame.wait_for_function(
            "name => [document.body.className, document.documentElement.getAttribute('theme')].includes(name)", arg=name
        )
        shown.drawn()
        assert shown.frame.evaluate(PIXEL, [2, 4]) == ("21,24,28" if dark else "255,255,255"), name


def test_without_styles_scripts_and_pictures_it_says_the_same(show, report: str) -> None:
    # As GitHub and viewers of its kind leave it.
    page = show(report).page
    page.locator(f"{HOST} canvas.main").wait_for()
    words = page.locator("main").inner_text().split()
    page.evaluate(STRIP)
    page.locator("main").evaluate("e => e.querySelectorAll('div:empty').forEach(d => d.remove())")
    left = page.locator("main").inner_text()
    assert page.locator("main :is(script, style, img, canvas)").count() == 0
    verdict = page.locator("h4").inner_text()
    assert "sleeping on line 4" in verdict
    for title in ("Where the time went", "The cell, line by line", "What to change"):
        assert title in left
    assert set(left.split()) <= set(words)
