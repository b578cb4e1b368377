import { describe, expect, it } from 'vitest';
import { appliedNow } from '../../src/core/applied.ts';
import { measureCapacity } from '../../src/core/capacity.ts';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { KnownHost, ObservedDisk, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import {
  adoptedVm,
  COMMIT,
  desiredState,
  desiredVm,
  hostPolicy,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  stranger,
  unknownHost,
} from '../builders.ts';
import { applyToModel } from '../fakes/apply-model.ts';

const context = { now: NOW, commit: COMMIT };
const theirs = (overrides: Partial<ObservedVm> = {}) => stranger({ name: 'web', ...overrides });

function planOf(vm: DesiredVm, host: KnownHost, ...others: KnownHost[]) {
  return plan(desiredState([vm]), observedState(host, ...others), context);
}

describe('adopting', () => {
  it('marks the VM with the name and the uuid that git says, and leaves nothing to do', () => {
    const desired = desiredState([adoptedVm()]);
    const observed = observedState(knownHost('a', [theirs()]));
    const { steps, held } = plan(desired, observed, context);
    expect({ steps: inWords(steps), held }).toEqual({ steps: ['adopt web on a'], held: [] });
    expect(steps).toMatchObject([
      {
        mark: {
          state: 'ready',
          applied: appliedNow(adoptedVm()),
          volumes: [{ target: 'vda', pool: 'default', name: 'web-vda.qcow2', made: true }],
        },
      },
    ]);
    expect(plan(desired, applyToModel(observed, steps), context)).toEqual({ steps: [], held: [] });
  });

  it('takes a clone whose mark is a copy of its original’s', () => {
    const clone = theirs({ markError: 'a copy', hasCopiedMark: true });
    expect(planOf(adoptedVm(), knownHost('a', [clone])).steps).toMatchObject([{ kind: 'adopt' }]);
  });

  it('shows in the same plan what git wants otherwise, and has the last step say that it is done', () => {
    const { steps } = planOf(adoptedVm({ vcpus: 4 }), knownHost('a', [theirs({ power: 'shutoff' })]));
    expect(steps.map(({ kind }) => kind)).toEqual(['adopt', 'resize', 'start']);
    expect(steps[0]).not.toHaveProperty('mark.applied');
    expect(steps[2]).toMatchObject({ settles: { commit: COMMIT } });
  });

  it.each<{ what: string; vm?: DesiredVm; found: ObservedVm; because?: string }>([
    { what: 'has another uuid', found: theirs({ uuid: '99999999-2222-4333-8444-555555555555' }) },
    { what: 'has another name', found: stranger({ name: 'other' }) },
    { what: 'is not named by its uuid in git', vm: desiredVm(), found: theirs() },
    { what: 'belongs to another cluster', found: { ...theirs(), mark: mark({ cluster: 'other' }) } },
    { what: 'has a mark that cannot be read', found: theirs({ markError: 'our mark lacks "state"' }) },
    { what: 'is gone when it stops', found: theirs({ persistent: false }) },
    { what: 'is paused', found: theirs({ power: 'paused' }) },
  ])('leaves a VM alone that $what', ({ vm = adoptedVm(), found }) => {
    const { steps, held } = planOf(vm, knownHost('a', [found]));
    expect(steps).toEqual([]);
    expect(held).toMatchObject([{ because: 'conflict', subject: 'web' }]);
  });

  it('leaves it alone where the uuid is there twice, or was ours on a host that does not answer', () => {
    const twice = planOf(adoptedVm(), knownHost('a', [theirs()]), knownHost('b', [theirs()]));
    expect(twice).toMatchObject({ steps: [], held: [{ because: 'conflict' }] });
    const observed = observedState(knownHost('a', [theirs()]), unknownHost('b', ['web']));
    expect(plan(desiredState([adoptedVm()]), observed, context)).toMatchObject({
      steps: [],
      held: [{ because: 'unknown', kind: 'adopt' }],
    });
  });

  it.each([
    { what: 'that git does not declare', disk: { target: 'vdb', file: '/pool/web-vdb.qcow2' } },
    { what: 'outside of every pool', disk: { target: 'vda', file: '/srv/web.img' } },
    { what: 'in a folder under a pool', disk: { target: 'vda', file: '/pool/old/web.img' } },
    { what: 'that is read-only or shareable', disk: { target: 'vda', file: '/pool/iso', isShared: true } },
    { what: 'that is no file', disk: { target: 'vda' } },
  ] satisfies { what: string; disk: ObservedDisk }[])(
    'does not take a disk for its own $what',
    ({ disk }) => {
      const { steps } = planOf(adoptedVm(), knownHost('a', [theirs({ disks: [disk] })]));
      expect(steps).toMatchObject([{ kind: 'adopt', mark: { volumes: [] } }]);
    },
  );

  it('does not take a disk for its own that another VM has, or that is an image', () => {
    const other = stranger({
      name: 'other',
      uuid: '99999999-2222-4333-8444-555555555555',
      disks: theirs().disks,
    });
    const shared = planOf(adoptedVm(), knownHost('a', [theirs(), other]));
    expect(shared.steps).toMatchObject([{ mark: { volumes: [] } }]);
    const base = theirs({ disks: [{ target: 'vda', file: '/pool/debian.qcow2', capacity: 2 * 1024 ** 3 }] });
    const desired = desiredState([adoptedVm(), desiredVm({ name: 'new', host: 'b' })]);
    const { steps } = plan(desired, observedState(knownHost('a', [base]), knownHost('b')), context);
    expect(steps.find(({ kind }) => kind === 'adopt')).toMatchObject({ mark: { volumes: [] } });
    const image = {
      name: 'old',
      pool: 'default',
      volume: 'web-vda.qcow2',
      sourceVm: { name: 'web', host: 'a' },
    };
    const source = desiredState([adoptedVm()], { hosts: [hostPolicy('a', { images: [image] })] });
    const planned = plan(source, observedState(knownHost('a', [theirs()])), context);
    expect(planned.steps).toMatchObject([{ kind: 'adopt', mark: { volumes: [] } }]);
  });

  it('holds the creation of an adopted VM that is lost: nobody could make its disks', () => {
    const { steps, held } = planOf(adoptedVm(), knownHost('a'));
    expect(steps).toEqual([]);
    expect(held).toMatchObject([{ kind: 'create', because: 'conflict' }]);
    expect(held[0]?.reason).toContain('its disks are not made of an image');
  });

  it('counts the VM once in the capacity of its host', () => {
    const desired = desiredState([adoptedVm()]);
    const observed = observedState(knownHost('a', [theirs()]));
    const [host] = measureCapacity(desired, observed, plan(desired, observed, context));
    expect(host).toMatchObject({ vcpus: { used: 2, wanted: 2 }, strangers: [] });
  });
});
