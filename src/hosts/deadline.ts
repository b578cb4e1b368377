import { OperatorError } from '../errors.ts';

export interface Deadline {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
  /** Completes `... took longer than 10 s`. */
  readonly what: string;
  /** Stops the work when the wait for it is given up. */
  readonly cancel?: () => void;
}

/** Settles as `work` does, unless the signal fires (its reason is thrown) or the time is up (E_TIMEOUT) first. */
export async function withDeadline<T>(work: Promise<T>, deadline: Deadline): Promise<T> {
  const { signal, timeoutMs, what, cancel } = deadline;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    const giveUp = (reason: unknown) => {
      // Nobody waits for the work any more; its failure is no news.
      work.catch(() => undefined);
      cancel?.();
      reject(reason);
    };
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => giveUp(timeoutError(what, timeoutMs)), timeoutMs);
    }
    if (signal === undefined) return;
    onAbort = () => giveUp(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
  }
}

function timeoutError(what: string, timeoutMs: number): OperatorError {
  return new OperatorError('E_TIMEOUT', `${what} took longer than ${timeoutMs / 1000} s`);
}
