// Draws the rows of one stretch of time on a canvas.

import { firstAfter, type Arrow, type ClassLook, type Lane, type Scene, type Series } from "./data.ts";
import { fit, quantity, tick } from "./format.ts";
import type { Row } from "./rows.ts";
import { needsWhite, type Theme } from "./theme.ts";
import { stepOf, type View } from "./view.ts";

/** Heights of what is above the rows, and the width of the names, in CSS pixels. */
export const rulerHeight = 22;
export const groupHeight = 18;
export const minimapHeight = 36;

const font = "11px system-ui, sans-serif";
const letter = 6.1; // the width of a letter in it, about

/** A stretch that is evidence, and which rows it is about. */
export interface LitSpan {
  from: number;
  to: number;
  on: (row: Row) => boolean;
}

/** How a class is filled: what is too narrow for a pattern to be seen has the colour that the pattern is in the mean. */
interface Fill {
  wide: string | CanvasPattern;
  narrow: string;
}

/** From how many pixels on a pattern is seen as one. */
const patternFrom = 6;

/** What lies over the rows. */
export interface Overlay {
  selection: [number, number] | null;
  /** Stretches that are lit up, sorted and apart. */
  lit: LitSpan[];
  /**
   * Keys that stay bright while something is lit up or searched for; null for all. So does, of a key that
   * belongs to no line, what lies in a stretch that is lit up.
   */
  bright: Uint8Array | null;
  /** The row with the keyboard's focus, and the item of it that is chosen, -1 for none. */
  row: number;
  item: number;
  arrows: Arrow[];
}

/** The size of the canvas in CSS pixels: names take `left`, the rest is time. */
export interface Box {
  left: number;
  width: number;
  height: number;
}

/** Draws scenes. It keeps what does not change from one frame to the next: patterns and bins. */
export class Painter {
  private readonly scene: Scene;
  private readonly looks: ClassLook[];
  private fills: Fill[] = [];
  private pale: Fill[] = [];
  private theme: Theme | null = null;
  private bins = new Float32Array(0);
  private rects: number[][] = [];

  constructor(scene: Scene, looks: ClassLook[]) {
    this.scene = scene;
    this.looks = looks;
  }

  /** Prepares the colours of a theme. */
  dress(ctx: CanvasRenderingContext2D, theme: Theme): void {
    this.theme = theme;
    const fill = (color: string, hatch?: boolean): Fill =>
      hatch ? { wide: hatched(ctx, color, theme.back), narrow: mixed(color, theme.back) } : { wide: color, narrow: color };
    const dull = theme.dark ? "#3a4048" : "#d5dae0";
    this.fills = this.looks.map((l) => fill(l.color, l.hatch));
    this.pale = this.looks.map((l) => fill(dull, l.hatch));
    this.rects = this.looks.map(() => []);
  }

  frame(ctx: CanvasRenderingContext2D, box: Box, view: View, rows: Row[], over: Overlay): void {
    const t = this.theme;
    if (!t) return;
    ctx.fillStyle = t.back;
    ctx.fillRect(0, 0, box.left + box.width, box.height);
    ctx.font = font;
    ctx.textBaseline = "middle";
    this.ruler(ctx, box, view, t);
    rows.forEach((row, i) => {
      const y = rulerHeight + row.top;
      if (i % 2) {
        ctx.fillStyle = t.band;
        ctx.fillRect(box.left, y, box.width, row.height);
      }
    });
    this.lines(ctx, box, view, t);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, rulerHeight, box.width, box.height);
    ctx.clip();
    for (const row of rows) {
      const y = rulerHeight + row.top + 2;
      if (row.lane) this.lane(ctx, row.lane, row.only, view, box.left, box.width, y, row.height - 3, over);
      else if (row.series) this.series(ctx, row.series, view, box.left, box.width, y, row.height - 4, t);
    }
    this.overlay(ctx, box, view, rows, over, t);
    ctx.restore();
    this.names(ctx, box, rows, over, t);
  }

  private ruler(ctx: CanvasRenderingContext2D, box: Box, view: View, t: Theme): void {
    const step = stepOf(view.length, box.width / 90);
    ctx.fillStyle = t.dim;
    ctx.textAlign = "center";
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      const x = box.left + ((at - view.from) / view.length) * box.width;
      if (x > box.left + box.width - 16) break;
      ctx.fillText(tick(at, step), Math.max(x, box.left + 14), rulerHeight / 2);
    }
  }

  private lines(ctx: CanvasRenderingContext2D, box: Box, view: View, t: Theme): void {
    const step = stepOf(view.length, box.width / 90);
    ctx.fillStyle = t.grid;
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      ctx.fillRect(Math.round(box.left + ((at - view.from) / view.length) * box.width), rulerHeight - 3, 1, box.height);
    }
  }

  /**
   * One lane. What is at least a pixel wide is a bar, as high as the class is, or, of merged items, a
   * stack of bars as high as their shares; what is narrower is added up by pixel and stacked likewise.
   */
  lane(ctx: CanvasRenderingContext2D, l: Lane, only: Uint8Array | null, view: View, left: number, width: number, y: number, height: number, over: Overlay | null): void {
    const { keys } = this.scene;
    const bright = over?.bright;
    const scale = width / view.length;
    const n = l.classes.length;
    const place = new Int16Array(this.looks.length);
    l.classes.forEach((c, i) => (place[c] = i));
    const pixels = Math.ceil(width);
    // Twice as many bins as classes: those of what is not bright follow the others.
    const size = pixels * n * 2;
    if (this.bins.length < size) this.bins = new Float32Array(size);
    const bins = this.bins.fill(0, 0, size);
    let low = pixels;
    let high = -1;
    const bars: number[] = [];
    const labels: Label[] = [];
    for (let i = firstAfter(l, view.from); i < l.start.length && l.start[i] < view.to; i++) {
      const x0 = Math.max(0, (l.start[i] - view.from) * scale);
      const x1 = Math.min(width, (l.end[i] - view.from) * scale);
      const wide = x1 - x0 >= 1;
      const length = Math.max(1, l.end[i] - l.start[i]);
      let base = 0;
      for (let p = l.first[i]; p < l.first[i + 1]; p++) {
        const key = l.key[p];
        if (only && !only[key]) continue;
        const of = keys[key].class;
        const dull = bright && !bright[key] && (keys[key].line || !touches(over.lit, l.start[i], l.end[i])) ? 1 : 0;
        if (wide) {
          const share = Math.min(1, l.ns[p] / length);
          bars.push(of, dull, x0, x1, base, share);
          if (base === 0 && x1 - x0 > 34) labels.push([x0, x1, key, dull]);
          base += share;
        } else {
          const px = Math.min(pixels - 1, Math.floor(x0));
          bins[(px * 2 + dull) * n + place[of]] += l.ns[p] > 0 ? Math.min(x1 - x0, l.ns[p] * scale) : 1;
          low = Math.min(low, px);
          high = Math.max(high, px);
        }
      }
    }
    this.stack(ctx, bins, low, high, n, l.classes, left, y, height);
    this.bars(ctx, bars, left, y, height);
    if (over) this.words(ctx, labels, left, y, height);
  }

  private stack(ctx: CanvasRenderingContext2D, bins: Float32Array, low: number, high: number, n: number, classes: number[], left: number, y: number, height: number): void {
    for (let dull = 0; dull < 2; dull++) {
      for (let px = low; px <= high; px++) {
        const row = (px * 2 + dull) * n;
        let base = 0;
        for (let c = 0; c < n && base < height; c++) {
          const v = bins[row + c];
          if (!v) continue;
          const h = Math.max(1, Math.min(height - base, Math.round(Math.min(1, v) * height * this.looks[classes[c]].height)));
          this.strip(this.rects[classes[c]], left + px, y + height - base - h, h);
          base += h;
        }
      }
      this.flush(ctx, dull ? this.pale : this.fills);
    }
  }

  /** One pixel's part of a class; together with the one before it where both look the same, for each rectangle costs. */
  private strip(list: number[], x: number, y: number, h: number): void {
    const last = list.length - 4;
    if (last >= 0 && list[last] + list[last + 2] === x && list[last + 1] === y && list[last + 3] === h) list[last + 2]++;
    else list.push(x, y, 1, h);
  }

  private bars(ctx: CanvasRenderingContext2D, bars: number[], left: number, y: number, height: number): void {
    for (let dull = 0; dull < 2; dull++) {
      for (let i = 0; i < bars.length; i += 6) {
        if (bars[i + 1] !== dull) continue;
        const h = Math.max(1.5, height * bars[i + 5] * this.looks[bars[i]].height);
        const bottom = height * (1 - bars[i + 4]);
        const gap = bars[i + 3] - bars[i + 2] > 4 ? 0.5 : 0;
        this.rects[bars[i]].push(left + bars[i + 2], y + Math.max(0, bottom - h), bars[i + 3] - bars[i + 2] - gap, h);
      }
      this.flush(ctx, dull ? this.pale : this.fills);
    }
  }

  /** Fills what was collected, a class at a time: changing the colour costs, and so does a pattern. */
  private flush(ctx: CanvasRenderingContext2D, fills: Fill[]): void {
    this.rects.forEach((list, c) => {
      const { wide, narrow } = fills[c];
      let left = 0;
      ctx.fillStyle = narrow;
      for (let i = 0; i < list.length; i += 4) {
        if (list[i + 2] >= patternFrom) left++;
        else ctx.fillRect(list[i], list[i + 1], list[i + 2], list[i + 3]);
      }
      ctx.fillStyle = wide;
      for (let i = 0; left > 0; i += 4) {
        if (list[i + 2] < patternFrom) continue;
        ctx.fillRect(list[i], list[i + 1], list[i + 2], list[i + 3]);
        left--;
      }
      list.length = 0;
    });
  }

  private words(ctx: CanvasRenderingContext2D, labels: Label[], left: number, y: number, height: number): void {
    if (!this.theme) return;
    ctx.textAlign = "left";
    for (const [x0, x1, key, dull] of labels) {
      const k = this.scene.keys[key];
      const look = this.looks[k.class];
      if (look.height < 0.7) continue; // a low bar has no room for words
      const middle = y + height * (1 - look.height / 2);
      const text = fit(k.label || look.words, Math.floor((x1 - x0 - 8) / letter));
      if (text.length < 3) continue;
      ctx.fillStyle = dull ? this.theme.dim : needsWhite(look.color) ? "#ffffff" : "#10151a";
      if (look.hatch) {
        ctx.fillStyle = this.theme.back;
        ctx.fillRect(left + x0 + 2, middle - 6, text.length * letter + 4, 12);
        ctx.fillStyle = dull ? this.theme.dim : this.theme.text;
      }
      ctx.fillText(text, left + x0 + 4, middle + 0.5);
    }
  }

  private series(ctx: CanvasRenderingContext2D, s: Series, view: View, left: number, width: number, y: number, height: number, t: Theme): void {
    const { most } = s;
    if (!s.time.length) return;
    const up = (v: number) => y + height - (most > 0 ? Math.max(0, v) / most : 0) * (height - 2);
    const across = (at: number) => left + ((at - view.from) / view.length) * width;
    ctx.beginPath();
    s.time.forEach((at, i) => {
      const x = across(at);
      if (i) ctx.lineTo(x, up(s.high[i - 1]));
      ctx.lineTo(x, up(s.high[i]));
    });
    const end = across(s.time[s.time.length - 1]);
    ctx.lineTo(end, y + height);
    ctx.lineTo(across(s.time[0]), y + height);
    ctx.closePath();
    ctx.fillStyle = t.veil;
    ctx.fill();
    ctx.strokeStyle = t.accent;
    ctx.lineWidth = 1;
    ctx.stroke();
  }

  private overlay(ctx: CanvasRenderingContext2D, box: Box, view: View, rows: Row[], over: Overlay, t: Theme): void {
    const across = (at: number) => box.left + ((at - view.from) / view.length) * box.width;
    const veil = (from: number, to: number, edge: string) => {
      const x0 = across(from);
      const x1 = Math.max(across(to), x0 + 1);
      if (x1 < box.left || x0 > box.left + box.width) return;
      ctx.fillStyle = t.veil;
      ctx.fillRect(x0, rulerHeight, x1 - x0, box.height);
      ctx.fillStyle = edge;
      ctx.fillRect(x0, rulerHeight, 1, box.height);
      ctx.fillRect(x1 - 1, rulerHeight, 1, box.height);
    };
    for (const span of over.lit) this.lit(ctx, span, across, rows, t);
    if (over.selection) veil(over.selection[0], over.selection[1], t.accent);
    const y = (index: number) => {
      const row = rows.find((r) => r.index === index);
      return row ? rulerHeight + row.top + row.height / 2 : -1;
    };
    ctx.strokeStyle = t.text;
    ctx.fillStyle = t.text;
    ctx.lineWidth = 1;
    for (const a of over.arrows) arrow(ctx, across(a.from), y(a.fromLane), across(a.to), y(a.toLane));
    const row = rows[over.row];
    if (row?.lane && over.item >= 0) {
      const x0 = across(row.lane.start[over.item]);
      const x1 = across(row.lane.end[over.item]);
      ctx.strokeStyle = t.text;
      ctx.lineWidth = 2;
      ctx.strokeRect(x0 - 1, rulerHeight + row.top + 1, Math.max(3, x1 - x0 + 2), row.height - 2);
    }
  }

  /** A stretch that is evidence: a faint mark over all rows, a frame in those that it is about. */
  private lit(ctx: CanvasRenderingContext2D, span: LitSpan, across: (at: number) => number, rows: Row[], t: Theme): void {
    const x0 = across(span.from);
    const x1 = Math.max(across(span.to), x0 + 1);
    const last = rows[rows.length - 1];
    ctx.fillStyle = t.glow;
    ctx.fillRect(x0, rulerHeight, x1 - x0, last.top + last.height);
    ctx.strokeStyle = t.mark;
    ctx.lineWidth = 1.5;
    for (const row of rows) {
      if (span.on(row)) ctx.strokeRect(x0 - 1, rulerHeight + row.top + 1, Math.max(3, x1 - x0 + 2), row.height - 1);
    }
  }

  private names(ctx: CanvasRenderingContext2D, box: Box, rows: Row[], over: Overlay, t: Theme): void {
    ctx.fillStyle = t.back;
    ctx.fillRect(0, rulerHeight, box.left, box.height);
    ctx.textAlign = "left";
    const letters = Math.floor((box.left - 14) / letter);
    rows.forEach((row, i) => {
      const y = rulerHeight + row.top;
      if (row.group) {
        ctx.font = `600 ${font}`;
        ctx.fillStyle = t.dim;
        ctx.fillText(row.group, 6, y - groupHeight / 2 + 1);
        ctx.font = font;
      }
      if (i === over.row) {
        ctx.fillStyle = t.veil;
        ctx.fillRect(0, y, box.left, row.height);
        ctx.fillStyle = t.accent;
        ctx.fillRect(0, y, 3, row.height);
      }
      ctx.fillStyle = row.spoken ? t.mark : t.text;
      if (row.spoken) ctx.font = `600 ${font}`;
      ctx.fillText(fit(row.label, row.spoken ? letters - 2 : letters), 8, y + row.height / 2 + (row.series ? -6 : 0.5));
      ctx.font = font;
      if (row.series) {
        ctx.fillStyle = t.dim;
        ctx.fillText(fit(`0 to ${quantity(row.series.most, row.series.unit)}`, letters), 8, y + row.height / 2 + 8);
      }
    });
  }

  /** The whole scene in small: what the device did and why it was idle, else what the first thread did. */
  minimap(ctx: CanvasRenderingContext2D, box: Box, whole: View, lanes: Lane[]): void {
    const t = this.theme;
    if (!t) return;
    ctx.fillStyle = t.band;
    ctx.fillRect(0, 0, box.width, box.height);
    const each = (box.height - 4) / lanes.length;
    lanes.forEach((l, i) => this.lane(ctx, l, null, whole, 0, box.width, 2 + i * each, each - 1, null));
  }
}

/** The words in a bar: where it is, its key, and 1 when it is not bright. */
type Label = [x0: number, x1: number, key: number, dull: number];

/** Whether [from, to) has a part in one of some sorted stretches. */
function touches(spans: LitSpan[], from: number, to: number): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle].to > from) high = middle;
    else low = middle + 1;
  }
  return low < spans.length && spans[low].from < Math.max(to, from + 1);
}

/** Two thirds of a colour with a third of another, both as #rrggbb. */
function mixed(color: string, back: string): string {
  const [a, b] = [color, back].map((c) => parseInt(c.slice(1), 16));
  const part = (shift: number) => Math.round((((a >> shift) & 255) * 2 + ((b >> shift) & 255)) / 3);
  return `rgb(${part(16)},${part(8)},${part(0)})`;
}

/** Lines of a colour on the background: waiting is told from working without regard to colour. */
function hatched(ctx: CanvasRenderingContext2D, color: string, back: string): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const c = tile.getContext("2d");
  if (!c) return color;
  c.fillStyle = back;
  c.fillRect(0, 0, 6, 6);
  c.globalAlpha = 0.45;
  c.fillStyle = color;
  c.fillRect(0, 0, 6, 6);
  c.globalAlpha = 1;
  c.strokeStyle = color;
  c.lineWidth = 2;
  for (const d of [-6, 0, 6]) {
    c.beginPath();
    c.moveTo(d - 1, 7);
    c.lineTo(d + 7, -1);
    c.stroke();
  }
  return ctx.createPattern(tile, "repeat") ?? color;
}

function arrow(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  if (y0 < 0 || y1 < 0) return;
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  const bend = Math.max(12, Math.abs(x1 - x0) / 2);
  ctx.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x1 - 6, y1 - 3);
  ctx.lineTo(x1 - 6, y1 + 3);
  ctx.fill();
}
