import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  hostPolicy,
  inWords,
  knownHost,
  NOW,
  observedState,
  observedVm,
  unknownHost,
} from '../builders.ts';

const web = desiredVm({ name: 'web', host: 'b' });
const drained = { hosts: [hostPolicy('b', { state: 'drained' })] };
const offline = { hosts: [hostPolicy('b', { state: 'offline' })] };

function judge(desired: DesiredState, b: ObservedHost) {
  return assess(desired, observedState(knownHost('a'), b, knownHost('c')), { now: NOW, commit: COMMIT });
}

describe('a drained host', () => {
  it.each([
    {
      name: 'is named with the VMs that git still has there',
      git: [web, desiredVm({ name: 'db', host: 'b' })],
      there: [observedVm({ name: 'web' })],
      expected: [
        'host b is drained (cluster.yaml), and git still has db, web there: `kvm-gitops drain b` proposes where they go',
      ],
    },
    {
      name: 'is named with the VMs that git has elsewhere and that are still there',
      git: [{ ...web, host: 'a' }],
      there: [observedVm({ name: 'web' })],
      expected: ['host b is drained (cluster.yaml), and web is yet to leave it'],
    },
    { name: 'is not named once it is empty', git: [{ ...web, host: 'a' }], there: [], expected: [] },
  ])('$name', ({ git, there, expected }) => {
    expect(judge(desiredState(git, drained), knownHost('b', there)).warnings).toEqual(expected);
  });
});

describe('an offline host', () => {
  it('keeps its VMs: none is made elsewhere, none is removed', () => {
    const { plan, warnings } = judge(desiredState([web], offline), {
      ...unknownHost('b', ['web', 'old']),
      isOffline: true,
    });
    expect(plan).toMatchObject({ steps: [], held: [] });
    expect(warnings).toEqual([
      'host b is offline (cluster.yaml): old, which git does not have, stays there until it is active again',
    ]);
  });

  it('holds a VM whose lines went to another host, and says where a copy may run', () => {
    const { plan } = judge(desiredState([{ ...web, host: 'a' }], offline), {
      ...unknownHost('b', ['web']),
      isOffline: true,
    });
    expect(inWords([...plan.steps, ...plan.held])).toEqual(['create web on a']);
    expect(plan.held[0]?.reason).toMatch(
      /^host b is offline \(cluster.yaml\) and had this VM when it last answered: a copy may run there/,
    );
  });

  it('says that a VM which is new there waits', () => {
    const { warnings } = judge(desiredState([web], offline), { ...unknownHost('b', []), isOffline: true });
    expect(warnings).toEqual(['host b is offline (cluster.yaml): web is made there once it is active again']);
  });
});
