/** V8 collects garbage late where memory is plentiful; with a limit, a process shows how much it needs. */
export const HEAP_LIMIT_MIB = 640;

/** One line of the table. */
export interface Figure {
  readonly what: string;
  /** With its unit. */
  readonly value: string;
  readonly goal?: string;
  /** Absent where there is no goal. */
  readonly met?: boolean;
}

/** A goal as the table shows it, and whether the number meets it. */
export function atMost(
  limit: number,
  value: number,
  show: (value: number) => string,
): Pick<Figure, 'goal' | 'met'> {
  return { goal: `< ${show(limit)}`, met: value < limit };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The smallest value that so many percent of all do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (found === undefined) throw new RangeError('no values');
  return found;
}

/** Milliseconds, or seconds from ten on. */
export function showMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** A ratio. */
export function showTimes(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? 2 : 1)} x`;
}

/** Whole MiB. */
export function showMiB(mib: number): string {
  return `${Math.round(mib)} MiB`;
}

/** The lines in columns: benchmark, what, figure, goal, met or not. */
export function tableOf(name: string, figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, goal = '', met }) => [
    name.padEnd(9),
    what.padEnd(72),
    value.padStart(9),
    goal.padEnd(11),
    met === undefined ? '' : met ? 'met' : 'NOT MET',
  ]);
  return rows.map((row) => `${row.join('  ').trimEnd()}\n`).join('');
}
