import { describe, expect, it } from 'vitest';
import { type Plan, type StartStep, type Step, subjectOf } from '../../src/core/step.ts';
import { withhold } from '../../src/core/withhold.ts';
import { mark } from '../builders.ts';

function start(vm: string, ...after: string[]): StartStep {
  const base = { kind: 'start', host: 'a', vm, uuid: vm, cluster: 'lab', reason: 'new' } as const;
  return after.length === 0 ? base : { ...base, after };
}

const objectTo = (vm: string) => (step: Step) =>
  subjectOf(step) === vm ? ({ because: 'retry', reason: 'failed once' } as const) : undefined;

describe('withholding steps', () => {
  it('leaves a plan as it is that nobody objects to', () => {
    const plan: Plan = { steps: [start('web', 'start a/db'), start('db')], held: [] };
    expect(withhold(plan, () => undefined)).toBe(plan);
  });

  it('holds what comes after a held step too, however far, and says for which it waits', () => {
    const steps = [start('proxy', 'start a/web'), start('web', 'start a/db'), start('db'), start('other')];
    const plan = withhold({ steps, held: [] }, objectTo('db'));
    expect(plan.steps).toEqual([start('other')]);
    expect(Object.fromEntries(plan.held.map(({ subject, reason }) => [subject, reason]))).toEqual({
      db: 'failed once',
      web: 'waits for the start of db on a, which is held',
      proxy: 'waits for the start of web on a, which is held',
    });
    expect(plan.held.every(({ because }) => because === 'retry')).toBe(true);
  });

  it('holds all that is to be done to a VM which a held step would have brought', () => {
    const restore = { ...start('web'), kind: 'restore', autostart: true, mark: mark() } as const;
    const steps: Step[] = [restore, start('web'), start('db')];
    const plan = withhold({ steps, held: [] }, ({ kind }) =>
      kind === 'restore' ? { because: 'retry', reason: 'failed once' } : undefined,
    );
    expect(plan.steps).toEqual([start('db')]);
    expect(plan.held.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['restore', 'failed once'],
      ['start', 'waits for the restore of web on a, which is held'],
    ]);
  });

  it('lets no step say that all is applied of a VM of which one is held', () => {
    const settles = { applied: { power: '01234567' }, commit: 'c0ffee' };
    const base = { host: 'a', vm: 'web', uuid: 'web', cluster: 'lab', reason: 'in git' };
    const grow = { ...base, kind: 'grow', target: 'vdb', bytes: 1 } as const;
    const steps = [grow, { ...start('web'), settles }, { ...start('db'), settles }];
    const plan = withhold({ steps, held: [] }, ({ kind }) =>
      kind === 'grow' ? { because: 'capacity', reason: 'full' } : undefined,
    );
    expect(plan.steps).toEqual([start('web'), { ...start('db'), settles }]);
  });
});
