// Which lanes have a row.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { idleThreads, rowsOf } = await load("rows");

/** A thread that does one thing after the other: [class, ns]. */
function thread(number, ...did) {
  const lane = { kind: "thread", name: `T${number}`, thread: number, device: -1, stream: 0, mergedNs: 0, classes: [0, 1] };
  let at = 0;
  const starts = did.map(([, ns]) => (at += ns) - ns);
  const ends = starts.map((start, i) => start + did[i][1]);
  return {
    ...lane,
    start: Float64Array.from(starts),
    end: Float64Array.from(ends),
    reach: Float64Array.from(ends),
    first: Uint32Array.from([0, ...did.map((_, i) => i + 1)]),
    key: Uint16Array.from(did.map(([of]) => of)),
    ns: Float64Array.from(did.map(([, ns]) => ns)),
    count: new Float64Array(did.length).fill(1),
  };
}

const [running, poll, sleep, lock] = [0, 1, 2, 3];
const scene = {
  window: 1e6,
  code: 1e6,
  keys: ["running", "poll", "sleep", "lock"].map((label, i) => ({ class: i, label, line: 0 })),
  classNames: ["running", "poll", "sleep", "lock"],
  lanes: [
    thread(1, [sleep, 1e6]),
    thread(2, [poll, 9e5], [running, 900], [sleep, 99_100]),
    thread(3, [poll, 998_900], [running, 1100]),
    thread(4, [lock, 1e6]),
    thread(5, [sleep, 1e6]),
  ],
  series: [],
  arrows: [],
};
const names = (rows) => rows.map((r) => r.label);

test("a thread that only waited has no row, but for the first", () => {
  assert.deepEqual([...idleThreads(scene, [])].map((l) => l.name), ["T2", "T5"]);
  assert.deepEqual(names(rowsOf(scene, [])), ["T1", "T3", "T4"]);
});

test("a thread that a finding speaks of has its row", () => {
  const finding = { line: 0, spans: [{ kind: "thread", start: 0, end: 9, device: 0, thread: 5 }] };
  assert.deepEqual(names(rowsOf(scene, [finding])), ["T1", "T3", "T4", "T5"]);
});
