import { describe, expect, it } from 'vitest';
import type { DesiredState, DesiredVm } from '../../src/core/desired.ts';
import { guard } from '../../src/core/guard.ts';
import type { MarkedVolume } from '../../src/core/mark.ts';
import type { DetachStep, PurgeStep, ReclaimStep, Step } from '../../src/core/step.ts';
import { desiredState, desiredVm, inWords, mark, NOW, removeStep } from '../builders.ts';

const git = desiredState([desiredVm({ name: 'other' })], { policy: { maxRemovals: 2 } });

function guarded(steps: readonly Step[], desired: DesiredState = git) {
  return guard({ steps, held: [] }, desired);
}

function purgeStep(vm: string, overrides: Partial<PurgeStep> = {}): PurgeStep {
  return { ...removeStep(vm), kind: 'purge', mark: mark({ state: 'tombstone' }, vm), ...overrides };
}

const retention = { at: NOW.toISOString(), purgeAfter: NOW.toISOString(), commit: 'dead' };

function detachStep(vm: string, overrides: Partial<DetachStep> = {}): DetachStep {
  const volume: MarkedVolume = { target: 'vdb', pool: 'default', name: `${vm}-vdb.qcow2`, made: true };
  return { ...removeStep(vm), kind: 'detach', mark: mark({}, vm), volume, retention, ...overrides };
}

function reclaimStep(vm: string, overrides: Partial<ReclaimStep> = {}): ReclaimStep {
  const { volume } = detachStep(vm);
  const step = { ...removeStep(vm), kind: 'reclaim', mark: mark({}, vm) } as const;
  return { ...step, volume: { ...volume, retained: retention }, ...overrides };
}

const protectedMark = mark({ state: 'tombstone', protect: true });

describe('guard', () => {
  it.each<{ name: string; steps: Step[]; git?: DesiredVm[]; days?: number; because?: string }>([
    { name: 'lets a few removals pass', steps: [removeStep('web'), removeStep('db')] },
    { name: 'lets a few purges pass', steps: [purgeStep('web'), purgeStep('db')] },
    {
      name: 'counts removals and purges apart',
      steps: [removeStep('web'), removeStep('db'), purgeStep('x'), purgeStep('y')],
    },
    {
      name: 'holds every removal when there are too many',
      steps: [removeStep('web'), removeStep('db'), removeStep('log')],
      because: '3 VMs at once, and policy.maxRemovals is 2',
    },
    {
      name: 'holds every purge when there are too many',
      steps: [purgeStep('web'), purgeStep('db'), purgeStep('log')],
      because: '3 VMs at once',
    },
    { name: 'lets a few disks go', steps: [detachStep('web'), detachStep('db'), reclaimStep('x')] },
    {
      name: 'holds every disk that is taken out when there are too many',
      steps: [detachStep('web'), detachStep('db'), detachStep('log')],
      because: '3 disks at once, and policy.maxRemovals is 2',
    },
    {
      name: 'holds every deletion of kept volumes when there are too many',
      steps: [reclaimStep('web'), reclaimStep('db'), reclaimStep('log')],
      because: '3 kept volumes at once',
    },
    {
      name: 'holds the disks of a protected VM',
      steps: [detachStep('web', { mark: protectedMark }), reclaimStep('web', { mark: protectedMark })],
      because: 'protected',
    },
    {
      name: 'holds a disk that would not be kept at all',
      steps: [detachStep('web')],
      days: 0,
      because: 'tombstoneDays is 0',
    },
    {
      name: 'holds any removal when git is empty',
      steps: [removeStep('web')],
      git: [],
      because: 'no VM at all',
    },
    {
      name: 'holds any removal when the disks would not be kept at all',
      steps: [removeStep('web')],
      days: 0,
      because: 'tombstoneDays is 0',
    },
    {
      name: 'holds the removal of a protected VM',
      steps: [removeStep('web', { mark: protectedMark })],
      because: 'protected',
    },
    {
      name: 'holds the purge of a protected VM',
      steps: [purgeStep('web', { mark: protectedMark })],
      because: 'protected',
    },
  ])('$name', ({ steps, git: vms, days, because }) => {
    const desired = vms === undefined ? git : desiredState(vms);
    const policy = { ...desired.policy, ...(days !== undefined && { tombstoneDays: days }) };
    const result = guarded(steps, { ...desired, policy });
    expect(inWords(result.steps)).toEqual(because === undefined ? inWords(steps) : []);
    expect(result.held).toHaveLength(because === undefined ? 0 : steps.length);
    for (const held of result.held) {
      expect(held.because).toBe('guard');
      expect(held.reason).toContain(because);
    }
    expect(/^[0-9a-f]{12}$/.test(result.confirmation ?? '')).toBe(because !== undefined);
  });

  it('holds the protected VM alone and lets the others go', () => {
    const result = guarded([removeStep('web', { mark: protectedMark }), removeStep('db')]);
    expect(inWords(result.steps)).toEqual(['remove db on a']);
    expect(inWords(result.held)).toEqual(['remove web on a']);
  });

  describe('the confirmation', () => {
    const empty = desiredState([]);
    const hashOf = (...steps: Step[]) => guarded(steps, empty).confirmation;

    it('is the same whatever the order, the hour and the commit', () => {
      const later = removeStep('web', { reason: 'later', mark: { ...removeStep('web').mark } });
      expect(hashOf(removeStep('db'), later)).toBe(hashOf(removeStep('web'), removeStep('db')));
    });

    it.each([
      { name: 'another VM', step: removeStep('db') },
      { name: 'another host', step: removeStep('web', { host: 'b' }) },
      {
        name: 'the same VM after it came back with another commit',
        step: removeStep('web', { mark: { ...removeStep('web').mark, commit: 'another' } }),
      },
    ])('does not hold for $name', ({ step }) => {
      expect(hashOf(step)).not.toBe(hashOf(removeStep('web')));
    });

    it('of a purge does not hold for the next removal of a VM of that name', () => {
      const later = {
        ...protectedMark,
        removed: {
          at: '2027-01-01T00:00:00.000Z',
          purgeAfter: '2027-01-08T00:00:00.000Z',
          commit: 'x',
          complete: true,
        },
      };
      expect(hashOf(purgeStep('web', { mark: later }))).not.toBe(
        hashOf(purgeStep('web', { mark: protectedMark })),
      );
    });
  });
});
