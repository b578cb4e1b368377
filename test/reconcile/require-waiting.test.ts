import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Report } from '../../src/core/report.ts';
import { requireWaiting } from '../../src/reconcile/require-waiting.ts';
import { openJournal } from '../../src/state/journal.ts';
import { report } from '../builders.ts';

const HASH = '0123456789ab';
const of = (sha: string, confirmation?: string): Report => ({
  ...report({ ...(confirmation !== undefined && { confirmation }) }),
  revision: { sha, subject: sha, author: 'Ann', date: '2026-01-01T00:00:00Z' },
});
const rewind = (sha: string, confirmation: string): Report => ({
  ...of(sha, confirmation),
  status: 'refused',
  error: { code: 'E_GIT_REWIND', message: 'the branch was rewritten' },
});

/** A journal of these, newest first. */
async function journal(...reports: readonly Report[]) {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-journal-'));
  const opened = await openJournal(dir);
  onTestFinished(async () => {
    await opened.close();
    rmSync(dir, { recursive: true, force: true });
  });
  for (const one of reports.toReversed()) await opened.append(one);
  return opened;
}

describe('what can be confirmed', () => {
  it.each<[string, readonly Report[]]>([
    ['what the newest report holds back', [of('b', HASH), of('a')]],
    ['what the commit in force holds back while a newer one is refused', [of('b'), of('a', HASH)]],
    ['that also after the refused one was reported again', [of('b'), of('b'), of('b'), of('a', HASH)]],
    [
      'a rewind also after a VM of the commit in force has failed often',
      [...Array.from({ length: 30 }, () => of('a')), rewind('b', HASH), of('a')],
    ],
  ])('is %s', async (_, reports) => {
    await expect(requireWaiting(await journal(...reports), HASH, 'all')).resolves.toBeUndefined();
  });

  it.each<[string, readonly Report[], string]>([
    ['anything else', [of('b', 'ba9876543210')], 'what waits is ba9876543210'],
    ['what is done by now', [of('b'), of('b', HASH)], 'nothing waits'],
    ['what an older commit held back', [of('c'), of('b'), of('a', HASH)], 'nothing waits'],
    ['anything before the first pass', [], 'nothing waits'],
  ])('is not %s', async (_, reports, why) => {
    await expect(requireWaiting(await journal(...reports), HASH, 'all')).rejects.toThrow(why);
  });

  it.each<[string, readonly Report[], string]>([
    ['is a removal', [of('b'), of('a', HASH)], 'confirmed'],
    ['is no rewind', [rewind('b', HASH), of('a')], `${HASH} lets the branch be rewritten or taken back`],
    [
      'is not told of a rewind either',
      [rewind('b', 'ba9876543210'), of('a')],
      'holds back: nothing waits for a confirmation',
    ],
  ])('where only removals may be %s', async (_, reports, answer) => {
    const asked = requireWaiting(await journal(...reports), HASH, 'removals');
    const said = await asked.then(
      () => 'confirmed',
      (error: unknown) => String(error),
    );
    expect(said).toContain(answer);
  });
});
