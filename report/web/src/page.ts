// The report around the timeline: its findings and its lines light up their evidence.

import { firstAfter, type Span } from "./data.ts";
import type { LitSpan } from "./paint.ts";
import type { Row } from "./rows.ts";
import type { Timeline } from "./timeline.ts";
import { duration, plural } from "./format.ts";
import { element } from "./panel.ts";

/** A line that ran more often is lit up by its row alone. */
const mostRuns = 300;

/** What a thing of the page that is clicked leads to. */
interface Source {
  /** The element that takes the button. */
  at: HTMLElement;
  what: string;
  line: number;
  spans: Span[];
}

/**
 * Puts a button on each finding and each line of `report` of which there is something to see. The base has no
 * attributes for this, for the hosts that clean it drop them: findings are the first ordered list, lines are
 * the rows of the table after its heading.
 */
export function link(t: Timeline, report: Element): void {
  let lit: HTMLButtonElement | null = null;
  const off = () => {
    lit?.setAttribute("aria-pressed", "false");
    if (lit) lit.style.fontWeight = "";
    lit = null;
  };
  for (const source of [...findings(t, report), ...lines(t, report)]) {
    const place = placeOf(t, source);
    if (!place) continue;
    const button = element("button", "", source.line > 0 && !source.spans.length ? "▸" : "▸ show");
    button.setAttribute("aria-label", `Show ${source.what} on the timeline`);
    button.setAttribute("aria-pressed", "false");
    button.title = button.getAttribute("aria-label") ?? "";
    button.style.cssText = "font:inherit;font-size:12px;color:inherit;background:none;border:1px solid #8886;border-radius:4px;padding:0 6px;margin:0 0 0 6px;cursor:pointer;min-height:24px;min-width:24px";
    button.onclick = () => {
      const again = lit === button;
      off();
      if (again) return t.light([], null, "Evidence cleared");
      lit = button;
      button.setAttribute("aria-pressed", "true");
      button.style.fontWeight = "600";
      show(t, source.what, place);
    };
    source.at.append(button);
  }
  t.host.addEventListener("cleared", off);
}

/** Where that is on the timeline. */
interface Place {
  spans: LitSpan[];
  bright: Uint8Array;
  row: number;
}

/** Where on the timeline a source is: its spans, and whatever belongs to its line. */
function placeOf(t: Timeline, source: Source): Place | null {
  const bright = new Uint8Array(t.scene.keys.length);
  let any = source.spans.length > 0;
  t.scene.keys.forEach((k, i) => {
    if (source.line > 0 && k.line === source.line) {
      bright[i] = 1;
      any = true;
    }
  });
  if (!any) return null;
  const spans = source.spans.length ? joined(source.spans.map((s) => ({ from: s.start, to: s.end, on: rowsOfSpan(s) }))) : runs(t, bright);
  return { spans, bright, row: t.rows.findIndex((r) => r.line > 0 && r.line === source.line) };
}

/** When a line was executing, as far as that is not too often to be seen. */
function runs(t: Timeline, bright: Uint8Array): LitSpan[] {
  const out: LitSpan[] = [];
  for (const l of t.scene.lanes) {
    if (l.kind !== "lines") continue;
    for (let i = 0; i < l.start.length; i++) {
      if (bright[l.key[l.first[i]]]) out.push({ from: l.start[i], to: l.end[i], on: () => false });
    }
  }
  const list = joined(out);
  return list.length <= mostRuns ? list : [];
}

/** Stretches in order, those that touch as one. */
function joined(spans: LitSpan[]): LitSpan[] {
  const out: LitSpan[] = [];
  for (const s of [...spans].sort((a, b) => a.from - b.from)) {
    const last = out[out.length - 1];
    if (!last || s.from > last.to) {
      out.push({ ...s });
      continue;
    }
    const { on } = last;
    last.to = Math.max(last.to, s.to);
    last.on = (row) => on(row) || s.on(row);
  }
  return out;
}

/** Whether a row is what a span is about. */
function rowsOfSpan(s: Span): (row: Row) => boolean {
  const kinds: Record<string, string> = { gap: "idle", call: "calls", kernel: "stream", copy: "stream", thread: "thread" };
  const hosted = s.kind === "call" || s.kind === "thread";
  return ({ lane }) => {
    if (!lane || lane.kind !== kinds[s.kind] || (hosted ? lane.thread !== s.thread : lane.device !== s.device)) return false;
    if (s.kind !== "kernel" && s.kind !== "copy") return true;
    const i = firstAfter(lane, s.start); // which of the device's streams it was in
    return i < lane.start.length && lane.start[i] <= s.start;
  };
}

function show(t: Timeline, what: string, place: Place): void {
  const { spans, bright, row } = place;
  if (row >= 0) t.over.row = row;
  t.over.item = -1;
  if (spans.length) {
    const from = Math.min(...spans.map((s) => s.from));
    const to = Math.max(...spans.map((s) => s.to));
    const margin = (to - from) * 0.08;
    t.view.show(from - margin, to + margin);
  } else t.view.fit();
  const some = bright.some((b) => b > 0);
  const ns = spans.reduce((n, s) => n + s.to - s.from, 0);
  t.light(spans, some ? bright : null, `${what} is lit up${spans.length ? ` in ${plural(spans.length, "place")} of ${duration(ns)}` : ""}`);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  t.host.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
}

function findings(t: Timeline, report: Element): Source[] {
  const out: Source[] = [];
  report.querySelectorAll<HTMLElement>(":scope > ol > li").forEach((li, i) => {
    const f = t.config.findings[i];
    const title = li.querySelector("strong");
    if (!f || !title) return;
    out.push({ at: wrap(title), what: `the evidence of “${title.textContent ?? ""}”`, line: f.line, spans: f.spans });
  });
  return out;
}

/** A place for a button right after an element. */
function wrap(after: Element): HTMLElement {
  const span = element("span");
  after.after(span);
  return span;
}

function lines(t: Timeline, report: Element): Source[] {
  const out: Source[] = [];
  const heading = [...report.querySelectorAll(":scope > h5")].find((h) => h.textContent?.endsWith("line by line"));
  const table = heading?.nextElementSibling;
  const most = new Set(t.rows.map((r) => r.line).filter((n) => n > 0));
  table?.querySelectorAll<HTMLTableRowElement>(":scope > tbody > tr").forEach((tr) => {
    const n = Number(tr.cells[0]?.textContent);
    const cell = tr.cells[3];
    if (!(n > 0) || !cell || !most.has(n)) return;
    out.push({ at: cell, what: `line ${n}`, line: n, spans: [] });
  });
  return out;
}
