/** One line of a difference: in both texts, only in the first, or only in the second. */
export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  /** With its end, which the last line of a text may lack. */
  readonly text: string;
}

/** The shortest way from one text to another, in lines: Myers' algorithm between what the two have alike at both ends. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const same = (lines: readonly string[]) => lines.map((text): DiffLine => ({ kind: 'same', text }));
  return [
    ...same(a.slice(0, head)),
    ...shortest(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(a.slice(a.length - tail)),
  ];
}

function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

type Reached = ReadonlyMap<number, number>;

/** `reached.get(k)`: how far into `a` the best path on diagonal k (a minus b) came with that many changes. */
function shortest(a: readonly string[], b: readonly string[]): DiffLine[] {
  const trace: Reached[] = [];
  let reached: Reached = new Map([[1, 0]]);
  for (let changes = 0; changes <= a.length + b.length; changes++) {
    trace.push(reached);
    const next = new Map<number, number>();
    for (let k = -changes; k <= changes; k += 2) {
      let x = firstOn(reached, k, changes);
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a, b);
    }
    reached = next;
  }
  return [];
}

/** Where the path on diagonal `k` begins: by a line of `b` from the diagonal above, or a line of `a` from that below. */
function firstOn(reached: Reached, k: number, changes: number): number {
  const [below, above] = [reached.get(k - 1) ?? -1, reached.get(k + 1) ?? -1];
  return k === -changes || (k !== changes && below < above) ? above : below + 1;
}

function walkBack(trace: readonly Reached[], a: readonly string[], b: readonly string[]): DiffLine[] {
  const lines: DiffLine[] = [];
  let [x, y] = [a.length, b.length];
  for (let changes = trace.length - 1; changes >= 0; changes--) {
    const k = x - y;
    const start = firstOn(trace[changes] ?? new Map(), k, changes);
    while (x > start) lines.push({ kind: 'same', text: a[--x] ?? '' });
    y = x - k;
    if (changes === 0) break;
    const isAdded = k === -changes || (trace[changes]?.get(k + 1) ?? -1) === start;
    if (isAdded) lines.push({ kind: 'added', text: b[--y] ?? '' });
    else lines.push({ kind: 'removed', text: a[--x] ?? '' });
  }
  return lines.toReversed();
}
