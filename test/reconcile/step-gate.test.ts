import { describe, expect, it } from 'vitest';
import type { Freeze } from '../../src/core/freeze.ts';
import type { Step } from '../../src/core/step.ts';
import { createStepGate } from '../../src/reconcile/step-gate.ts';
import { desiredState, desiredVm, NOW, observedState } from '../builders.ts';
import { fakeControl } from '../fakes/control.ts';

const base = { host: 'a', cluster: 'lab', reason: 'test' } as const;
const stop = { ...base, kind: 'stop', vm: 'web', uuid: 'web' } as const;
const start = { ...base, kind: 'start', vm: 'web', uuid: 'web' } as const;
const other = { ...base, kind: 'stop', vm: 'db', uuid: 'db' } as const;
const steps: readonly Step[] = [stop, start, other];

/** A freeze that begins a minute after NOW. */
const soon = (overrun: Freeze['overrun']): Freeze => ({
  name: 'launch',
  time: { kind: 'once', timezone: 'UTC', from: '2026-03-01T12:01', to: '2026-03-02T00:00' },
  scopes: [{}],
  overrun,
});

function gate(overrun: Freeze['overrun'] = 'finish') {
  let now = NOW;
  const control = fakeControl(() => now);
  const desired = desiredState([desiredVm()], { policy: { freezes: [soon(overrun)] } });
  const isPaused = createStepGate(steps, {
    desired,
    observed: observedState(),
    control,
    clock: { now: () => now },
  });
  const wait = () => {
    now = new Date(NOW.getTime() + 61_000);
  };
  return { control, isPaused, wait };
}

describe('right before a step', () => {
  it('a suspension that came meanwhile counts, also for a VM that is begun', async () => {
    const { control, isPaused } = gate();
    expect(await isPaused(stop)).toBe(false);
    control.standing = [
      { scope: { host: 'a', vm: 'web' }, who: 'ann', at: NOW.toISOString(), reason: 'new disks' },
    ];
    expect(await isPaused(start)).toBe(true);
    expect(await isPaused(other)).toBe(false);
  });

  it('a freeze that begins meanwhile lets the pass finish', async () => {
    const { isPaused, wait } = gate('finish');
    wait();
    expect(await Promise.all(steps.map(isPaused))).toEqual([false, false, false]);
  });

  it('with overrun: stop it lets no further VM be begun, and those that are be finished', async () => {
    const { isPaused, wait } = gate('stop');
    expect(await isPaused(stop)).toBe(false);
    wait();
    expect(await isPaused(start)).toBe(false);
    expect(await isPaused(other)).toBe(true);
  });
});
