"""The HTML report in a real browser: shown and not run, readable, legible."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NAMES = [
    "changed",
    "empty",
    "sleep",
    "gil",
    "typical",
    "calm",
    "hostile",
    "no_ebpf",
    "error",
    "interrupted",
    "gpu_not_captured",
    "gpu_matmul",
    "gpu_sync",
    "gpu_pageable",
    "gpu_two",
    "gpu_carry_in",
    "gpu_no_ops",
    "gpu_hostile",
    "huge",
    "compare_faster",
    "compare_repeated",
    "compare_gpu",
    "compare_failed",
    "compare_hostile",
    "compare_huge",
]

# The smallest contrast of any text with what is behind it, by the formula of WCAG 2.
CONTRAST = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m.length > 3 ? m[3] : 1]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const f = c.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  // Paint from the root down; an element's opacity mixes what it and its content paint with what is behind.
  const paint = (chain, back, ink) => {
    if (!chain.length) return [back, over(ink, back)];
    const style = getComputedStyle(chain[0]);
    const own = over(parse(style.backgroundColor), back);
    const [b, t] = paint(chain.slice(1), own, ink);
    const o = Number(style.opacity);
    return [over([...b.slice(0, 3), o], back), over([...t.slice(0, 3), o], back)];
  };
  let worst = [100, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    if (!n.data.trim()) continue;
    const chain = [];
    for (let e = n.parentElement; e; e = e.parentElement) chain.unshift(e);
    const [b, t] = paint(chain, [255, 255, 255, 1], parse(getComputedStyle(n.parentElement).color));
    const [hi, lo] = [light(b), light(t)].sort((x, y) => y - x);
    const ratio = (hi + 0.05) / (lo + 0.05);
    if (ratio < worst[0]) worst = [ratio, n.data.trim().slice(0, 60)];
  }
  return worst;
}"""


def read(samples: Path, name: str) -> str:
    return (samples / f"{name}.html").read_text()


@pytest.mark.parametrize("name", ["hostile", "gpu_hostile", "compare_hostile"])
@pytest.mark.parametrize("kind", ["as made", "sanitised", "exported"])
def test_hostile_text_is_shown_and_not_run(show, samples, request, kind, name):
    html = read(samples, name)
    if kind == "sanitised":
        html = read(request.getfixturevalue("sanitised"), f"{name}.sanitised")
    shown = show(exported(html) if kind == "exported" else html, whole=kind == "exported")
    page = shown.page
    # Everything that a click can start is started.
    page.evaluate(
        "document.querySelectorAll('.output_html *, main *').forEach(e => e.dispatchEvent(new Event('click')))"
    )
    assert page.evaluate("window.pwned") is None
    assert shown.dialogs == []
    if kind != "exported":  # the exported page loads its own scripts
        assert [url for url in shown.requests if not url.startswith("data:image/svg+xml,")] == []
        assert shown.errors == []
        assert page.locator("main > #canary").count() == 1, "the report broke out of its place"
    root = "main" if kind != "exported" else ".jp-OutputArea-output"
    assert page.locator(f"{root} :is(script, iframe, svg, style, object, embed, link, form, input, a)").count() == 0
    names = page.evaluate(f"[...document.querySelectorAll('{root} *')].flatMap(e => e.getAttributeNames())")
    assert [name for name in names if name.startswith("on")] == []
    text = page.locator(root).first.inner_text() if kind == "exported" else page.locator("main").inner_text()
    for attack in (
        "<script>window.pwned=1</script>",
        "onerror=",
        "</style></code></pre>",
        "javascript:window.pwned=1",
        "⟨U+202E⟩",
    ):
        assert attack in text, f"{attack} is not shown"
    assert "\u202e" not in page.content()


def exported(html: str, theme: str = "light") -> str:
    cell = new_code_cell(
        "%%inferscope\nrun()", execution_count=7, outputs=[new_output("display_data", data={"text/html": html})]
    )
    notebook = new_notebook(cells=[new_markdown_cell("# A notebook"), cell])
    nbformat.validate(notebook)
    return HTMLExporter(theme=theme).from_notebook_node(notebook)[0]


@pytest.mark.parametrize("name", NAMES)
def test_no_horizontal_scroll(show, samples, name):
    page = show(read(samples, name)).page
    for width in (700, 900, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_source_is_readable_in_an_exported_notebook(show, samples):
    page = show(exported(read(samples, "typical")), width=700, whole=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    # The host's own rules must not squeeze the column that matters.
    box = page.locator("td code", has_text="return [w for w in text.split()").first.locator("xpath=..").bounding_box()
    assert box is not None
    assert box["width"] >= 250
    # Indentation is meaning in Python.
    assert (
        page.locator("td code", has_text="return [w for w")
        .first.evaluate("e => getComputedStyle(e).whiteSpace")
        .startswith("pre")
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [
        "typical",
        "hostile",
        "calm",
        "gpu_not_captured",
        "gpu_sync",
        "gpu_matmul",
        "gpu_hostile",
        "compare_faster",
        "compare_hostile",
    ],
)
def test_contrast(show, samples, name, dark):
    ratio, where = show(read(samples, name), dark=dark).page.evaluate(CONTRAST)
    assert ratio >= 4.5, f"{ratio:.2f} at {where!r}"


def test_contrast_is_measured(show):
    ratio, where = show('<p>fine</p><p style="opacity:0.72"><span style="color:#777777">pale</span></p>').page.evaluate(
        CONTRAST
    )
    assert ratio < 4
    assert where == "pale"


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_reader_can_follow(show, samples, name):
    page = show(read(samples, name)).page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(e => Number(e.tagName[1]))")
    assert levels[3] == 4, "the verdict is the report's first heading"
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels
    assert page.evaluate("[...document.querySelectorAll('h4,h5')].every(e => e.innerText.trim())")
    assert page.evaluate(
        "[...document.querySelectorAll('img')].every(e => e.alt.length > 30 && e.complete && e.naturalWidth > 0)"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('th')].every(e => ['row', 'col'].includes(e.scope) && e.innerText.trim())"
    )
    assert page.evaluate("[...document.querySelectorAll('meter')].every(e => e.title)")


@pytest.mark.parametrize(
    "name", ["typical", "hostile", "no_ebpf", "gpu_sync", "gpu_two", "gpu_hostile", "compare_gpu", "compare_hostile"]
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe(show, samples, modules, name, dark):
    page = show(read(samples, name), dark=dark).page
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run(document, {runOnly: tags}).then(r => r.violations)", tags)
    problems = [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found]
    assert problems == []


# What GitHub leaves of a page: no styles, no classes, no pictures from data.
STRIP = """() => {
  for (const e of document.querySelectorAll('main *'))
    for (const name of ['style', 'class', 'id', 'title']) e.removeAttribute(name);
  document.querySelectorAll('main :is(script, style, img, meter)').forEach(e => e.remove());
}"""


@pytest.mark.parametrize("name", ["typical", "gpu_sync", "changed", "hostile", "compare_gpu"])
def test_without_styles_it_says_the_same(show, samples, name):
    page = show(read(samples, name)).page
    before = page.locator("main").inner_text()
    page.evaluate(STRIP)
    after = page.locator("main").inner_text()
    assert after.split() == before.split()
    # The verdict is a heading, the parts are headings below it, and the numbers stand in tables with heads.
    assert page.locator("h4").count() == 1
    assert page.locator("table").evaluate_all("all => all.every(t => t.querySelector('thead th'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("styles", ["'unsafe-inline'", "'none'"])
@pytest.mark.parametrize("name", ["typical", "gpu_sync"])
def test_a_strict_host_has_nothing_to_refuse(show, samples, name, styles):
    # A host of web views: no script, no network, no worker; a stricter one has no inline styles either.
    policy = f"default-src 'none'; img-src data:; style-src {styles}"
    head = f'<meta charset=utf-8><meta http-equiv="Content-Security-Policy" content="{policy}">'
    page = show(
        f"<!doctype html><html lang=en>{head}<title>N</title><body><main>{read(samples, name)}</main>",
        whole=True,
    ).page
    assert page.evaluate("[...document.images].every(e => e.complete && e.naturalWidth > 0)")
    assert page.locator("h4").is_visible()
    heads = page.locator("h5").all_inner_texts()
    assert "What to change" in heads
    assert "The cell, line by line" in heads


def test_the_answer_is_on_the_first_screen(show, samples):
    page = show(read(samples, "typical")).page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    box = page.get_by_text("First thing to change").bounding_box()
    assert box is not None
    assert box["y"] < 500
    slow = page.locator("tr", has_text=re.compile(r"1\.97.s")).last
    assert "return [w for w in text.split() if w not in STOP]" in slow.inner_text()
    assert "GIL wait" in slow.inner_text()


def test_the_gpu_is_on_the_first_screen(show, samples):
    page = show(read(samples, "gpu_sync")).page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    box = page.get_by_text("idle 58%").first.bounding_box()
    assert box is not None
    assert box["y"] < 450
    why = page.locator("h5", has_text="idle time went").locator("xpath=following-sibling::table[1]")
    assert re.search(r"synchronisation.*702\sms.*line 9 losses\.append\(loss\.item\(\)\)", why.inner_text(), re.DOTALL)
    row = page.locator("tr", has_text=re.compile(r"702.ms")).last
    assert [re.sub(r"\s+", " ", cell) for cell in row.locator("td").all_inner_texts()][5:] == [
        "2 ms",
        "400 copies",
        "702 ms",
    ]


def test_source_beside_the_gpu_is_readable(show, samples):
    page = show(exported(read(samples, "gpu_sync")), width=900, whole=True).page
    box = page.locator("td code", has_text="loss = F.cross_entropy").first.locator("xpath=..").bounding_box()
    assert box is not None
    assert box["width"] >= 200
    # No heading of a narrow column breaks inside a word.
    for title in ("Line", "Launches"):
        cell = page.locator("th", has_text=title).first
        assert (
            cell.evaluate(
                "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; }"
            )
            == 1
        )


def test_a_long_kernel_name_is_cut_and_kept(show, samples):
    page = show(read(samples, "gpu_matmul")).page
    name = page.locator("code[title]").first
    assert len(name.inner_text()) <= 84
    assert "…" in name.inner_text() or "(" in name.get_attribute("title")
    assert name.get_attribute("title").startswith("void at::native::")


def test_bars_are_as_long_as_their_shares(show, samples):
    page = show(read(samples, "sleep")).page
    image = (
        page.locator("h5", has_text="Where the time went")
        .locator("xpath=following-sibling::div[1]")
        .evaluate("e => getComputedStyle(e).backgroundImage")
    )
    first = re.search(
        r"rgb\(141, 123, 201\) 0px, rgb\(141, 123, 201\) ([\d.]+)%|rgb\(141, 123, 201\) 0px ([\d.]+)%", image
    )
    assert first, image
    assert abs(float(first[1] or first[2]) - 99.4) < 0.2, image
