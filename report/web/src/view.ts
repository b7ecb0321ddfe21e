// The stretch of time that is shown.

/** A window onto [0, total) ns; never empty, never beyond. */
export class View {
  from = 0;
  to: number;
  readonly total: number;
  private readonly least: number;

  constructor(total: number) {
    this.total = total;
    this.to = total;
    this.least = Math.min(total, 200);
  }

  get length(): number {
    return this.to - this.from;
  }

  /** Shows [from, to), moved and stretched into what there is. */
  show(from: number, to: number): void {
    const length = Math.min(this.total, Math.max(this.least, to - from));
    const middle = (from + to) / 2;
    this.from = Math.min(this.total - length, Math.max(0, to - from < this.least ? middle - length / 2 : from));
    this.to = this.from + length;
  }

  /** Moves by a share of what is shown. */
  pan(share: number): void {
    const by = share * this.length;
    this.show(this.from + by, this.to + by);
  }

  /** Shows `factor` times as much, with the time at `anchor` (0..1) staying where it is. */
  zoom(factor: number, anchor: number): void {
    const length = Math.min(this.total, Math.max(this.least, this.length * factor));
    const at = this.from + anchor * this.length;
    this.show(at - anchor * length, at + (1 - anchor) * length);
  }

  fit(): void {
    this.show(0, this.total);
  }
}

/** A round step so that at most `most` of them fit into `length` ns. */
export function stepOf(length: number, most: number): number {
  const raw = length / Math.max(1, most);
  const unit = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
  return (raw <= unit ? 1 : raw <= 2 * unit ? 2 : raw <= 5 * unit ? 5 : 10) * unit;
}
