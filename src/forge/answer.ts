/**
 * What is to be done after an answer of a forge.
 *   done    it did what was asked
 *   again   it is busy, broken or has had enough for now; `afterMs`: it says when
 *   denied  the token is not one that may: a person has to look
 *   absent  it does not know what was named: that is new, or of another repository, or gone
 */
export type Verdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly why: string; readonly afterMs?: number | undefined }
  | { readonly kind: 'denied'; readonly why: string }
  | { readonly kind: 'absent'; readonly why: string };

const MAX_WAIT_MS = 3_600_000;

/** Reads an answer. `text`: the beginning of its body, which is only looked through for known phrases and never shown. */
export function judgeAnswer(
  { status, headers }: { readonly status: number; readonly headers: Headers },
  text: string,
  now: Date,
): Verdict {
  if (status >= 200 && status < 300) return { kind: 'done' };
  const why = `HTTP ${status}`;
  // GitLab refuses to say the same once more.
  if (status === 400 && text.includes('Cannot transition status')) return { kind: 'done' };
  const afterMs = waitOf(headers, now);
  const isLimit = headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after');
  if (status === 429 || (status === 403 && isLimit)) return { kind: 'again', why: 'rate limit', afterMs };
  if (status === 401 || status === 403) return { kind: 'denied', why };
  if (status === 408 || status >= 500) return { kind: 'again', why, afterMs };
  return { kind: 'absent', why };
}

/** `Retry-After`, in seconds or as a date, or the time when GitHub's limit is over. */
function waitOf(headers: Headers, now: Date): number | undefined {
  const after = headers.get('retry-after');
  const reset = headers.get('x-ratelimit-reset');
  const seconds =
    after === null
      ? reset === null
        ? Number.NaN
        : Number(reset) - now.getTime() / 1000
      : /^\d+$/.test(after)
        ? Number(after)
        : (Date.parse(after) - now.getTime()) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(MAX_WAIT_MS, Math.max(0, seconds * 1000));
}

/** Why there was no answer: `fetch` hides what went wrong in the cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { cause } = error;
  return cause instanceof Error ? cause.message : error.message;
}
