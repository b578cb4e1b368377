import { judgeAnswer, reasonOf } from '../forge/answer.ts';
import type { Verdict } from './verdict.ts';

/** A POST of JSON. */
export interface Post {
  /** A secret with most receivers: shown nowhere. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Posts it to the receiver itself, and to none that it points to. Never throws. */
export async function post({ url, headers, body }: Post, signal: AbortSignal): Promise<Verdict> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'user-agent': 'kvm-gitops' },
      body,
      redirect: 'error',
      signal,
    });
    // What it says is of no interest, and may be long.
    await answer.body?.cancel();
    const verdict = judgeAnswer(answer, '', new Date());
    return verdict.kind === 'absent' ? { kind: 'denied', why: verdict.why } : verdict;
  } catch (error) {
    return { kind: 'again', why: reasonOf(error).replaceAll(url, 'its URL') };
  }
}
