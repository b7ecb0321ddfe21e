"""A Jupyter server, and a notebook of it in JupyterLab or Notebook 7, driven as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from playwright import sync_api as playwright_api

# Where pictures are kept, if anywhere.
FOLDER = os.environ.get("SCREENSHOTS", "")
# A browser on a loaded machine; nothing waits for it when all is well.
MS = 60_000
# The report of the profiled cell, in either front end.
REPORT = ".jp-OutputArea-child:has(h4)"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FRONT_ENDS = {"lab": "lab/tree/{}?reset", "notebook": "notebooks/{}"}
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


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

    def export(self, *, cleaned: bool) -> str:
        """The page that the front end makes of the notebook, by the menu.

        Args:
            cleaned: Whether it shall have none of the outputs' scripts, which the front end proposes.
        """
        downloads: list[playwright_api.Download] = []

        def listen(page: playwright_api.Page) -> None:
            page.on("download", lambda download: downloads.append(download))

        self.page.context.on("page", listen)  # it may open a window for that
        listen(self.page)
        self.page.get_by_role("menuitem", name="File", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Save and Export Notebook As")).hover()
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(r"^HTML$")).click()
        dialog = self.page.locator(".jp-Dialog")
        dialog.get_by_role("checkbox").set_checked(cleaned)
        dialog.get_by_role("button", name="Ok").click()
        self.wait_until(lambda: bool(downloads))
        self.page.context.remove_listener("page", listen)
        return Path(downloads[0].path()).read_text()

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

    def drawn(self) -> None:
        """Return when the page has drawn what it has."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

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
        if FOLDER:
            self.page.screenshot(path=f"{FOLDER}/{name}.png")
