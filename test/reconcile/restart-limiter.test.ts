import { describe, expect, it } from 'vitest';
import type { Step } from '../../src/core/step.ts';
import { createRestartLimiter } from '../../src/reconcile/restart-limiter.ts';
import { inWords, mark, NOW } from '../builders.ts';

const base = { host: 'a', cluster: 'lab', reason: 'shut off' };
const start: Step = { ...base, kind: 'start', vm: 'web', uuid: 'uuid-web' };
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

/** Whether each start, so many seconds after the first, is made at once. */
function startedAt(...seconds: readonly number[]): boolean[] {
  const limiter = createRestartLimiter();
  return seconds.map((second) => {
    const { steps } = limiter.limit({ steps: [start], held: [] }, later(second));
    limiter.remember(steps, later(second));
    return steps.length === 1;
  });
}

describe('the restart limiter', () => {
  it('lets a VM be restarted once for a reason, until a plan restarts it no more', () => {
    const limiter = createRestartLimiter();
    const restart: Step = { ...start, kind: 'restart', reason: 'vcpus 1 -> 2', run: 1 };
    const pass = (...steps: readonly Step[]) => {
      const limited = limiter.limit({ steps, held: [] }, NOW);
      limiter.remember(limited.steps, NOW);
      return limited;
    };
    expect(pass(restart).held).toEqual([]);
    expect(pass({ ...restart, run: 2 }).held).toMatchObject([{ because: 'restarts', kind: 'restart' }]);
    expect(pass({ ...restart, reason: 'vcpus 1 -> 4' }).held).toEqual([]);
    pass();
    expect(pass(restart).held).toEqual([]);
  });

  it.each([
    { name: 'lets three starts pass', at: [0, 1, 2], made: [true, true, true] },
    { name: 'lets the fourth wait for 30 s', at: [0, 1, 2, 31, 33], made: [true, true, true, false, true] },
    {
      name: 'doubles the wait each time',
      at: [0, 1, 2, 40, 99, 101],
      made: [true, true, true, true, false, true],
    },
    { name: 'forgets starts after ten minutes', at: [0, 1, 2, 603], made: [true, true, true, true] },
  ])('$name', ({ at, made }) => {
    expect(startedAt(...at)).toEqual(made);
  });

  const passage = { host: 'b', at: NOW.toISOString(), commit: 'dead' };
  it.each<Step>([
    { ...start, kind: 'stop' },
    { ...start, kind: 'remove', mark: mark() },
    { ...start, kind: 'depart', to: passage, volumes: [] },
  ])('forgets the starts of a VM that git has shut off: $kind', (off) => {
    const limiter = createRestartLimiter();
    limiter.remember([start, start, start, off], NOW);
    expect(limiter.limit({ steps: [start], held: [] }, later(1)).held).toEqual([]);
  });

  it('holds the start alone, and says when the next one is', () => {
    const limiter = createRestartLimiter();
    limiter.remember([start, start, start], NOW);
    const steps: Step[] = [
      start,
      { ...base, kind: 'stop', vm: 'web', uuid: 'uuid-web' },
      { ...start, vm: 'db', uuid: 'uuid-db' },
    ];
    const limited = limiter.limit({ steps, held: [] }, later(10));
    expect(inWords(limited.steps)).toEqual(['stop web on a', 'start db on a']);
    expect(limited.held).toMatchObject([{ subject: 'web', because: 'restarts', kind: 'start' }]);
    expect(limited.held[0]?.reason).toContain('next try at 2026-03-01T12:00:30.000Z');
  });
});
