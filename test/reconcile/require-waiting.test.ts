import { describe, expect, it } from 'vitest';
import type { Report } from '../../src/core/report.ts';
import { requireWaiting } from '../../src/reconcile/require-waiting.ts';
import { report } from '../builders.ts';

const HASH = '0123456789ab';
const of = (sha: string, confirmation?: string): Report => ({
  ...report({ ...(confirmation !== undefined && { confirmation }) }),
  revision: { sha, subject: sha, author: 'Ann', date: '2026-01-01T00:00:00Z' },
});
/** Newest first. */
const journal = (...reports: readonly Report[]) => ({
  recent: async (limit: number) => reports.slice(0, limit),
});

describe('what can be confirmed', () => {
  it.each<[string, readonly Report[]]>([
    ['what the newest report holds back', [of('b', HASH), of('a')]],
    ['what the commit in force holds back while a newer one is refused', [of('b'), of('a', HASH)]],
    ['that also after the refused one was reported again', [of('b'), of('b'), of('b'), of('a', HASH)]],
  ])('is %s', async (_, reports) => {
    await expect(requireWaiting(journal(...reports), HASH)).resolves.toBeUndefined();
  });

  it.each<[string, readonly Report[], string]>([
    ['anything else', [of('b', 'ba9876543210')], 'what waits is ba9876543210'],
    ['what is done by now', [of('b'), of('b', HASH)], 'nothing waits'],
    ['what an older commit held back', [of('c'), of('b'), of('a', HASH)], 'nothing waits'],
    ['anything before the first pass', [], 'nothing waits'],
  ])('is not %s', async (_, reports, why) => {
    await expect(requireWaiting(journal(...reports), HASH)).rejects.toThrow(why);
  });
});
