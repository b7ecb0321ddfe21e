"""JupyterLab's own sanitiser leaves the report's meaning: text, structure, pictures and styles."""

from __future__ import annotations

import html
import re
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest


class Content(HTMLParser):
    """What a page says, apart from how it is written."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = tuple(
            (name, self.style(value or "") if name == "style" else value or "") for name, value in sorted(attrs)
        )
        self.elements.append((tag, kept))

    handle_startendtag = handle_starttag

    @staticmethod
    def style(value: str) -> str:
        return ";".join(sorted(re.sub(r"\s+", "", d) for d in value.split(";") if d.strip()))


@pytest.mark.parametrize(
    "name",
    [
        *("empty", "sleep", "gil", "typical", "calm", "hostile", "no_ebpf", "error", "interrupted", "huge"),
        *("changed", "gpu_not_captured", "gpu_calls_only", "gpu_windows"),
        *("gpu_matmul", "gpu_sync", "gpu_pageable", "gpu_two", "gpu_carry_in", "gpu_no_ops", "gpu_hostile"),
        *("compare_faster", "compare_repeated", "compare_gpu", "compare_failed", "compare_hostile", "compare_huge"),
    ],
)
def test_nothing_is_lost(sanitised: Path, name: str) -> None:
    before = Content((sanitised / f"{name}.html").read_text())
    after = Content((sanitised / f"{name}.sanitised.html").read_text())
    assert after.text == before.text
    lost = Counter(before.elements) - Counter(after.elements)
    assert not lost, f"the sanitiser changed {list(lost)[:3]}"
    assert [tag for tag, _ in after.elements] == [tag for tag, _ in before.elements]


# Every section that a report can have.
SECTIONS = {
    *(
        "Where the time went",
        "The cell, line by line",
        "What to change",
        "What if",
        "Over time",
        "Top kernels",
        "Copies",
    ),
    *("The GPU", "Hot functions", "Threads", "Scopes and marks", "Memory and the kernel's counts"),
    *("What was not seen", "How to read this"),
    *("Where the host's time went", "Where the GPU's idle time went", "The GPU's sensors"),
}


def test_every_section_is_looked_at(sanitised: Path) -> None:
    found: set[str] = set()
    for name in ("typical", "gpu_sync", "gpu_windows"):
        page = html.unescape((sanitised / f"{name}.sanitised.html").read_text())
        titles = re.findall(r"<h5[^>]*>([^<]*)", page.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
        found |= {title.strip() for title in titles}
    assert found == SECTIONS


def test_it_is_a_sanitiser(sanitised: Path, tmp_path: Path) -> None:
    # A guard against testing with something that keeps everything.
    bad = '<p onclick="x()" style="color:#123;width:expression(1)">a<script>b</script><svg></svg></p>'
    (tmp_path / "bad.html").write_text(bad)
    subprocess.run(["node", str(Path(__file__).parent / "sanitise.mjs"), str(tmp_path)], check=True, timeout=60)
    assert (tmp_path / "bad.sanitised.html").read_text() == '<p style="color:#123">a</p>'
