import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../../src/hosts/copy/rate-limit.ts';

/** A limit of 1000 bytes per second, and a clock that goes on when somebody waits. */
function limitWithClock() {
  const clock = { ms: 0 };
  const limit = createRateLimit(1000, {
    now: () => clock.ms,
    wait: async (ms) => {
      const until = clock.ms + ms;
      await Promise.resolve();
      clock.ms = Math.max(clock.ms, until);
    },
  });
  return { clock, limit };
}

describe('a rate limit', () => {
  it('is kept to on the average', async () => {
    const { clock, limit } = limitWithClock();
    for (let i = 0; i < 100; i++) await limit.take(100);
    expect(clock.ms).toBeGreaterThanOrEqual(9700);
    expect(clock.ms).toBeLessThanOrEqual(10_000);
  });

  it('holds for all that share it together, and treats them alike', async () => {
    const { clock, limit } = limitWithClock();
    const done = [0, 0];
    const worker = async (index: 0 | 1) => {
      while (clock.ms < 10_000) {
        await limit.take(100);
        done[index] = (done[index] ?? 0) + 100;
      }
    };
    await Promise.all([worker(0), worker(1)]);
    const [one = 0, other = 0] = done;
    expect(one + other).toBeLessThanOrEqual(10_500);
    expect(Math.abs(one - other)).toBeLessThanOrEqual(200);
  });

  it('saves up little over a pause', async () => {
    const { clock, limit } = limitWithClock();
    clock.ms = 60_000;
    await limit.take(1000);
    await limit.take(1);
    expect(clock.ms).toBeGreaterThanOrEqual(60_900);
  });

  it('is not waited for once the signal has fired', async () => {
    const limit = createRateLimit(1);
    await limit.take(1000);
    const stop = new AbortController();
    const waiting = limit.take(1, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow('aborted');
  });
});
