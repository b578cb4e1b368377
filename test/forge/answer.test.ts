import { describe, expect, it } from 'vitest';
import { judgeAnswer, reasonOf } from '../../src/forge/answer.ts';

const NOW = new Date('2026-11-25T12:00:00Z');
const IN_HALF_AN_HOUR = String(NOW.getTime() / 1000 + 1800);

describe('how long a forge is left alone', () => {
  it.each<{ what: string; status: number; headers: Record<string, string>; afterMs: number | undefined }>([
    {
      what: 'until its limit is over, where nothing remains',
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': IN_HALF_AN_HOUR },
      afterMs: 1_800_000,
    },
    {
      what: 'as it says, though its limit ends later',
      status: 429,
      headers: { 'retry-after': '7', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': IN_HALF_AN_HOUR },
      afterMs: 7000,
    },
    {
      what: 'not until its limit is over, where that is not used up',
      status: 429,
      headers: { 'x-ratelimit-remaining': '4999', 'x-ratelimit-reset': IN_HALF_AN_HOUR },
      afterMs: undefined,
    },
    {
      what: 'not until its limit is over, where it is only broken',
      status: 500,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': IN_HALF_AN_HOUR },
      afterMs: undefined,
    },
    {
      what: 'ten minutes at most, where it is only broken',
      status: 503,
      headers: { 'retry-after': '3600' },
      afterMs: 600_000,
    },
    { what: 'an hour at most', status: 429, headers: { 'retry-after': '99999' }, afterMs: 3_600_000 },
  ])('is $what', ({ status, headers, afterMs }) => {
    const verdict = judgeAnswer({ status, headers: new Headers(headers) }, '', NOW);
    expect(verdict).toMatchObject({ kind: 'again' });
    expect(verdict).toHaveProperty('afterMs', afterMs);
  });
});

describe('why there was no answer', () => {
  it('is what fetch hides, and not what it says of what it was given', async () => {
    const refused = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    expect(reasonOf(refused)).toBe('connect ECONNREFUSED');
    const error = await fetch('http://127.0.0.1:1/', {
      headers: { authorization: 'Bearer a\ncanary' },
    }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('canary');
    expect(reasonOf(error)).toBe('no answer (TypeError)');
  });
});
