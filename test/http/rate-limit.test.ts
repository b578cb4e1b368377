import { expect, it } from 'vitest';
import { createRateLimiter } from '../../src/http/rate-limit.ts';
import { createSeenDeliveries } from '../../src/http/seen-deliveries.ts';

it('gives a source its tokens back as time goes by, and no more than it had', () => {
  let now = 0;
  const limiter = createRateLimiter({ burst: 2, perSecond: 0.5, sources: 10 }, () => now);
  const refused = () => limiter.take('a') !== undefined;
  expect([refused(), refused(), refused()]).toEqual([false, false, true]);
  expect(limiter.take('a')).toEqual({ retryAfterS: 2, isFirst: false });
  now = 2_000;
  expect([refused(), refused()]).toEqual([false, true]);
  now = 1e9;
  expect([refused(), refused(), refused()]).toEqual([false, false, true]);
});

it('forgets the source that was quiet longest, so that its memory is bounded', () => {
  const limiter = createRateLimiter({ burst: 1, perSecond: 1e-9, sources: 2 }, () => 0);
  for (const source of ['a', 'b']) expect(limiter.take(source)).toBeUndefined();
  expect(limiter.take('a')).toBeDefined();
  expect(limiter.take('c')).toBeUndefined();
  expect(limiter.take('a')).toBeDefined();
  expect(limiter.take('b')).toBeUndefined();
});

it('remembers a bounded number of deliveries, and none with an endless id', () => {
  const seen = createSeenDeliveries(() => 0);
  for (let id = 0; id < 1_001; id++) seen.add(String(id));
  seen.add('x'.repeat(10_000));
  expect([seen.has('0'), seen.has('1'), seen.has('1000')]).toEqual([false, true, true]);
  expect(seen.has('x'.repeat(10_000))).toBe(false);
});
