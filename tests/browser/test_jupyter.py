"""JupyterLab and Notebook 7 with a real kernel: a cell runs, is watched, reported, saved, reopened and exported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not in this environment")
pytest.importorskip("jupyterlab", reason="JupyterLab is not in this environment")

folder = os.environ.get("SCREENSHOTS", "")
# A browser on a loaded machine; nothing waits for it when all is well.
MS = 60_000

CODE = """%%inferscope
import os, time
print("before")
for x in range(9000):
    if os.path.exists({go!r}):
        break
    time.sleep(0.05)
print("after")
"""

# The report of the profiled cell, in either front end.
REPORT = ".jp-OutputArea-child:has(h4)"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FRONT_ENDS = {"lab": "lab/tree/{}?reset", "notebook": "notebooks/{}"}


class Server:
    """One Jupyter server, which serves both front ends."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir()
        settings = folder / "config"
        settings.mkdir()
        # No news, no check for updates: nothing is asked of the network.
        (settings / "labconfig").mkdir()
        overrides = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        (folder / "settings").mkdir()
        (folder / "settings" / "overrides.json").write_text(json.dumps(overrides))
        environ = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(settings),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        }
        flags = {
            "ServerApp.root_dir": str(self.files),
            "ServerApp.port": "0",
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "IdentityProvider.token": "",
            "ServerApp.allow_unauthenticated_access": "True",
            "LabApp.app_settings_dir": str(folder / "settings"),
            "LabApp.news_url": "",
        }
        words = [f"--{name}={value}" for name, value in flags.items()]
        self.log = (folder / "server.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], env=environ, stdout=self.log, stderr=self.log, cwd=self.files
        )
        self.url = self._await(folder / "runtime")

    def _await(self, runtime: Path) -> str:
        deadline = time.monotonic() + MS / 1000
        while time.monotonic() < deadline and self.process.poll() is None:
            for path in runtime.glob("jpserver-*.json"):
                url = str(json.loads(path.read_text())["url"])
                with urllib.request.urlopen(f"{url}api", timeout=10):
                    return url
            time.sleep(0.05)
        self.log.seek(0)
        raise AssertionError(f"the server did not start:\n{self.log.read()[-2000:]}")

    def has_kernel(self, notebook: str) -> bool:
        """Whether a front end is connected to a notebook's kernel, which waits for cells."""
        with urllib.request.urlopen(f"{self.url}api/sessions", timeout=10) as answer:
            kernels = [session["kernel"] for session in json.load(answer) if session["path"] == notebook]
        return any(kernel["connections"] > 0 and kernel["execution_state"] == "idle" for kernel in kernels)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.close()


class Notebook:
    """One notebook in a front end.

    Args:
        page: The browser's page, which shows it from here on.
        server: What serves it.
        address: Where the front end shows notebooks.
        path: The notebook's file.
    """

    def __init__(self, page: playwright_api.Page, server: Server, address: str, path: Path) -> None:
        self.page, self.server, self.path = page, server, path
        self.errors: list[str] = []
        page.set_default_timeout(MS)
        page.set_viewport_size({"width": 1200, "height": 1000})
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(server.url + address.format(path.name), wait_until="commit")
        page.locator(".jp-CodeCell").first.wait_for()

    def run_all(self) -> None:
        """Run the cells one after the other, from the keyboard; returns when the last one has begun."""
        # Earlier, a front end asks which kernel it shall be, or takes the key and runs nothing.
        self.wait_until(lambda: self.server.has_kernel(self.path.name))
        self.page.locator("[data-status=idle]").first.wait_for(state="attached")
        for cell in self.page.locator(".jp-CodeCell").all():
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Shift+Enter")
            cell.locator(".jp-InputPrompt", has_text=re.compile(r"\[[\d*]+\]")).wait_for()

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Let the page go on until something is so."""
        deadline = time.monotonic() + MS / 1000
        while not done():
            assert time.monotonic() < deadline, "it did not come to that"
            self.page.wait_for_timeout(50)

    def report(self) -> playwright_api.Locator:
        """The report, once it is there."""
        found = self.page.locator(REPORT)
        found.locator("h4").wait_for()
        found.scroll_into_view_if_needed()
        return found

    def theme(self, name: str) -> None:
        """Choose a theme by the menu."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).hover()
        self.page.locator(".lm-Menu-itemLabel", has_text=name).first.click()
        light = "false" if "Dark" in name else "true"
        self.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")

    def save(self) -> nbformat.NotebookNode:
        """Save, and read what is then on the disk."""
        before = self.path.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")
        read: list[nbformat.NotebookNode] = []

        def saved() -> bool:
            # The server writes into the file itself: half of it is not a notebook yet.
            with suppress(ValueError):
                if self.path.stat().st_mtime_ns != before:
                    read.append(nbformat.read(self.path, nbformat.NO_CONVERT))
            return bool(read)

        self.wait_until(saved)
        return read[0]

    def violations(self, axe: str) -> list[str]:
        """What axe-core finds wrong with the report."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        self.page.evaluate(axe)
        found = self.page.evaluate(
            "([root, tags]) => axe.run(root, {runOnly: tags}).then(r => r.violations)", [REPORT, AXE_TAGS]
        )
        return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found]

    def picture(self, name: str) -> None:
        """Keep a screenshot in the folder that SCREENSHOTS names, if there is one."""
        if folder:
            self.page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def page(browser: playwright_api.Browser, request: pytest.FixtureRequest) -> Iterator[playwright_api.Page]:
    page = browser.new_page()
    yield page
    if folder:
        page.screenshot(path=f"{folder}/{request.node.name}-at-the-end.png")
    page.close()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_cell_from_its_run_to_its_export(
    page: playwright_api.Page, server: Server, modules: Path, tmp_path: Path, front_end: str
) -> None:
    axe = (modules / "axe-core" / "axe.min.js").read_text()
    go = tmp_path / "go"
    cells = [nbformat.v4.new_code_cell(text) for text in ("%load_ext inferscope", CODE.format(go=str(go)))]
    path = server.files / f"{front_end}.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    shown = Notebook(page, server, FRONT_ENDS[front_end], path)

    # While it runs, a line says how it goes.
    shown.run_all()
    strip = page.get_by_text(re.compile(r"^InferScope: \d+ s · [\d,]+ of 9,000"))
    strip.wait_for()
    outputs = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-child")
    assert "InferScope: " in outputs.first.inner_text(), "the strip stands above what the cell prints"
    shown.picture(f"{front_end}-strip")
    shown.errors.clear()  # of the front end's own start
    go.touch()

    # Then there is the report, and nothing of the line.
    report = shown.report()
    assert shown.errors == []
    assert strip.count() == 0
    assert [output.strip() for output in outputs.all_inner_texts()][:2] == ["", "before\nafter"]
    assert (outputs.first.bounding_box() or {"height": 0})["height"] == 0, "what is left of the strip takes room"
    verdict = report.locator("h4").inner_text()
    assert "sleeping on line 7" in verdict
    words = report.inner_text()
    shown.picture(f"{front_end}-light")
    assert shown.violations(axe) == []
    shown.theme("JupyterLab Dark")
    assert shown.violations(axe) == []
    report.scroll_into_view_if_needed()
    shown.picture(f"{front_end}-dark")
    shown.theme("JupyterLab Light")

    # Saved, the strip is an output that shows nothing.
    saved = shown.save()
    kept = saved.cells[1].outputs
    assert [output.output_type for output in kept] == ["display_data", "stream", "display_data"]
    assert kept[0].data == {"text/html": "", "text/plain": ""}

    # Of somebody else it is not trusted, and says the same.
    other = path.with_name(f"{front_end}-from-elsewhere.ipynb")
    saved.cells[1].outputs[1].text = "of somebody else\n"
    nbformat.write(saved, other)
    reopened = Notebook(page, server, FRONT_ENDS[front_end], other)
    untrusted = reopened.report()
    page.get_by_text("of somebody else").wait_for()
    assert untrusted.locator("script, style, canvas").count() == 0
    assert untrusted.locator("h4").inner_text() == verdict
    assert folded(untrusted.inner_text()) == folded(words)
    reopened.picture(f"{front_end}-untrusted")

    # Exported, it is the page that is sent around.
    html, _ = HTMLExporter().from_filename(str(path))
    page.set_content(html, wait_until="load")
    assert page.locator("h4").first.inner_text() == verdict
    assert page.get_by_text("InferScope: ").count() == 0


def folded(text: str) -> str:
    """A report's words, without the timeline's buttons beside lines and findings."""
    return re.sub(r"\s+", " ", re.sub(r"▸(\s*show)?", "", text)).strip()
