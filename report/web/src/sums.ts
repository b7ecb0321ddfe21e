// What a stretch of time holds, by key: the numbers behind the tables of a selection.

import { firstAfter, type Lane, type Scene } from "./data.ts";

/** Time of one key. */
export interface Sum {
  key: number;
  ns: number;
  count: number;
}

/**
 * Sums what lanes hold within [from, to), largest first. Of a merged item that lies in it in part
 * the same part of each of its sums is taken: `exact` is false then.
 */
export function sum(lanes: Lane[], from: number, to: number): { list: Sum[]; exact: boolean } {
  const by = new Map<number, Sum>();
  let exact = true;
  for (const l of lanes) {
    for (let i = firstAfter(l, from); i < l.start.length && l.start[i] < to; i++) {
      const length = l.end[i] - l.start[i];
      const inside = Math.min(to, l.end[i]) - Math.max(from, l.start[i]);
      if (inside <= 0 && length > 0) continue;
      const share = length > 0 ? inside / length : 1;
      const parts = l.first[i + 1] - l.first[i];
      const whole = share === 1;
      for (let p = l.first[i]; p < l.first[i] + parts; p++) {
        const merged = parts > 1 || l.count[p] > 1;
        exact &&= whole || !merged;
        const s = by.get(l.key[p]) ?? { key: l.key[p], ns: 0, count: 0 };
        s.ns += whole ? l.ns[p] : l.ns[p] * share;
        s.count += whole || !merged ? l.count[p] : l.count[p] * share;
        by.set(l.key[p], s);
      }
    }
  }
  const list = [...by.values()].sort((a, b) => b.ns - a.ns || b.count - a.count);
  for (const s of list) s.count = Math.max(1, Math.round(s.count));
  return { list, exact };
}

/** Adds up sums whose keys `of` calls the same; the key of the largest stands for each. */
export function group(list: Sum[], of: (key: number) => string | number): Sum[] {
  const by = new Map<string | number, Sum>();
  for (const s of list) {
    const name = of(s.key);
    const g = by.get(name);
    if (g) {
      g.ns += s.ns;
      g.count += s.count;
    } else by.set(name, { ...s });
  }
  return [...by.values()].sort((a, b) => b.ns - a.ns);
}

/** The lanes of one kind. */
export function ofKind(scene: Scene, kind: string): Lane[] {
  return scene.lanes.filter((l) => l.kind === kind);
}
