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

const MAX_LIMIT_MS = 3_600_000;
const MAX_BUSY_MS = 600_000;

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
  const isLimit = headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after');
  if (status === 429 || (status === 403 && isLimit))
    return { kind: 'again', why: 'rate limit', afterMs: limitWait(headers, now) };
  if (status === 401 || status === 403) return { kind: 'denied', why };
  if (status === 408 || status >= 500)
    return { kind: 'again', why, afterMs: between(MAX_BUSY_MS, retryAfter(headers, now)) };
  return { kind: 'absent', why };
}

/** GitHub says with every answer when its limit is over: that counts only where nothing remains. */
function limitWait(headers: Headers, now: Date): number | undefined {
  const reset = headers.get('x-ratelimit-reset');
  const isUsedUp = headers.get('x-ratelimit-remaining') === '0' && reset !== null;
  const untilReset = isUsedUp ? Number(reset) * 1000 - now.getTime() : undefined;
  return between(MAX_LIMIT_MS, retryAfter(headers, now) ?? untilReset);
}

/** `Retry-After`, in seconds or as a date, in milliseconds from now. */
function retryAfter(headers: Headers, now: Date): number | undefined {
  const after = headers.get('retry-after');
  if (after === null) return undefined;
  return /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - now.getTime();
}

function between(mostMs: number, ms: number | undefined): number | undefined {
  return ms === undefined || Number.isNaN(ms) ? undefined : Math.min(mostMs, Math.max(0, ms));
}

const MAX_LOOKED_AT = 4096;

/** The beginning of its body; the rest is not waited for. */
export async function beginningOf({ body }: Pick<Response, 'body'>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk.subarray(0, MAX_LOOKED_AT), { stream: true });
    if (text.length >= MAX_LOOKED_AT) break;
  }
  return text;
}

/** Why there was no answer: `fetch` hides what went wrong in the cause. Where there is none, it may speak of what it was given. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { cause } = error;
  if (!(cause instanceof Error)) return `no answer (${error.name})`;
  // Of several addresses that were tried in vain there is a code, and no text.
  return cause.message === '' && 'code' in cause ? `no answer (${String(cause.code)})` : cause.message;
}
