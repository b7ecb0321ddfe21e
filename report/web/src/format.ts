// Numbers and names as people read them.

const units: [number, string][] = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];

/** A length of time with `digits` significant digits: "12.3 ms". */
export function duration(ns: number, digits = 3): string {
  if (ns >= 60e9) {
    const s = ns / 1e9;
    return `${Math.floor(s / 60)} min ${(s % 60).toFixed(s < 600 ? 1 : 0)} s`;
  }
  for (const [size, unit] of units) {
    if (ns >= size) return `${significant(ns / size, digits)} ${unit}`;
  }
  return ns > 0 ? `${significant(ns, digits)} ns` : "0 s";
}

/** A length of time to the nanosecond: "12.345678 ms". */
export function exactly(ns: number): string {
  for (const [size, unit] of units) {
    if (ns >= size) return `${trim((ns / size).toFixed(Math.round(Math.log10(size))))} ${unit}`;
  }
  return "0 ns";
}

/** A time on an axis whose steps are `step` ns long: as many digits as tell two steps apart. */
export function tick(ns: number, step: number): string {
  if (ns === 0) return "0";
  const [size, unit] = units.find(([s]) => Math.abs(ns) >= s) ?? units[3];
  const digits = Math.max(0, Math.round(Math.log10(size)) - Math.floor(Math.log10(step)));
  return `${trim((ns / size).toFixed(Math.min(9, digits)))} ${unit}`;
}

function significant(v: number, digits: number): string {
  const whole = Math.floor(Math.log10(Math.max(v, 1))) + 1;
  return trim(v.toFixed(Math.max(0, digits - whole)));
}

function trim(s: string): string {
  return s.includes(".") ? s.replace(/\.?0+$/, "") : s;
}

export function percent(share: number): string {
  const p = share * 100;
  if (!(p > 0)) return "0%";
  if (p < 0.1) return "<0.1%";
  return `${p < 10 ? trim(p.toFixed(1)) : Math.round(p)}%`;
}

/** A count with its noun: "1 interval", "12,345 intervals". */
export function plural(n: number, noun: string): string {
  return `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;
}

/** A value of a counter: bytes in binary units, a share in percent. */
export function quantity(v: number, unit: string): string {
  if (unit === "bytes") {
    for (const [i, name] of ["GiB", "MiB", "KiB"].entries()) {
      const size = 2 ** (30 - 10 * i);
      if (v >= size) return `${significant(v / size, 3)} ${name}`;
    }
    return `${Math.round(v)} B`;
  }
  if (unit === "share") return percent(v);
  return `${significant(v, 4)} ${unit}`;
}

/** Text cut in its middle to at most n characters. */
export function fit(text: string, n: number): string {
  if (text.length <= n) return text;
  if (n < 2) return "";
  const tail = n > 24 ? Math.floor(n / 3) : 0;
  return text.slice(0, n - 1 - tail) + "…" + (tail ? text.slice(-tail) : "");
}
