import { describe, expect, it } from 'vitest';
import type { Step } from '../../src/core/step.ts';
import type { ProgressEvent } from '../../src/reconcile/progress.ts';
import { tellCommits } from '../../src/reconcile/tell-commits.ts';
import { CLUSTER, report, revision, stepResult } from '../builders.ts';

const start: Step = { kind: 'start', host: 'a', vm: 'web', uuid: 'uuid', cluster: CLUSTER, reason: 'new' };
const planned = (sha: string, ...steps: readonly Step[]): ProgressEvent => ({
  kind: 'planned',
  cluster: CLUSTER,
  revision: revision(sha),
  plan: { steps, held: [] },
});
const recorded = (sha: string, news = true): ProgressEvent => ({
  kind: 'recorded',
  isHead: true,
  news,
  report: report({ revision: revision(sha), steps: [stepResult({ kind: 'start' })] }),
});

function toldOf(...events: readonly ProgressEvent[]): string[] {
  const told: string[] = [];
  const hear = tellCommits((sha, { state, description }) => told.push(`${sha} ${state}: ${description}`));
  for (const event of events) hear(event);
  return told;
}

describe('a forge', () => {
  it.each([
    {
      what: 'is told that a commit is being applied, and then what came of it',
      events: [planned('one', start), recorded('one')],
      told: ['one pending: applying 1 step', 'one success: applied: started 1'],
    },
    {
      what: 'is told nothing of a pass that does nothing and finds nothing new',
      events: [planned('one'), recorded('one', false)],
      told: [],
    },
    {
      what: 'goes on to show a commit as applied while a later pass heals',
      events: [recorded('one'), planned('one', start), recorded('one')],
      told: ['one success: applied: started 1', 'one success: applied: started 1'],
    },
    {
      what: 'is told of the next commit again',
      events: [recorded('one'), planned('two', start)],
      told: ['one success: applied: started 1', 'two pending: applying 1 step'],
    },
  ])('$what', ({ events, told }) => {
    expect(toldOf(...events)).toEqual(told);
  });
});
