import { setTimeout as delay } from 'node:timers/promises';

/** So many bytes per second, for all that share it. */
export interface RateLimit {
  /** Resolves when that many bytes may go. */
  take(bytes: number, signal?: AbortSignal): Promise<void>;
}

/** How far it may run ahead after a pause. */
const BURST_MS = 100;

/** A limit that is kept to on the average; those who wait come in the order in which they asked. */
export function createRateLimit(
  bytesPerSecond: number,
  { now = () => performance.now(), wait = delayFor }: { now?: () => number; wait?: typeof delayFor } = {},
): RateLimit {
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return {
    async take(bytes, signal) {
      const beginMs = Math.max(freeAtMs, now() - BURST_MS);
      freeAtMs = beginMs + (bytes / bytesPerSecond) * 1000;
      const waitMs = beginMs - now();
      if (waitMs > 0) await wait(waitMs, signal);
    },
  };
}

async function delayFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}
