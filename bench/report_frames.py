"""The report's timeline of a trace of two million events: time a frame while panning, and bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from record import measure, percentile, say

ROOT = Path(__file__).resolve().parent.parent
FRAMES = 300
# Shares of the whole that are shown: most of it, then closer.
SHOWN = {"60 %": 1, "6 %": 6, "0.6 %": 10}

# Pans by a key in each frame, and measures from before the component draws to when its pixels are there: reading one
# back waits for the rasteriser, which frames otherwise do not.
PAN = """async ([zooms, frames]) => {
  const host = document.querySelector("[data-inferscope=timeline] + div");
  const canvas = host.shadowRoot.querySelector("canvas.main");
  const press = key => canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  press("0");
  for (let i = 0; i < zooms; i++) press("+");
  const times = [], between = [];
  let last = 0, way = "ArrowLeft";
  for (let i = 0; i < frames + 10; i++) {
    // In the next frame these run in this order: a mark, the component, the second mark.
    const begun = new Promise(done => requestAnimationFrame(() => done(performance.now())));
    if (i % 25 === 0) way = way === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    press(way);
    const ended = new Promise(done => requestAnimationFrame(() => {
      canvas.getContext("2d").getImageData(0, 0, 1, 1);
      done(performance.now());
    }));
    const start = await begun, end = await ended;
    if (i >= 10) { times.push(end - start); between.push(start - last); }
    last = start;
  }
  return [times, between];
}"""


def main() -> None:
    chromium = next(path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        subprocess.run(
            ["go", "run", "./report/internal/sample", "-large", "-out", folder],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for name, what in {"timeline_gpu": "a loop of 7,200 kernels", "timeline_million": "a million kernels"}.items():
            html = (Path(folder) / f"{name}.html").read_text()
            data = re.search(r'<script type="application/json">(.*?)</script><script>(.*?)</script>', html, re.DOTALL)
            assert data is not None
            measure(f"data of {what}", len(data[1]) / 1024, "KiB", "<= 150")
            measure(f"report of {what}", len(html.encode()) / 1024, "KiB", "<= 512")
        measure("script and style", len(data[2].encode()) / 1024, "KiB", "<= 60")
        flags = ["--no-sandbox", "--headless", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1040, "height": 900})
        page.goto((Path(folder) / "timeline_million.page.html").as_uri())
        page.locator("[data-inferscope=timeline] + div canvas.main").wait_for()
        for shown, zooms in SHOWN.items():
            times, between = page.evaluate(PAN, [zooms, FRAMES])
            note = f"{FRAMES} frames of 1040 pixels, drawn and rasterised by the CPU; one begins every "
            note += f"{percentile(between, 50):.1f} ms"
            say(f"   {shown}: {percentile(times, 50):.2f} ms, p95 {percentile(times, 95):.2f} ms")
            measure(
                f"a frame while panning {shown} of a million kernels, median",
                percentile(times, 50),
                "ms",
                "<= 16.7",
                note,
            )
            measure(f"the same, 95th percentile, {shown}", percentile(times, 95), "ms", "<= 16.7", note)
        browser.close()


if __name__ == "__main__":
    main()
