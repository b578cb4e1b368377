import { describe, expect, it } from 'vitest';
import { record } from '../../src/reconcile/record.ts';
import { NOW, report, revision, stepResult } from '../builders.ts';
import { fakeJournal, fakeNotes } from '../fakes/records.ts';

const A = revision('aaaa');
const superseded = report({ revision: A, status: 'superseded', supersededBy: 'bbbb' });

describe('record', () => {
  it.each([
    { first: 'applied', kept: 'applied' },
    { first: 'partial', kept: 'superseded' },
    { first: 'failed', kept: 'superseded' },
  ] as const)('lets a pass cut short by a newer commit leave $first at $kept', async ({ first, kept }) => {
    const deps = {
      journal: fakeJournal(),
      notes: fakeNotes(),
      clock: { now: () => NOW },
      onProgress: () => {},
    };
    await record(deps, report({ revision: A, status: first, steps: [stepResult()] }), true);
    await record(deps, superseded, true);
    expect(await deps.journal.last()).toMatchObject({ status: kept });
    expect(deps.notes.texts.get(A.sha)).toMatch(new RegExp(`^${kept}`));
  });
});
