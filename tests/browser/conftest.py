"""A real Chromium, the sample reports, and what npm provides."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from browser.regions import fonts
from browser.timeline import Timeline, read
from inferscope import run_report
from written import written_by

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not in this environment")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # So that a picture is the same wherever it is taken.
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
]
# Long enough for a loaded machine; nothing waits for it when all is well.
SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every sample result in every rendering."""
    return written_by("report/internal/sample", tmp_path_factory.mktemp("samples"))


# Not for the session: while Playwright is open its event loop is the running one, and other
# tests want their own.
@pytest.fixture(scope="session")
def typography(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a browser with the fonts of the pictures; empty when they are not here."""
    return fonts(tmp_path_factory.mktemp("fonts"))


@pytest.fixture
def typeface(typography: dict[str, str]) -> None:
    """The fonts that pictures are compared in."""
    if not typography:
        if os.environ.get("CI") == "true":
            pytest.fail("no DejaVu fonts, in which the pictures are written")
        pytest.skip("no DejaVu fonts: apt-get install fonts-dejavu-core")


@pytest.fixture(scope="module")
def browser(typography: dict[str, str]) -> Iterator[playwright_api.Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS, env={**os.environ, **typography})
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def modules() -> Path:
    """``node_modules`` of the tests."""
    return installed(HERE)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the timeline's source, with what builds and checks it."""
    return installed(ROOT / "report" / "web").parent


def installed(project: Path) -> Path:
    """``node_modules`` as the package-lock.json of a folder says."""
    folder = project / "node_modules"
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node.js on PATH")
    lock, installed = project / "package-lock.json", folder / ".inferscope-lock"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        done = subprocess.run(["npm", "ci"], cwd=project, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            tail = "\n".join(done.stderr.splitlines()[-5:])
            if os.environ.get("CI") == "true":
                pytest.fail(f"npm ci: {tail}")
            pytest.skip(f"npm ci: {tail}")
        shutil.copy(lock, installed)
    return folder


@pytest.fixture(scope="session")
def sanitised(samples: Path, modules: Path) -> Path:
    """The same folder, after JupyterLab's sanitiser has written NAME.sanitised.html beside each page."""
    done = subprocess.run(
        ["node", str(HERE / "sanitise.mjs"), str(samples)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return samples


class Shown:
    """A report in a page, with what it tried to do."""

    def __init__(self, page: playwright_api.Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.route("**/*", self._refuse)

    def _refuse(self, route: playwright_api.Route) -> None:
        self.requests.append(route.request.url)
        route.abort()


Show = Callable[..., Shown]


@pytest.fixture(scope="module")
def only_page(browser: playwright_api.Browser) -> Shown:
    """One page for all tests: opening one costs more than most of what they check."""
    return Shown(browser.new_page())


@pytest.fixture
def show(only_page: Shown) -> Show:
    """Shows a fragment in a page of a width and with the colours of a theme; every fold is opened."""

    def open_page(fragment: str, *, width: int = 1000, dark: bool = False, whole: bool = False) -> Shown:
        page = only_page.page
        # A fresh document: nothing that an earlier report did can still be there.
        page.goto("about:blank")
        for seen in (only_page.requests, only_page.dialogs, only_page.errors):
            seen.clear()
        page.set_viewport_size({"width": width, "height": 900})
        back, ink = ("#111111", "#e6e6e6") if dark else ("#ffffff", "#1a1a1a")
        html = fragment
        if not whole:
            html = (
                f"<!doctype html><html lang=en><meta charset=utf-8><title>Notebook</title>"
                f'<body style="margin:8px;background:{back};color:{ink}"><main><h1>N</h1><h2>S</h2><h3>C</h3>'
                f"{fragment}<p id=canary>after the report</p></main>"
            )
        page.set_content(html, wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return only_page

    return open_page


@pytest.fixture(params=["analyze", "run"])
def standalone(request: pytest.FixtureRequest, samples: Path, tmp_path: Path) -> Path:
    """The report of a training loop as a page of its own, as each of the commands writes it."""
    if request.param == "analyze":
        return samples / "timeline_gpu.page.html"
    path = tmp_path / "report.html"
    path.write_text(run_report.render(SimpleNamespace(html=read(samples, "timeline_gpu")), "html", "train.py"))
    return path


@pytest.fixture
def gpu(show: Show, samples: Path) -> Timeline:
    """The timeline of a training loop on a GPU."""
    return Timeline(show(read(samples, "timeline_gpu")).page)


@pytest.fixture
def cpu(show: Show, samples: Path) -> Timeline:
    """The timeline of a pool of threads."""
    return Timeline(show(read(samples, "timeline_cpu")).page)
