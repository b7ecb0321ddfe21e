// The component: a canvas of rows with a ruler, a small map of the whole, tables of what is selected.

import type { Arrow, Config, Scene } from "./data.ts";
import { firstAfter } from "./data.ts";
import { duration, exactly, plural, tick } from "./format.ts";
import { groupHeight, minimapHeight, Painter, rulerHeight, type Box, type LitSpan, type Overlay } from "./paint.ts";
import { describe, element, nameOf, reading, tables } from "./panel.ts";
import { idleThreads, layout, rowsOf, type Row } from "./rows.ts";
import { style } from "./style.ts";
import { themeOf, watchTheme, type Theme } from "./theme.ts";
import { controls } from "./controls.ts";
import { View } from "./view.ts";

/** More arrows than these are drawn only of what is chosen, and never more than some. */
const fewArrows = 16;
const mostArrows = 60;

/** An interactive timeline inside of `host`. It draws when something changed, and never else. */
export class Timeline {
  readonly scene: Scene;
  readonly config: Config;
  readonly view: View;
  readonly rows: Row[];
  readonly canvas = element("canvas", "main");
  readonly map = element("canvas", "map");
  /** Says what is shown. */
  readonly range = element("span", "note");
  readonly box: Box = { left: 170, width: 0, height: 0 };
  readonly over: Overlay = { selection: null, lit: [], bright: null, row: -1, item: -1, arrows: [] };
  readonly host: HTMLElement;
  readonly root: ShadowRoot;
  private readonly painter: Painter;
  private readonly tip = element("div", "tip");
  private readonly panel = element("div", "panel");
  private readonly said = element("div", "said");
  private readonly mapImage = element("canvas");
  private theme: Theme | null = null;
  private due = 0;

  constructor(host: HTMLElement, scene: Scene, config: Config, words: string) {
    this.host = host;
    this.scene = scene;
    this.config = config;
    this.view = new View(scene.window);
    this.rows = rowsOf(scene, config.findings);
    this.box.height = rulerHeight + layout(this.rows, groupHeight) + 4;
    this.painter = new Painter(scene, config.classes);
    // JupyterLab sees keys before we do, and leaves alone what says this.
    host.dataset["lmSuppressShortcuts"] = "true";
    this.root = host.attachShadow({ mode: "open" });
    this.root.append(element("style", "", style), this.frame(words));
    controls(this);
    watchTheme(this);
    new ResizeObserver(() => this.resize()).observe(host);
    this.dress();
    this.resize();
  }

  private frame(words: string): HTMLElement {
    const frame = element("div", "frame");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "timeline");
    this.canvas.setAttribute("aria-label", `${words} Arrow keys move, plus and minus zoom, N and P step through a row, question mark lists all keys.`);
    this.map.setAttribute("aria-hidden", "true");
    this.said.setAttribute("role", "status");
    this.tip.hidden = this.panel.hidden = true;
    this.panel.setAttribute("role", "region");
    this.panel.setAttribute("aria-label", "Selection");
    const bar = element("div", "bar");
    frame.append(bar, this.map, this.canvas, this.tip, this.panel, this.legend(), this.said);
    return frame;
  }

  private legend(): HTMLElement {
    const legend = element("div", "legend");
    const shown = new Set<number>();
    for (const l of this.scene.lanes) {
      if (l.kind !== "lines" && l.kind !== "scopes" && l.kind !== "marks") for (const c of l.classes.slice(0, 8)) shown.add(c);
    }
    const said = new Set<string>(); // a thread's wait and a cause of idle time may be called the same
    for (const c of [...shown].slice(0, 24)) {
      const look = this.config.classes[c];
      if (said.has(look.words)) continue;
      said.add(look.words);
      const swatch = element("i", look.hatch ? "hatch" : "");
      swatch.style.backgroundColor = look.color;
      const item = element("span");
      item.append(swatch, look.words);
      legend.append(item);
    }
    const idle = idleThreads(this.scene, this.config.findings).size;
    if (idle) legend.append(element("span", "", `${plural(idle, "thread")} that only waited ${idle === 1 ? "has" : "have"} no row here.`));
    const merged = Math.max(0, ...this.scene.lanes.map((l) => l.mergedNs));
    if (merged) legend.append(element("span", "", `What is shorter than ${duration(merged, 1)} is merged here, with its sums kept; the trace has all of it.`));
    return legend;
  }

  /** Takes the colours that the page around it has now. */
  dress(): void {
    const theme = themeOf(this.host);
    const ctx = this.canvas.getContext("2d");
    if (!ctx || theme === this.theme) return;
    this.theme = theme;
    const { text, dim, back, band, grid, accent } = theme;
    const edge = theme.dark ? "#7d8590" : "#868e96";
    for (const [name, value] of Object.entries({ text, dim, back, band, grid, accent, edge })) this.host.style.setProperty(`--${name}`, value);
    this.host.style.colorScheme = theme.dark ? "dark" : "light";
    this.painter.dress(ctx, theme);
    this.drawMap();
    this.draw();
  }

  private resize(): void {
    const width = this.host.clientWidth - 2;
    if (width <= 0) return; // hidden: it will be told when it is shown
    this.box.left = Math.min(190, Math.max(90, Math.round(width * 0.2)));
    this.box.width = width - this.box.left - 8;
    const ratio = Math.min(2, devicePixelRatio || 1);
    for (const [canvas, height] of [[this.canvas, this.box.height], [this.map, minimapHeight], [this.mapImage, minimapHeight]] as const) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
      canvas.getContext("2d")?.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.drawMap();
    this.draw();
  }

  /** Draws with the next frame. */
  draw(): void {
    this.due ||= requestAnimationFrame(() => this.now());
  }

  /** Draws at once. */
  now(): void {
    cancelAnimationFrame(this.due);
    this.due = 0;
    const ctx = this.canvas.getContext("2d");
    const small = this.map.getContext("2d");
    if (!ctx || !small || !this.theme || this.box.width <= 0) return;
    this.over.arrows = this.arrows();
    this.painter.frame(ctx, this.box, this.view, this.rows, this.over);
    const { from, to, length, total } = this.view;
    const words = length < total ? `${tick(from, length / 100)} to ${tick(to, length / 100)}` : "Drag to select · Ctrl + scroll to zoom";
    if (words !== this.range.textContent) this.range.textContent = words;
    small.clearRect(0, 0, this.box.left + this.box.width + 8, minimapHeight);
    small.drawImage(this.mapImage, 0, 0, this.box.left + this.box.width + 8, minimapHeight);
    const x0 = this.box.left + (this.view.from / this.view.total) * this.box.width;
    const x1 = this.box.left + (this.view.to / this.view.total) * this.box.width;
    small.globalAlpha = 0.65;
    small.fillStyle = this.theme.back;
    small.fillRect(this.box.left, 0, x0 - this.box.left, minimapHeight);
    small.fillRect(x1, 0, this.box.left + this.box.width - x1, minimapHeight);
    small.globalAlpha = 1;
    small.strokeStyle = this.theme.accent;
    small.lineWidth = 2;
    small.strokeRect(x0 + 1, 1, Math.max(2, x1 - x0 - 2), minimapHeight - 2);
  }

  private drawMap(): void {
    const ctx = this.mapImage.getContext("2d");
    if (!ctx || !this.theme || this.box.width <= 0) return;
    ctx.fillStyle = this.theme.back;
    ctx.fillRect(0, 0, this.box.left + this.box.width + 8, minimapHeight);
    ctx.save();
    ctx.translate(this.box.left, 0);
    const device = this.scene.lanes.filter((l) => l.kind === "idle" || l.kind === "stream").slice(0, 3);
    const lanes = device.length ? device : this.scene.lanes.filter((l) => l.kind === "thread").slice(0, 1);
    this.painter.minimap(ctx, { left: 0, width: this.box.width, height: minimapHeight }, new View(this.view.total), lanes.length ? lanes : this.scene.lanes.slice(0, 1));
    ctx.restore();
    ctx.font = "11px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.fillStyle = this.theme.dim;
    ctx.fillText(`all of ${duration(this.view.total)}`, 8, minimapHeight / 2);
  }

  /** The arrows of the chosen item, or all of those that are shown, when these are few. */
  private arrows(): Arrow[] {
    const { from, to } = this.view;
    const seen = this.scene.arrows.filter((a) => a.to >= from && a.from <= to);
    const row = this.rows[this.over.row];
    if (row?.lane && this.over.item >= 0) {
      const start = row.lane.start[this.over.item];
      const end = row.lane.end[this.over.item];
      const own = seen.filter((a) => (a.toLane === row.index && a.to >= start && a.to < end) || (a.fromLane === row.index && a.from >= start && a.from < end));
      if (own.length) return own.slice(0, mostArrows);
    }
    return seen.length <= fewArrows ? seen : [];
  }

  /** The time below a place on the canvas. */
  timeAt(x: number): number {
    return this.view.from + ((x - this.box.left) / this.box.width) * this.view.length;
  }

  /** The row below a place, -1 for none. */
  rowAt(y: number): number {
    return this.rows.findIndex((r) => y >= rulerHeight + r.top && y < rulerHeight + r.top + r.height);
  }

  /** The item of a row at a time, or the nearest within `slack` ns, -1 for none. */
  itemAt(row: Row, at: number, slack: number): number {
    const l = row.lane;
    if (!l) return -1;
    let best = -1;
    let away = slack;
    for (let i = firstAfter(l, at - slack); i < l.start.length && l.start[i] <= at + slack; i++) {
      if (row.only && !this.shows(row, i)) continue;
      const distance = at < l.start[i] ? l.start[i] - at : Math.max(0, at - l.end[i]);
      if (distance < away || (distance === away && best < 0)) {
        best = i;
        away = distance;
      }
      if (distance === 0) return i;
    }
    return best;
  }

  /** Whether a row shows some of an item. */
  shows(row: Row, item: number): boolean {
    const l = row.lane;
    if (!l || !row.only) return true;
    for (let p = l.first[item]; p < l.first[item + 1]; p++) if (row.only[l.key[p]]) return true;
    return false;
  }

  /** Shows words beside a place on the canvas, or none. */
  hint(x: number, y: number): void {
    const row = this.rows[this.rowAt(y)];
    const at = this.timeAt(x);
    const slack = (3 / this.box.width) * this.view.length;
    const item = row && x >= this.box.left ? this.itemAt(row, at, slack) : -1;
    const words = !row ? [] : x < this.box.left ? [row.label] : row.series ? reading(row, at) : item >= 0 ? describe(this.scene, this.config, row, item) : [];
    this.tip.hidden = !words.length;
    if (!words.length) return;
    this.tip.replaceChildren(...words.map((w, i) => element(i ? "div" : "b", "", w)));
    const top = this.canvas.offsetTop;
    const wide = this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(2, Math.min(x + 12, this.box.left + this.box.width - wide))}px`;
    const below = top + y + 16;
    const room = top + this.box.height - this.tip.offsetHeight - 2;
    this.tip.style.top = `${below <= room ? below : Math.max(2, top + y - this.tip.offsetHeight - 10)}px`;
  }

  unhint(): void {
    this.tip.hidden = true;
  }

  /** Chooses an item of a row: it is outlined, and said to those who do not see it. */
  choose(row: number, item: number): void {
    this.over.row = row;
    this.over.item = item;
    const r = this.rows[row];
    if (!r) return;
    this.say(item < 0 ? r.label : describe(this.scene, this.config, r, item).join(", "));
    if (r.lane && item >= 0) this.reveal(r.lane.start[item], r.lane.end[item]);
    this.draw();
  }

  /** Moves what is shown so that a stretch is in it. */
  reveal(from: number, to: number): void {
    if (to > this.view.from && from < this.view.to) return;
    const half = Math.max(this.view.length, (to - from) * 1.5) / 2;
    const middle = (from + to) / 2;
    this.view.show(middle - half, middle + half);
  }

  /** Selects a stretch, and shows what it holds; null for none. */
  select(selection: [number, number] | null): void {
    this.over.selection = selection;
    this.panel.hidden = !selection;
    if (selection) {
      const [from, to] = selection;
      const head = element("h6", "", `Selected: ${duration(to - from)}, from ${exactly(Math.round(from))} to ${exactly(Math.round(to))}`);
      const clear = element("button", "", "Clear");
      clear.onclick = () => this.select(null);
      const zoom = element("button", "", "Zoom to it");
      zoom.onclick = () => {
        this.view.show(from, to);
        this.draw();
      };
      const list = element("div", "tables");
      list.append(...tables(this.scene, this.config, from, to));
      this.panel.replaceChildren(head, zoom, clear, list);
      this.say(`${duration(to - from)} selected; the tables below the timeline are of it`);
    }
    this.draw();
  }

  /** Lights up stretches and keys; nothing when both are empty. */
  light(spans: LitSpan[], bright: Uint8Array | null, words: string): void {
    this.over.lit = spans;
    this.over.bright = bright;
    if (words) this.say(words);
    this.draw();
  }

  /** Searches the names of keys and rows; returns how many match. */
  search(text: string): number {
    const wanted = text.trim().toLowerCase();
    if (!wanted) {
      this.light([], null, "");
      return 0;
    }
    const bright = new Uint8Array(this.scene.keys.length);
    let n = 0;
    this.scene.keys.forEach((_, key) => {
      if (nameOf(this.scene, this.config, key).toLowerCase().includes(wanted)) {
        bright[key] = 1;
        n++;
      }
    });
    const row = this.rows.findIndex((r) => r.label.toLowerCase().includes(wanted));
    if (row >= 0) this.over.row = row;
    this.light([], n ? bright : null, `${plural(n, "name")} found${row >= 0 ? `, and the row ${this.rows[row].label}` : ""}`);
    return n + (row >= 0 ? 1 : 0);
  }

  /** Goes to the next item that is bright, of any row, after what is chosen. */
  nextBright(step: 1 | -1): void {
    const { bright } = this.over;
    if (!bright) return;
    const places: [number, number, number][] = [];
    this.rows.forEach((r, row) => {
      const l = r.lane;
      if (!l) return;
      for (let i = 0; i < l.start.length; i++) {
        for (let p = l.first[i]; p < l.first[i + 1]; p++) {
          if (bright[l.key[p]] && (!r.only || r.only[l.key[p]])) {
            places.push([l.start[i], row, i]);
            break;
          }
        }
      }
    });
    places.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (!places.length) return;
    const at = places.findIndex(([, row, item]) => row === this.over.row && item === this.over.item);
    const next = places[(at + step + places.length + (at < 0 && step < 0 ? 1 : 0)) % places.length];
    this.choose(next[1], next[2]);
  }

  /** Says something to those who do not see the picture. */
  say(words: string): void {
    this.said.textContent = words;
  }
}
