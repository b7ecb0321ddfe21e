// What the page holds as a trace for other tools, which only leaves it on a click.

import type { Lane } from "./data.ts";
import { element, nameOf } from "./panel.ts";
import type { Timeline } from "./timeline.ts";

const perfetto = "https://ui.perfetto.dev";

/** The buttons that a host allows: VS Code's outputs can open no window and save no file. */
export function shareButtons(t: Timeline): HTMLElement[] {
  if (document.body.dataset["vscodeThemeKind"]) return [];
  const merged = t.scene.lanes.some((l) => l.mergedNs > 0);
  const what = merged ? "what this page holds, short intervals merged; inferscope export writes all" : "all intervals of this page";
  const button = (text: string, act: () => void) => {
    const b = element("button", "", text);
    b.title = `${text}: ${what}`;
    b.onclick = act;
    return b;
  };
  return [button("Open in Perfetto", () => open(t)), button("Download trace", () => download(t))];
}

/** The scene in the Trace Event Format: times in µs, lanes as threads. */
export function traceOf(t: Pick<Timeline, "scene" | "config">): string {
  const { scene, config } = t;
  const events: object[] = [];
  const processes: Record<string, [number, string]> = { stream: [2, "GPU"], idle: [2, "GPU"], thread: [1, "Threads"], calls: [1, "Threads"], ranges: [1, "Threads"], gc: [1, "Threads"] };
  const place = (l: Lane): [number, string] => processes[l.kind] ?? [0, "Code"];
  for (const [pid, name] of [[0, "Code"], [1, "Threads"], [2, "GPU"]]) events.push({ ph: "M", name: "process_name", pid, args: { name } });
  scene.lanes.forEach((l, tid) => {
    const [pid] = place(l);
    events.push({ ph: "M", name: "thread_name", pid, tid, args: { name: l.name } });
    for (let i = 0; i < l.start.length; i++) events.push(...slices(l, i, pid, tid, (key) => nameOf(scene, config, key)));
  });
  for (const s of scene.series) {
    s.time.forEach((at, i) => events.push({ ph: "C", name: `${s.name} (${s.unit})`, pid: 0, ts: at / 1000, args: { value: s.high[i] } }));
  }
  scene.arrows.forEach((a, id) => {
    const from = place(scene.lanes[a.fromLane])[0];
    const to = place(scene.lanes[a.toLane])[0];
    events.push({ ph: "s", id, name: "launch", cat: "launch", pid: from, tid: a.fromLane, ts: a.from / 1000 });
    events.push({ ph: "f", id, name: "launch", cat: "launch", pid: to, tid: a.toLane, ts: a.to / 1000, bp: "e" });
  });
  return JSON.stringify({ traceEvents: events, displayTimeUnit: "ns" });
}

/** One item: a merged one is named after its largest part, and says what else there is. */
function slices(l: Lane, i: number, pid: number, tid: number, name: (key: number) => string): object[] {
  const p = l.first[i];
  if (p === l.first[i + 1]) return [];
  const parts: Record<string, string> = {};
  const merged = l.first[i + 1] - p > 1 || l.count[p] > 1;
  if (merged) for (let q = p; q < l.first[i + 1]; q++) parts[name(l.key[q])] = `${l.ns[q]} ns in ${l.count[q]}`;
  const end = i + 1 < l.start.length ? Math.min(l.end[i], l.kind === "scopes" ? l.end[i] : Math.max(l.start[i + 1], l.start[i])) : l.end[i];
  const event = { name: merged ? `${name(l.key[p])} and more` : name(l.key[p]), pid, tid, ts: l.start[i] / 1000, args: parts };
  return [end > l.start[i] ? { ...event, ph: "X", dur: (end - l.start[i]) / 1000 } : { ...event, ph: "i", s: "t" }];
}

/** Perfetto's page asks for nothing: it answers PING once it is ready, and is then given the trace. */
function open(t: Timeline): void {
  const page = window.open(perfetto);
  if (!page) {
    t.say("The browser did not open a window");
    return;
  }
  const ask = setInterval(() => (page.closed ? stop() : page.postMessage("PING", perfetto)), 100);
  const answer = (e: MessageEvent) => {
    if (e.origin !== perfetto || e.source !== page || e.data !== "PONG") return;
    stop();
    const buffer = new TextEncoder().encode(traceOf(t)).buffer;
    page.postMessage({ perfetto: { buffer, title: "InferScope" } }, perfetto, [buffer]);
  };
  const stop = () => {
    clearInterval(ask);
    removeEventListener("message", answer);
  };
  addEventListener("message", answer);
}

function download(t: Timeline): void {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([traceOf(t)], { type: "application/json" }));
  link.download = "inferscope-trace.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
