import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 50;

/** Asks again and again until it is so; false when the time is up. */
export async function waitFor(isSo: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > until) return false;
    await delay(PAUSE_MS);
  }
  return true;
}
