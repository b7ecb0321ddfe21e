// The decoder reads what report/html packs; its golden file is report/html/testdata/scene.json.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "./load.mjs";

const { firstAfter, inflate, unpack } = await load("data");
const golden = JSON.parse(readFileSync(new URL("../../html/testdata/scene.json", import.meta.url), "utf8"));
const packed = Buffer.from(golden.packed, "base64");

test("what was packed is read", async () => {
  const bytes = await inflate(golden.data);
  assert.deepEqual(Buffer.from(bytes), packed);
  const scene = unpack(bytes);
  assert.equal(scene.window, 4_000_000_000);
  assert.equal(scene.code, 3_999_999_000);
  assert.deepEqual(scene.classNames, ["other", "kernel", "copy"]);
  assert.deepEqual(scene.keys[1], { class: 1, line: 3, label: "gemm<float> 𝕂 ⟨U+202E⟩" });
  const [stream, calls] = scene.lanes;
  assert.deepEqual([stream.kind, stream.name, stream.device, stream.stream, stream.mergedNs], ["stream", "stream 7", 1, 7, 4096]);
  assert.deepEqual([...stream.start], [0, 900_000_000, 1_000_000_001, 3_000_000_000]);
  assert.deepEqual([...stream.end], [1_000_000_000, 950_000_000, 2_000_000_000, 3_000_000_000]);
  assert.deepEqual([...stream.reach], [1_000_000_000, 1_000_000_000, 2_000_000_000, 3_000_000_000]);
  assert.deepEqual([...stream.first], [0, 1, 2, 4, 5]);
  assert.deepEqual([...stream.key], [1, 2, 3, 0, 2]);
  assert.deepEqual([...stream.ns], [1_000_000_000, 50_000_000, 300, 20, 0]);
  assert.deepEqual([...stream.count], [1, 1, 70, 9, 5]);
  assert.deepEqual([calls.device, calls.thread, calls.count[0]], [-1, 2, 1]);
  const [power] = scene.series;
  assert.deepEqual([power.name, power.unit, ...power.time], ["power", "W", 0, 1000, 3_000_000_000]);
  power.low.forEach((v, i) => assert.ok(Math.abs(v - [100, 250, 400][i]) < 0.01));
  power.high.forEach((v, i) => assert.ok(Math.abs(v - [100, 700, 400][i]) < 0.02));
  assert.deepEqual(scene.arrows, [
    { fromLane: 1, toLane: 0, from: 10, to: 900_000_000 },
    { fromLane: 1, toLane: 0, from: 5, to: 3 },
  ]);
});

test("what is cut short or changed is refused, and never hangs", () => {
  for (let n = 0; n < packed.length; n++) assert.throws(() => unpack(packed.subarray(0, n)), Error, `${n} bytes`);
  let read = 0;
  for (let i = 0; i < packed.length; i++) {
    for (const value of [0, 127, 128, 255]) {
      const bytes = Buffer.from(packed);
      bytes[i] = value;
      try {
        unpack(bytes);
        read++;
      } catch (e) {
        assert.ok(e instanceof Error);
      }
    }
  }
  assert.ok(read > 0);
});

test("the first item that reaches beyond a time, also past a long one", () => {
  const [stream] = unpack(packed).lanes;
  assert.equal(firstAfter(stream, 0), 0);
  assert.equal(firstAfter(stream, 960_000_000), 0);
  assert.equal(firstAfter(stream, 1_000_000_000), 2);
  assert.equal(firstAfter(stream, 4e9), 4);
});
