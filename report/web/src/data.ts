// The packed scene, as report/html/scene.go writes it: numbers in base 128, column by column.

/** What the page tells the script beside the scene; see description in report/html/scene.go. */
export interface Config {
  data: string;
  classes: ClassLook[];
  findings: Evidence[];
  subject: string;
}

/** How a class of time is drawn and called. */
export interface ClassLook {
  color: string;
  /** A share of a row's height. */
  height: number;
  hatch?: boolean;
  words: string;
}

/** Where a finding is to be seen: on a line, and in stretches of time. */
export interface Evidence {
  line: number;
  spans: Span[];
}

/** A stretch of evidence, in ns: a "gap" of a device, a "call" or what a "thread" did, a "kernel" or a "copy". */
export interface Span {
  kind: string;
  start: number;
  end: number;
  /** Of a gap, a kernel or a copy. */
  device: number;
  /** Of a call and of what a thread did, as in Lane. */
  thread: number;
}

/** What time is about. */
export interface Key {
  class: number;
  label: string;
  /** The line of the cell, 0 when none is known. */
  line: number;
}

/**
 * One row of the trace as columns. Item i is [start[i], end[i]) and made of the parts
 * first[i] up to first[i + 1]; a part is `ns` of time with a key, in `count` intervals.
 * Times are ns from the begin of the scene; a double holds them exactly for 104 days.
 */
export interface Lane {
  kind: string;
  name: string;
  thread: number;
  device: number;
  stream: number;
  /** What is shorter was merged with its neighbours; 0 when nothing was. */
  mergedNs: number;
  start: Float64Array;
  end: Float64Array;
  /** The largest end of the items up to this one: sorted, where ends need not be. */
  reach: Float64Array;
  first: Uint32Array;
  key: Uint16Array;
  ns: Float64Array;
  count: Float64Array;
  /** The classes that occur, largest first, and the place in that list of each class. */
  classes: number[];
}

/** A quantity over time: the extremes from each time to the next. */
export interface Series {
  name: string;
  unit: string;
  time: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** The value at the top of the row: the largest one, or the whole of a share. */
  most: number;
}

/** From a call to what it launched. */
export interface Arrow {
  fromLane: number;
  toLane: number;
  from: number;
  to: number;
}

export interface Scene {
  /** The length of the window in ns, and how much of it the code ran for. */
  window: number;
  code: number;
  keys: Key[];
  classNames: string[];
  lanes: Lane[];
  series: Series[];
  arrows: Arrow[];
}

const version = 1;

/** Reads a packed scene; throws on anything that is none. */
export function unpack(bytes: Uint8Array): Scene {
  const r = new Reader(bytes);
  if (r.uint() !== version) throw new Error("a scene of another version");
  const window = r.uint();
  const code = r.uint();
  const keys = r.list(() => ({ class: r.uint(), line: r.uint(), label: r.text() }));
  const classNames = r.list(() => r.text());
  const lanes = r.list(() => lane(r, keys, classNames.length));
  const series = r.list(() => counter(r));
  let at = 0;
  const arrows = r.list(() => {
    const fromLane = r.uint();
    const toLane = r.uint();
    const from = (at += r.int());
    return { fromLane, toLane, from, to: from + r.int() };
  });
  return { window, code, keys, classNames, lanes, series, arrows };
}

function lane(r: Reader, keys: Key[], classes: number): Lane {
  const kind = r.text();
  const name = r.text();
  const thread = r.uint();
  const device = r.int();
  const stream = r.uint();
  const mergedNs = r.uint();
  const n = r.size();
  const start = r.column(n, true);
  const end = r.column(n, false);
  const reach = new Float64Array(n);
  let at = 0;
  let far = 0;
  for (let i = 0; i < n; i++) {
    start[i] += at;
    at = end[i] += start[i];
    reach[i] = far = Math.max(far, at);
  }
  const head = r.column(n, false);
  const first = new Uint32Array(n + 1);
  for (let i = 0; i < n; i++) first[i + 1] = first[i] + (head[i] >>> 1);
  const parts = first[n];
  const key = new Uint16Array(r.column(parts, false));
  const ns = new Float64Array(parts);
  const count = new Float64Array(parts).fill(1);
  for (const to of [ns, count]) {
    for (let i = 0; i < n; i++) {
      for (let p = first[i]; p < first[i + 1]; p++) {
        if (head[i] & 1) to[p] = r.uint();
        else if (to === ns) to[p] = end[i] - start[i];
      }
    }
  }
  const sums = new Float64Array(classes);
  for (let p = 0; p < parts; p++) {
    if (key[p] >= keys.length) throw new Error("a key that is not there");
    sums[keys[key[p]].class] += ns[p] + 1;
  }
  const present = [...sums.keys()].filter((c) => sums[c] > 0).sort((a, b) => sums[b] - sums[a]);
  return { kind, name, thread, device, stream, mergedNs, start, end, reach, first, key, ns, count, classes: present };
}

function counter(r: Reader): Series {
  const name = r.text();
  const unit = r.text();
  const n = r.size();
  const low0 = r.float();
  const step = r.float();
  const time = r.column(n, false);
  for (let i = 1; i < n; i++) time[i] += time[i - 1];
  const low = r.column(n, false);
  const high = r.column(n, false);
  for (let i = 0; i < n; i++) {
    high[i] = low0 + (low[i] + high[i]) * step;
    low[i] = low0 + low[i] * step;
  }
  return { name, unit, time, low, high, most: high.reduce((a, b) => Math.max(a, b), unit === "share" ? 1 : 0) };
}

/** Reads numbers and texts in order. What is beyond the end is an error, so that no length is believed. */
class Reader {
  private at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  private byte(): number {
    if (this.at >= this.bytes.length) throw new Error("the scene ends early");
    return this.bytes[this.at++];
  }

  uint(): number {
    let n = 0;
    let unit = 1;
    for (;;) {
      const b = this.byte();
      n += (b & 127) * unit;
      if (b < 128) return n;
      unit *= 128;
    }
  }

  int(): number {
    const n = this.uint();
    return n % 2 ? -(n + 1) / 2 : n / 2;
  }

  /** A number of things that take a byte each at least. */
  size(): number {
    const n = this.uint();
    if (n > this.bytes.length - this.at) throw new Error("the scene ends early");
    return n;
  }

  float(): number {
    if (this.at + 8 > this.bytes.length) throw new Error("the scene ends early");
    const v = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, 8).getFloat64(0, true);
    this.at += 8;
    return v;
  }

  text(): string {
    const n = this.size();
    this.at += n;
    return new TextDecoder().decode(this.bytes.subarray(this.at - n, this.at));
  }

  list<T>(one: () => T): T[] {
    const out: T[] = [];
    for (let n = this.size(); n > 0; n--) out.push(one());
    return out;
  }

  column(n: number, signed: boolean): Float64Array {
    if (n > this.bytes.length - this.at) throw new Error("the scene ends early");
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = signed ? this.int() : this.uint();
    return out;
  }
}

/** The bytes of a base 64 text that was deflated. Rejects where the browser cannot inflate. */
export async function inflate(text: string): Promise<Uint8Array> {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The first item of a lane that may reach beyond t. */
export function firstAfter(of: Lane, t: number): number {
  let low = 0;
  let high = of.reach.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (of.reach[middle] > t) high = middle;
    else low = middle + 1;
  }
  return low;
}
