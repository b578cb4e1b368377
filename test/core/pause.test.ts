import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import { coversVm, holdPaused, type Scope, scopeInWords } from '../../src/core/pause.ts';
import { pausesOf, type Suspension } from '../../src/core/suspension.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';

function suspension(scope: Scope): Suspension {
  return {
    scope,
    who: 'ann',
    at: NOW.toISOString(),
    until: '2026-03-01T14:00:00.000Z',
    reason: 'new disks',
  };
}

function judge(desired: DesiredState, hosts: readonly ObservedHost[], ...scopes: readonly Scope[]) {
  const pauses = pausesOf(scopes.map(suspension));
  return assess(desired, observedState(...hosts), { now: NOW, commit: COMMIT, pauses });
}

const words = (steps: readonly { kind: string; host: string }[]) =>
  steps.map((step) => `${step.kind} on ${step.host}`).toSorted();

const git = desiredState([desiredVm(), desiredVm({ name: 'db', host: 'b' })]);
const empty = [knownHost('a'), knownHost('b')];

describe('what a person has left alone', () => {
  it('is held, with who, why and until when; the rest is done', () => {
    const { plan } = judge(git, empty, { host: 'a' });
    expect(words(plan.steps)).toEqual(['create on b', 'start on b']);
    expect(plan.held).toMatchObject([
      {
        subject: 'web',
        kind: 'create',
        because: 'suspended',
        reason: 'suspended by ann until 2026-03-01 14:00:00Z: new disks',
      },
      { subject: 'web', kind: 'start', because: 'suspended' },
    ]);
  });

  it.each<{ name: string; scope: Scope; left: string[] }>([
    { name: 'everything leaves nothing to do', scope: {}, left: [] },
    { name: 'a VM leaves the others', scope: { host: 'b', vm: 'db' }, left: ['create on a', 'start on a'] },
    {
      name: 'a VM of that name on another host means nothing',
      scope: { host: 'a', vm: 'db' },
      left: ['create on a', 'create on b', 'start on a', 'start on b'],
    },
  ])('$name', ({ scope, left }) => {
    expect(words(judge(git, empty, scope).plan.steps)).toEqual(left);
  });

  it('keeps a crashed VM off too: a person works there', () => {
    const off = knownHost('a', [observedVm({ power: 'shutoff' })]);
    const { plan } = judge(desiredState([desiredVm()]), [off], { host: 'a' });
    expect(plan.steps).toEqual([]);
    expect(plan.held).toMatchObject([{ kind: 'start', because: 'suspended' }]);
  });

  it.each<Scope>([{ host: 'a' }, { host: 'b' }, { host: 'a', vm: 'web' }, { host: 'b', vm: 'web' }, {}])(
    'holds a move as a whole for the sake of either end: %j',
    (scope) => {
      const from = knownHost('a', [observedVm()]);
      const moving = desiredState([desiredVm({ host: 'b' })]);
      expect(judge(moving, [from, knownHost('b')]).plan.steps.length).toBeGreaterThan(2);
      const { plan } = judge(moving, [from, knownHost('b')], scope);
      expect(plan.steps).toEqual([]);
      expect(plan.held.every(({ because }) => because === 'suspended')).toBe(true);
    },
  );

  it('does not make a commit smaller than the guards see it: what is left of too many removals waits too', () => {
    const gone = ['v1', 'v2', 'v3'].map((name, index) =>
      knownHost(index === 0 ? 'a' : 'b', [observedVm({ name, mark: mark({}, name) })]),
    );
    const onB = gone.slice(1).flatMap((host) => (host.kind === 'known' ? host.vms : []));
    const hosts = [gone[0] ?? knownHost('a'), knownHost('b', onB)];
    const two = desiredState([desiredVm({ name: 'other', host: 'c' })], { policy: { maxRemovals: 2 } });
    const { plan } = judge(two, hosts, { host: 'a' });
    expect(plan.steps.filter(({ kind }) => kind === 'remove')).toEqual([]);
    expect(plan.confirmation).toBeDefined();
  });

  it('refuses no commit for want of the room that a held removal would make, and fills no host meanwhile', () => {
    const old = observedVm({ name: 'old', memoryMiB: 20 * 1024, mark: mark({}, 'old') });
    const big = desiredVm({ name: 'big', memoryMiB: 20 * 1024, maxMemoryMiB: 20 * 1024 });
    const host = knownHost('a', [old]);
    const { plan, shortages } = judge(desiredState([big]), [host], { host: 'a', vm: 'old' });
    expect(shortages).toEqual([]);
    expect(plan.steps).toEqual([]);
    expect(plan.held.map(({ subject, because }) => `${subject} ${because}`)).toEqual(
      expect.arrayContaining(['old suspended', 'big capacity']),
    );
  });

  it('names the widest scope where several hold', () => {
    const all = { ...suspension({}), reason: 'everything' };
    const plan = holdPaused(judge(git, empty).plan, pausesOf([suspension({ host: 'a' }), all]));
    expect(plan.held.every(({ reason }) => reason.endsWith('everything') || reason.startsWith('waits'))).toBe(
      true,
    );
  });
});

describe('a scope', () => {
  it.each([
    [{}, 'everything'],
    [{ host: 't01' }, 't01'],
    [{ host: 't01', vm: 'web' }, 't01/web'],
  ])('%j reads %s', (scope, text) => {
    expect(scopeInWords(scope)).toBe(text);
  });

  it.each([
    [{}, true],
    [{ host: 'a' }, true],
    [{ host: 'b' }, false],
    [{ host: 'a', vm: 'web' }, true],
    [{ host: 'a', vm: 'db' }, false],
  ])('%j has web on a in it: %s', (scope, expected) => {
    expect(coversVm(scope, { host: 'a', vm: 'web' })).toBe(expected);
  });
});
