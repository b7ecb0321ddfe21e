// The numbers of a selection, of the view, and how they are written.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "./load.mjs";

const { unpack } = await load("data");
const { group, sum } = await load("sums");
const { duration, exactly, fit, percent, quantity, tick } = await load("format");
const { View, stepOf } = await load("view");
const golden = JSON.parse(readFileSync(new URL("../../html/testdata/scene.json", import.meta.url), "utf8"));
const scene = unpack(Buffer.from(golden.packed, "base64"));

test("the whole sums to what was packed", () => {
  const { list, exact } = sum(scene.lanes.slice(0, 1), 0, scene.window);
  assert.ok(exact);
  assert.deepEqual(list, [
    { key: 1, ns: 1_000_000_000, count: 1 },
    { key: 2, ns: 50_000_000, count: 6 },
    { key: 3, ns: 300, count: 70 },
    { key: 0, ns: 20, count: 9 },
  ]);
});

test("a selection that cuts takes its part, and says when that is not exact", () => {
  const cut = sum(scene.lanes.slice(0, 1), 950_000_000, 1_000_000_001);
  assert.ok(cut.exact);
  assert.deepEqual(cut.list, [{ key: 1, ns: 50_000_000, count: 1 }]);
  const half = sum(scene.lanes.slice(0, 1), 1_000_000_001, 1_500_000_000);
  assert.ok(!half.exact);
  assert.ok(Math.abs(half.list[0].ns - 150) < 0.1);
  assert.deepEqual(sum(scene.lanes, 2_100_000_000, 2_200_000_000).list, []);
});

test("groups add up", () => {
  const { list } = sum(scene.lanes.slice(0, 1), 0, scene.window);
  const of = group(list, (key) => scene.classNames[scene.keys[key].class]);
  assert.deepEqual(of.map((s) => s.ns), [1_000_000_300, 50_000_000, 20]);
});

test("the view stays inside, and is never empty", () => {
  const v = new View(1_000_000);
  v.zoom(0.1, 0.5);
  assert.deepEqual([v.from, v.to], [450_000, 550_000]);
  v.pan(-10);
  assert.deepEqual([v.from, v.to], [0, 100_000]);
  v.pan(100);
  assert.deepEqual([v.from, v.to], [900_000, 1_000_000]);
  for (let i = 0; i < 100; i++) v.zoom(0.1, 0.3);
  assert.equal(Math.round(v.length), 200);
  v.show(-5, 1e12);
  assert.deepEqual([v.from, v.to], [0, 1_000_000]);
  const tiny = new View(7);
  tiny.zoom(0.001, 0);
  assert.deepEqual([tiny.from, tiny.to], [0, 7]);
});

test("zooming keeps the time under the pointer", () => {
  const v = new View(1_000_000);
  v.show(200_000, 400_000);
  const at = v.from + 0.25 * v.length;
  v.zoom(0.5, 0.25);
  assert.ok(Math.abs(v.from + 0.25 * v.length - at) < 1e-6);
});

test("numbers as people read them", () => {
  assert.equal(duration(1_234_567), "1.23 ms");
  assert.equal(duration(0), "0 s");
  assert.equal(duration(125e9), "2 min 5.0 s");
  assert.equal(exactly(1_234_567), "1.234567 ms");
  assert.equal(exactly(42), "42 ns");
  assert.equal(tick(1_500_000_000, 100_000_000), "1.5 s");
  assert.equal(tick(1_000_200_000, 100_000), "1.0002 s");
  assert.equal(percent(0.0005), "<0.1%");
  assert.equal(percent(0.123), "12%");
  assert.equal(quantity(3 * 2 ** 30, "bytes"), "3 GiB");
  assert.equal(quantity(690, "W"), "690 W");
  assert.equal(fit("abcdefgh", 5), "abcd…");
  assert.ok([1, 2, 5, 10].includes(stepOf(97, 10) / 10 ** Math.floor(Math.log10(stepOf(97, 10)))));
});
