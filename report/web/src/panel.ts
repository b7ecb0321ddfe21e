// The tables of a selection, and the words about one item.

import type { Config, Lane, Scene } from "./data.ts";
import { duration, exactly, percent, plural, quantity } from "./format.ts";
import type { Row } from "./rows.ts";
import { group, ofKind, sum, type Sum } from "./sums.ts";

const rowsShown = 10;

/** Makes an element with text, which is never markup. */
export function element<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
}

/** What a key is called: its label, else the words of its class, with the line it belongs to. */
export function nameOf(scene: Scene, config: Config, key: number, withLine = true): string {
  const k = scene.keys[key];
  const name = k.label || config.classes[k.class].words;
  if (scene.classNames[k.class] === "line") return k.line ? `line ${k.line}  ${k.label}` : name;
  return withLine && k.line ? `${name}, line ${k.line}` : name;
}

/** The tables of [from, to): the main thread, the lines, the kernels and copies, the idle time. */
export function tables(scene: Scene, config: Config, from: number, to: number): HTMLElement[] {
  const out: HTMLElement[] = [];
  const main = ofKind(scene, "thread").slice(0, 1);
  const length = to - from;
  const add = (title: string, lanes: Lane[], noun: string, by: (key: number) => string | number, keep: (key: number) => boolean) => {
    const { list, exact } = sum(lanes, from, to);
    const rows = group(list.filter((s) => keep(s.key)), by);
    if (rows.length) out.push(table(scene, config, title, rows, noun, length, exact));
  };
  const unseen = (key: number) => scene.classNames[scene.keys[key].class] !== "unseen";
  add(main.length ? `Thread ${main[0].name}, by state` : "", main, "stretch", (k) => k, () => true);
  add("Lines", ofKind(scene, "lines"), "time", (k) => k, () => true);
  add("GPU kernels and copies", ofKind(scene, "stream"), "time", (k) => k, unseen);
  add("GPU idle, by cause", ofKind(scene, "idle"), "gap", (k) => k, unseen);
  return out;
}

function table(scene: Scene, config: Config, title: string, rows: Sum[], noun: string, length: number, exact: boolean): HTMLElement {
  const box = element("section");
  const t = element("table");
  t.append(element("caption", "", title));
  const head = element("tr");
  for (const name of ["What", "Time", "Share", "Times"]) {
    const th = element("th", "", name);
    th.scope = "col";
    head.append(th);
  }
  const thead = element("thead");
  thead.append(head);
  const body = element("tbody");
  for (const s of rows.slice(0, rowsShown)) {
    const tr = element("tr");
    const th = element("th");
    th.scope = "row";
    const swatch = element("i");
    swatch.style.background = config.classes[scene.keys[s.key].class].color;
    // A long name is cut by the style, and its line stays.
    const { line } = scene.keys[s.key];
    const name = element("div");
    name.append(swatch, element("span", "", nameOf(scene, config, s.key, false)));
    if (line && scene.classNames[scene.keys[s.key].class] !== "line") name.append(element("b", "", `line ${line}`));
    th.append(name);
    tr.append(th, element("td", "", (exact ? "" : "~") + duration(s.ns)), element("td", "", percent(s.ns / length)), element("td", "", s.count.toLocaleString("en-US")));
    tr.title = `${nameOf(scene, config, s.key)}: ${exactly(s.ns)}, ${plural(s.count, noun)}`;
    body.append(tr);
  }
  t.append(thead, body);
  box.append(t);
  if (rows.length > rowsShown) {
    const rest = rows.slice(rowsShown).reduce((ns, s) => ns + s.ns, 0);
    box.append(element("p", "dim", `and ${rows.length - rowsShown} more with ${duration(rest)}`));
  }
  return box;
}

/** What an item of a row is, in lines of words: the first is its name. */
export function describe(scene: Scene, config: Config, row: Row, item: number): string[] {
  const l = row.lane;
  if (!l) return [];
  const length = l.end[item] - l.start[item];
  const at = `from ${exactly(l.start[item])}${length ? ` to ${exactly(l.end[item])}` : ""}`;
  const parts: number[] = [];
  for (let p = l.first[item]; p < l.first[item + 1]; p++) if (!row.only || row.only[l.key[p]]) parts.push(p);
  if (!parts.length) return [];
  const one = parts[0];
  if (parts.length === 1 && l.count[one] === 1 && l.ns[one] === length) {
    return [nameOf(scene, config, l.key[one]), ...(length ? [exactly(length)] : []), at, ...(l.kind === "stream" ? [l.name] : [])];
  }
  const count = parts.reduce((n, p) => n + l.count[p], 0);
  const ns = parts.reduce((n, p) => n + l.ns[p], 0);
  const lines = [`${plural(count, "interval")} with ${exactly(ns)}, merged`, `${at}: ${percent(length ? ns / length : 1)} of ${duration(length)}`];
  for (const p of parts.slice(0, 6)) lines.push(`${nameOf(scene, config, l.key[p])}: ${exactly(l.ns[p])}, ${l.count[p].toLocaleString("en-US")} ×`);
  return lines;
}

/** What a series is at a time. */
export function reading(row: Row, at: number): string[] {
  const s = row.series;
  if (!s) return [];
  let i = -1;
  while (i + 1 < s.time.length && s.time[i + 1] <= at) i++;
  if (i < 0) return [s.name, "no sample yet"];
  const value = s.low[i] === s.high[i] ? quantity(s.high[i], s.unit) : `${quantity(s.low[i], s.unit)} to ${quantity(s.high[i], s.unit)}`;
  const until = i + 1 < s.time.length ? ` to ${duration(s.time[i + 1])}` : "";
  return [s.name, value, `from ${duration(s.time[i])}${until}`];
}
