"""Pictures of the report's regions, compared with the kept ones.

A picture is that of the reference when at most `TOLERANCE` of its pixels differ by more than `STEP` in one of their
channels, which is what another version of the browser does to the edges of letters; a word that changes is more. The
letters are DejaVu's, which the browser is told to use for everything: see `fonts`.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
REFERENCES = HERE / "regions"
# Where the picture that is not as it was goes, with one that shows where.
FAILED = HERE.parent.parent / "build" / "regions"
STEP = 24
TOLERANCE = 0.0005
RENEW = os.environ.get("RENEW_PICTURES") == "1"

# The pixels of the second picture that are not those of the first, in red on a pale first one.
DIFFER = """async ([before, now, step]) => {
  const read = async (source) => {
    const image = new Image();
    image.src = "data:image/png;base64," + source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };
  const [a, b] = [await read(before), await read(now)];
  const width = Math.max(a.width, b.width), height = Math.max(a.height, b.height);
  const out = new ImageData(width, height);
  let differing = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = (y * a.width + x) * 4, j = (y * b.width + x) * 4, o = (y * width + x) * 4;
      const inA = x < a.width && y < a.height, inB = x < b.width && y < b.height;
      const same = inA && inB && [0, 1, 2].every(c => Math.abs(a.data[i + c] - b.data[j + c]) <= step);
      if (!same) differing++;
      for (let c = 0; c < 3; c++) out.data[o + c] = same ? 192 + a.data[i + c] / 4 : c ? 0 : 220;
      out.data[o + 3] = 255;
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(out, 0, 0);
  return {share: differing / (width * height), sizes: [a.width, a.height, b.width, b.height],
    picture: canvas.toDataURL("image/png").split(",")[1]};
}"""


@dataclass(frozen=True)
class Difference:
    """How a picture differs from its reference."""

    # The part of the pixels that differ.
    share: float
    # Width and height of the reference, then of the picture, in pixels.
    sizes: tuple[int, int, int, int]
    # A PNG that shows where.
    picture: bytes

    @property
    def within(self) -> bool:
        """Whether it is small enough to be none."""
        return self.share <= TOLERANCE


def difference(page: Page, before: bytes, now: bytes) -> Difference:
    """Compare two PNGs in a page, whichever it shows.

    Args:
        page: Where; its policy must let data be pictures.
        before: The reference.
        now: What it looks like.
    """
    found = page.evaluate(DIFFER, [base64.b64encode(before).decode(), base64.b64encode(now).decode(), STEP])
    return Difference(found["share"], tuple(found["sizes"]), base64.b64decode(found["picture"]))


def check(page: Page, name: str, now: bytes) -> str:
    """Compare a picture with its reference, or make it the reference when these are renewed.

    Returns:
        What is wrong; nothing when nothing is.
    """
    reference = REFERENCES / f"{name}.png"
    if RENEW:
        # One that is as good as the picture stays: a renewal changes what has changed.
        if not reference.exists() or not difference(page, reference.read_bytes(), now).within:
            reference.parent.mkdir(exist_ok=True)
            reference.write_bytes(now)
        return ""
    found = difference(page, reference.read_bytes(), now)
    if found.within:
        return ""
    FAILED.mkdir(parents=True, exist_ok=True)
    (FAILED / f"{name}.now.png").write_bytes(now)
    (FAILED / f"{name}.difference.png").write_bytes(found.picture)
    size = "{}x{} pixels, was {}x{}".format(*found.sizes[2:], *found.sizes[:2])
    place = FAILED.relative_to(HERE.parent.parent)
    return f"{name}: {found.share:.2%} of the pixels differ ({size}); see {place}/{name}.difference.png"


def fonts(folder: Path) -> dict[str, str]:
    """What the environment of a browser needs so that it writes everything in DejaVu, unhinted.

    Args:
        folder: Where the settings go.

    Returns:
        Nothing when the fonts are not on this machine.
    """
    places = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts"]
    found = next((path for place in places for path in place.rglob("DejaVuSans.ttf")), None)
    if found is None or not (found.parent / "DejaVuSansMono.ttf").exists():
        return {}
    families = {"sans-serif": "Sans", "sans": "Sans", "system-ui": "Sans", "serif": "Sans", "monospace": "Sans Mono"}
    aliases = "".join(
        f'<match><test name="family"><string>{name}</string></test>'
        f'<edit name="family" mode="prepend" binding="strong"><string>DejaVu {face}</string></edit></match>'
        for name, face in families.items()
    )
    (folder / "fonts.conf").write_text(
        f'<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>{found.parent}</dir>'
        f'<cachedir>{folder}</cachedir>{aliases}<match><edit name="family" mode="append">'
        '<string>DejaVu Sans</string></edit></match><match target="font">'
        '<edit name="antialias" mode="assign"><bool>true</bool></edit>'
        '<edit name="hinting" mode="assign"><bool>false</bool></edit>'
        '<edit name="rgba" mode="assign"><const>none</const></edit></match></fontconfig>'
    )
    return {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
