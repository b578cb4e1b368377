import { describe, expect, it } from 'vitest';
import type { StepResult } from '../../src/core/report.ts';
import { type Plan, type StartStep, subjectOf } from '../../src/core/step.ts';
import { createRetryPacer } from '../../src/reconcile/retry-pacer.ts';

const COMMIT = 'a'.repeat(40);
const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));

function start(vm: string): StartStep {
  return { kind: 'start', host: 't01', vm, uuid: vm, cluster: 'lab', reason: 'new' };
}

function planOf(...vms: string[]): Plan {
  return { steps: vms.map(start), held: [] };
}

function failed(vm: string): StepResult {
  const error = { code: 'E_LIBVIRT', message: 'no space left' };
  return { host: 't01', subject: vm, kind: 'start', reason: 'new', outcome: 'failed', durationMs: 1, error };
}

function done(vm: string): StepResult {
  return { host: 't01', subject: vm, kind: 'start', reason: 'new', outcome: 'done', durationMs: 1 };
}

describe('the pacer of retries', () => {
  it('lets a plan pass while nothing has failed', () => {
    const plan = planOf('web');
    expect(createRetryPacer().limit(plan, COMMIT, at(0))).toBe(plan);
  });

  it('holds back the VM that failed, says why and until when, and lets the others go on', () => {
    const pacer = createRetryPacer();
    pacer.remember(COMMIT, [failed('web'), done('db')], at(0));
    const { steps, held } = pacer.limit(planOf('web', 'db'), COMMIT, at(1));
    expect(steps.map(subjectOf)).toEqual(['db']);
    expect(held).toMatchObject([
      {
        subject: 'web',
        because: 'retry',
        reason: 'failed once, next try at 2026-01-01T00:00:05.000Z: no space left',
      },
    ]);
  });

  it.each([
    { failures: 1, waitS: 5 },
    { failures: 2, waitS: 10 },
    { failures: 4, waitS: 40 },
    { failures: 20, waitS: 300 },
  ])('waits $waitS s after $failures failures in a row', ({ failures, waitS }) => {
    const pacer = createRetryPacer();
    for (let n = 0; n < failures; n++) pacer.remember(COMMIT, [failed('web')], at(0));
    expect(pacer.limit(planOf('web'), COMMIT, at(waitS - 1)).steps).toEqual([]);
    expect(pacer.limit(planOf('web'), COMMIT, at(waitS)).steps).toHaveLength(1);
  });

  it('tries a new commit at once: it may be the mending one', () => {
    const pacer = createRetryPacer();
    pacer.remember(COMMIT, [failed('web')], at(0));
    expect(pacer.limit(planOf('web'), 'b'.repeat(40), at(1)).steps).toHaveLength(1);
  });

  it('forgets the failures of a VM that works again', () => {
    const pacer = createRetryPacer();
    for (let n = 0; n < 6; n++) pacer.remember(COMMIT, [failed('web')], at(0));
    pacer.remember(COMMIT, [done('web')], at(0));
    pacer.remember(COMMIT, [failed('web')], at(0));
    expect(pacer.limit(planOf('web'), COMMIT, at(5)).steps).toHaveLength(1);
  });
});
