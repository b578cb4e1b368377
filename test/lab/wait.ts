import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../../src/errors.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Pause between two looks; 50 ms unless told. */
  readonly intervalMs?: number;
}

/**
 * Looks until the condition gives something other than undefined or false, and returns that.
 * A condition that throws is not met yet; its last error is named when time is up.
 */
export async function waitFor<T>(
  description: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs, intervalMs = 50 }: WaitOptions,
): Promise<T> {
  const start = performance.now();
  let failure: unknown;
  for (;;) {
    try {
      const found = await condition();
      if (found !== undefined && found !== false) return found;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() - start >= timeoutMs) break;
    await sleep(intervalMs);
  }
  const because = failure === undefined ? '' : `: ${errorMessage(failure)}`;
  throw new Error(`waited ${timeoutMs} ms in vain for ${description}${because}`, { cause: failure });
}
