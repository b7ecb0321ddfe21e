// The rows of the picture: which lanes, in which order, with which names.

import type { Evidence, Key, Lane, Scene, Series } from "./data.ts";
import { sum } from "./sums.ts";

/** One row as it is drawn. */
export interface Row {
  /** The lane, or the series, that it shows. */
  lane: Lane | null;
  series: Series | null;
  /** The row of Scene.lanes, -1 for a series. */
  index: number;
  /** Of a row that shows some keys only: 1 for each that it shows. */
  only: Uint8Array | null;
  label: string;
  /** A heading that stands above, empty for most. */
  group: string;
  /** The line of the cell that the row is for, 0 for none. */
  line: number;
  /** The first finding is about this row. */
  spoken: boolean;
  height: number;
  /** From the top of the rows, set by `layout`. */
  top: number;
}

const linesShown = 6;
const order = ["lines", "scopes", "marks", "idle", "stream", "calls", "ranges", "thread", "gc"];
const groups: Record<string, string> = { idle: "GPU", stream: "GPU", calls: "CPU", ranges: "CPU", thread: "CPU", gc: "CPU" };

/** What a thread does that waits for somebody to ask something of it. */
const idleClasses = new Set(["poll", "sleep"]);

/**
 * The threads that did nothing in the window, but for a thousandth of it: a kernel has a dozen of them. Never the
 * first thread, nor one that a finding speaks of.
 */
export function idleThreads(scene: Scene, findings: Evidence[]): Set<Lane> {
  const spoken = new Set(findings.flatMap((f) => f.spans.filter((s) => s.kind === "thread").map((s) => s.thread)));
  const others = scene.lanes.filter((l) => l.kind === "thread").slice(1);
  return new Set(
    others.filter((l) => {
      const busy = sum([l], 0, scene.window).list.filter((s) => !idleClasses.has(scene.classNames[scene.keys[s.key].class]));
      return !spoken.has(l.thread) && busy.reduce((n, s) => n + s.ns, 0) * 1000 < scene.window;
    }),
  );
}

/** The rows of a scene, but for those of idle threads. Lines that a finding speaks of have a row of their own, then those that took longest. */
export function rowsOf(scene: Scene, findings: Evidence[]): Row[] {
  const rows: Row[] = [];
  const indexed = scene.lanes.map((lane, index) => ({ lane, index }));
  indexed.sort((a, b) => order.indexOf(a.lane.kind) - order.indexOf(b.lane.kind) || a.index - b.index);
  const idle = idleThreads(scene, findings);
  for (const { lane, index } of indexed) {
    if (idle.has(lane)) continue;
    if (lane.kind === "lines") rows.push(...lineRows(scene, lane, index, findings));
    else rows.push(row(lane, index, lane.name, lane.kind === "stream" || lane.kind === "idle" ? 28 : 22));
  }
  for (const series of scene.series) {
    rows.push({ ...row(null, -1, series.name, 34), series });
  }
  let group = "";
  for (const r of rows) {
    const own = r.series ? "Counters" : r.lane?.kind === "lines" || r.lane?.kind === "scopes" || r.lane?.kind === "marks" ? "Code" : (groups[r.lane?.kind ?? ""] ?? "");
    if (own !== group) r.group = group = own;
  }
  return rows;
}

function row(lane: Lane | null, index: number, label: string, height: number): Row {
  return { lane, series: null, index, only: null, label, group: "", line: 0, spoken: false, height, top: 0 };
}

function lineRows(scene: Scene, lane: Lane, index: number, findings: Evidence[]): Row[] {
  const spoken = new Set(findings.map((f) => f.line).filter((n) => n > 0));
  const sums = sum([lane], 0, scene.window).list.filter((s) => scene.keys[s.key].line > 0);
  sums.sort((a, b) => Number(spoken.has(scene.keys[b.key].line)) - Number(spoken.has(scene.keys[a.key].line)) || b.ns - a.ns);
  const shown = sums.slice(0, linesShown).sort((a, b) => scene.keys[a.key].line - scene.keys[b.key].line);
  const rest = new Uint8Array(scene.keys.length).fill(1);
  const rows = shown.map((s) => {
    const key: Key = scene.keys[s.key];
    const only = new Uint8Array(scene.keys.length);
    only[s.key] = 1;
    rest[s.key] = 0;
    return { ...row(lane, index, `${key.line}  ${key.label}`, 22), only, line: key.line, spoken: key.line === findings[0]?.line };
  });
  if (sums.length > shown.length) {
    const more = sums.length - shown.length;
    rows.push({ ...row(lane, index, more === 1 ? "1 other line" : `${more} other lines`, 22), only: rest, line: 0 });
  }
  return rows;
}

/** Puts the rows below each other and returns the height of all. */
export function layout(rows: Row[], groupHeight: number): number {
  let top = 0;
  for (const r of rows) {
    if (r.group) top += groupHeight;
    r.top = top;
    top += r.height;
  }
  return top;
}
