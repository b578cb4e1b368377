/** Of so many candidates the others are not worth the time. */
const MAX_CANDIDATES = 1000;

/** The candidate that a misspelt word was meant to be, if one is near enough. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase().slice(0, 64);
  const farthest = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  let tried = 0;
  for (const candidate of candidates) {
    tried += 1;
    if (tried > MAX_CANDIDATES) break;
    const distance = distanceTo(wanted, candidate.toLowerCase());
    if (distance > farthest || distance >= (best?.distance ?? Number.POSITIVE_INFINITY)) continue;
    best = { candidate, distance };
  }
  return best?.candidate;
}

/** `; did you mean "web"?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const candidate = suggest(word, candidates);
  return candidate === undefined ? '' : `; did you mean "${candidate}"?`;
}

/** A beginning (`ip` of `ipaddress`) is as near as one wrong letter. */
function distanceTo(wanted: string, candidate: string): number {
  if (wanted.length > 1 && candidate.startsWith(wanted)) return wanted === candidate ? 0 : 1;
  return Math.abs(wanted.length - candidate.length) > 3
    ? Number.POSITIVE_INFINITY
    : editDistance(wanted, candidate);
}

/** Letters to insert, drop or replace, and neighbours to swap, to make one word of the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          isSwap ? (beforeLast[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
