// What the user does: mouse, touch, wheel and keys, and the buttons above the picture.

import { plural } from "./format.ts";
import { rulerHeight } from "./paint.ts";
import { element } from "./panel.ts";
import type { Timeline } from "./timeline.ts";
import { shareButtons } from "./share.ts";

const keysHelp: [string, string][] = [
  ["← → or A D", "move; with Shift, by a whole page"],
  ["+ − or W S", "zoom; also Ctrl or ⌘ with the wheel, or two fingers"],
  ["0", "show all"],
  ["↑ ↓", "choose a row"],
  ["N, P", "next and previous interval of the row, or of what was searched for"],
  ["F", "zoom to the chosen interval, or to the selection"],
  ["V", "select what is shown: the tables below are then of it"],
  ["/", "search"],
  ["Esc", "clear the selection, the search, the evidence"],
  ["Drag", "select a stretch; drag the ruler, or with Shift, to move"],
];

/** Makes a timeline react. */
export function controls(t: Timeline): void {
  toolbar(t);
  wheel(t);
  pointer(t);
  minimap(t);
  t.root.addEventListener("keydown", (event) => {
    const e = event as KeyboardEvent;
    if (key(t, e)) {
      e.preventDefault();
      e.stopPropagation(); // a notebook has keys of its own
    } else if (e.target !== t.canvas) e.stopPropagation();
  });
}

function toolbar(t: Timeline): void {
  const bar = t.root.querySelector(".bar");
  if (!bar) return;
  const search = element("input");
  search.type = "search";
  search.placeholder = "Search kernels, lines, threads";
  search.setAttribute("aria-label", search.placeholder);
  const found = element("span", "dim");
  search.oninput = () => {
    const n = t.search(search.value);
    found.textContent = search.value.trim() ? `${plural(n, "match").replace("matchs", "matches")}` : "";
  };
  search.onkeydown = (e) => {
    if (e.key === "Enter") t.nextBright(e.shiftKey ? -1 : 1);
    else if (e.key === "Escape") clear(t);
    else return;
    e.preventDefault();
  };
  const button = (text: string, name: string, act: () => void) => {
    const b = element("button", "", text);
    b.title = name;
    b.setAttribute("aria-label", name);
    b.onclick = act;
    bar.append(b);
    return b;
  };
  const help = element("div", "help");
  help.hidden = true;
  const list = element("dl");
  for (const [k, what] of keysHelp) list.append(element("dt", "", k), element("dd", "", what));
  help.append(list);
  bar.append(search, found);
  button("−", "Zoom out", () => zoom(t, 2));
  button("+", "Zoom in", () => zoom(t, 0.5));
  button("All", "Show all", () => {
    t.view.fit();
    t.draw();
  });
  const keys = button("?", "Keys", () => {
    help.hidden = !help.hidden;
    keys.setAttribute("aria-expanded", String(!help.hidden));
  });
  keys.setAttribute("aria-expanded", "false");
  bar.append(...shareButtons(t));
  bar.append(t.range);
  bar.after(help);
}

function zoom(t: Timeline, factor: number, anchor = 0.5): void {
  t.view.zoom(factor, anchor);
  t.draw();
}

/** Takes away everything that lies over the picture. */
function clear(t: Timeline): void {
  const search = t.root.querySelector("input");
  if (search?.value) {
    search.value = "";
    search.dispatchEvent(new Event("input"));
  }
  t.over.item = -1;
  t.light([], null, "");
  t.select(null);
  t.host.dispatchEvent(new CustomEvent("cleared"));
}

/** One key on the picture; false when it has no meaning here. */
function key(t: Timeline, e: KeyboardEvent): boolean {
  if (e.target !== t.canvas || e.ctrlKey || e.metaKey || e.altKey) return false;
  const far = e.shiftKey ? 0.9 : 0.2;
  switch (e.key.length === 1 ? e.key.toLowerCase() : e.key) {
    case "ArrowLeft":
    case "a":
      t.view.pan(-far);
      break;
    case "ArrowRight":
    case "d":
      t.view.pan(far);
      break;
    case "ArrowUp":
      t.choose(Math.max(0, t.over.row - 1), -1);
      break;
    case "ArrowDown":
      t.choose(Math.min(t.rows.length - 1, t.over.row + 1), -1);
      break;
    case "+":
    case "=":
    case "w":
      t.view.zoom(0.6, anchorOf(t));
      break;
    case "-":
    case "_":
    case "s":
      t.view.zoom(1 / 0.6, anchorOf(t));
      break;
    case "0":
    case "Home":
      t.view.fit();
      break;
    case "n":
    case "p":
      step(t, e.key.toLowerCase() === "n" ? 1 : -1);
      break;
    case "f": {
      const to = chosen(t) ?? t.over.selection;
      if (to) t.view.show(to[0] - (to[1] - to[0]) * 0.1, to[1] + (to[1] - to[0]) * 0.1);
      break;
    }
    case "v":
      t.select([t.view.from, t.view.to]);
      break;
    case "/":
      t.root.querySelector("input")?.focus();
      break;
    case "?":
      t.root.querySelector<HTMLElement>("button[aria-expanded]")?.click();
      break;
    case "Escape":
      clear(t);
      break;
    default:
      return false;
  }
  t.draw();
  return true;
}

/** The chosen item's stretch. */
function chosen(t: Timeline): [number, number] | null {
  const lane = t.rows[t.over.row]?.lane;
  return lane && t.over.item >= 0 ? [lane.start[t.over.item], lane.end[t.over.item]] : null;
}

/** Zooming by keys keeps the chosen item in its place. */
function anchorOf(t: Timeline): number {
  const at = chosen(t);
  const share = at ? ((at[0] + at[1]) / 2 - t.view.from) / t.view.length : 0.5;
  return share >= 0 && share <= 1 ? share : 0.5;
}

/** Goes to the next or previous item: of what is lit up, else of the row. */
function step(t: Timeline, by: 1 | -1): void {
  if (t.over.bright) return t.nextBright(by);
  const row = Math.max(0, t.over.row);
  const r = t.rows[row];
  if (!r?.lane) return;
  const n = r.lane.start.length;
  let i = t.over.item >= 0 ? t.over.item + by : Math.max(0, t.itemAt(r, t.view.from, t.view.length));
  while (i >= 0 && i < n && !t.shows(r, i)) i += by;
  if (i >= 0 && i < n) t.choose(row, i);
}

function wheel(t: Timeline): void {
  t.canvas.addEventListener(
    "wheel",
    (e) => {
      const unit = e.deltaMode === 1 ? 16 : 1;
      if (e.ctrlKey || e.metaKey) {
        const anchor = (e.offsetX - t.box.left) / t.box.width;
        t.view.zoom(Math.exp(Math.max(-1, Math.min(1, (e.deltaY * unit) / 200))), Math.max(0, Math.min(1, anchor)));
      } else {
        const sideways = e.shiftKey && !e.deltaX ? e.deltaY : e.deltaX;
        if (Math.abs(sideways) <= (e.shiftKey ? 0 : Math.abs(e.deltaY))) return; // the page scrolls
        t.view.pan((sideways * unit) / t.box.width);
      }
      e.preventDefault();
      t.unhint();
      t.draw();
    },
    { passive: false },
  );
  t.canvas.addEventListener("dblclick", (e) => {
    const row = t.rows[t.rowAt(e.offsetY)];
    const item = row ? t.itemAt(row, t.timeAt(e.offsetX), 0) : -1;
    if (row?.lane && item >= 0 && row.lane.end[item] > row.lane.start[item]) {
      const length = row.lane.end[item] - row.lane.start[item];
      t.view.show(row.lane.start[item] - length * 0.1, row.lane.end[item] + length * 0.1);
    } else t.view.fit();
    t.draw();
  });
}

/** Dragging selects; on the ruler, with Shift, or by a finger it moves; two fingers zoom. */
function pointer(t: Timeline): void {
  const down = new Map<number, number>(); // where each pointer was last
  let begun = 0;
  let moves = false;
  let dragged = false;
  t.canvas.addEventListener("pointerdown", (e) => {
    if (e.button > 1) return;
    t.canvas.focus({ preventScroll: true });
    t.canvas.setPointerCapture(e.pointerId);
    down.set(e.pointerId, e.offsetX);
    begun = t.timeAt(e.offsetX);
    dragged = false;
    moves = e.offsetY < rulerHeight || e.shiftKey || e.button === 1 || e.pointerType === "touch";
    if (e.button === 1) e.preventDefault();
  });
  t.canvas.addEventListener("pointermove", (e) => {
    const before = down.get(e.pointerId);
    if (before === undefined) {
      t.canvas.style.cursor = e.offsetY < rulerHeight ? "grab" : "";
      t.hint(e.offsetX, e.offsetY);
      return;
    }
    const first = !dragged && down.size === 1 && Math.abs(e.offsetX - before) < 4;
    if (first) return; // a click with an unsteady hand
    dragged = true;
    t.unhint();
    if (down.size === 2) pinch(t, before, e.offsetX, [...down].find(([id]) => id !== e.pointerId)?.[1]);
    else if (moves) t.view.pan((before - e.offsetX) / t.box.width);
    else {
      const at = Math.max(t.view.from, Math.min(t.view.to, t.timeAt(e.offsetX)));
      t.over.selection = [Math.min(begun, at), Math.max(begun, at)];
    }
    if (down.size === 2 || moves) down.set(e.pointerId, e.offsetX);
    t.draw();
  });
  const up = (e: PointerEvent) => {
    if (!down.delete(e.pointerId) || down.size) return;
    if (dragged && !moves && t.over.selection) t.select(t.over.selection);
    else if (!dragged && e.type === "pointerup") {
      const row = t.rowAt(e.offsetY);
      const r = t.rows[row];
      const slack = (3 / t.box.width) * t.view.length;
      if (r) t.choose(row, e.offsetX < t.box.left ? -1 : t.itemAt(r, t.timeAt(e.offsetX), slack));
    }
  };
  t.canvas.addEventListener("pointerup", up);
  t.canvas.addEventListener("pointercancel", up);
  t.canvas.addEventListener("pointerleave", () => t.unhint());
}

/** One of two pointers moved. */
function pinch(t: Timeline, before: number, now: number, other: number | undefined): void {
  if (other === undefined) return;
  const was = Math.abs(before - other);
  const is = Math.abs(now - other);
  if (was < 8 || is < 8) return;
  t.view.zoom(was / is, Math.max(0, Math.min(1, ((now + other) / 2 - t.box.left) / t.box.width)));
}

/** On the map a click moves what is shown, and dragging its outside chooses anew. */
function minimap(t: Timeline): void {
  const time = (x: number) => Math.max(0, Math.min(1, (x - t.box.left) / t.box.width)) * t.view.total;
  let grabbed: number | null = null;
  let begun = 0;
  t.map.addEventListener("pointerdown", (e) => {
    t.map.setPointerCapture(e.pointerId);
    begun = time(e.offsetX);
    grabbed = begun >= t.view.from && begun <= t.view.to && t.view.length < t.view.total ? begun - t.view.from : null;
  });
  t.map.addEventListener("pointermove", (e) => {
    if (!t.map.hasPointerCapture(e.pointerId)) return;
    const at = time(e.offsetX);
    if (grabbed !== null) t.view.show(at - grabbed, at - grabbed + t.view.length);
    else if (Math.abs(at - begun) / t.view.total > 0.004) t.view.show(Math.min(begun, at), Math.max(begun, at));
    t.draw();
  });
  t.map.addEventListener("pointerup", (e) => {
    const at = time(e.offsetX);
    if (grabbed === null && Math.abs(at - begun) / t.view.total <= 0.004) {
      t.view.show(at - t.view.length / 2, at + t.view.length / 2);
      t.draw();
    }
  });
}
