import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import { shortageIssues } from '../../src/core/capacity-check.ts';
import type { DesiredVm, NewVm } from '../../src/core/desired.ts';
import type { Mark, Passage } from '../../src/core/mark.ts';
import type { KnownHost, ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import { orderSteps } from '../../src/core/order-steps.ts';
import { stepId } from '../../src/core/step.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  GIB,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
  pool,
} from '../builders.ts';

/** Half of a full host. */
const SIZE = { memoryMiB: 4096, maxMemoryMiB: 4096 };
const wanted = (name: string, host: string, change: Partial<NewVm> = {}) =>
  desiredVm({ name, host, ...SIZE, ...change });
const there = (name: string, change: Partial<ObservedVm> = {}) =>
  observedVm({ name, ...SIZE, macs: [macOf(name)], nics: [], ...change });
const macOf = (name: string) => `52:54:00:00:00:${Buffer.from(name).toString('hex').slice(0, 2)}`;
const full = (name: string, ...vms: readonly ObservedVm[]) => knownHost(name, vms, { memoryMiB: 4096 });
const roomy = (name: string, ...vms: readonly ObservedVm[]) => knownHost(name, vms, { memoryMiB: 8192 });

function assessed(git: readonly DesiredVm[], hosts: readonly ObservedHost[]) {
  const desired = desiredState(git);
  const observed = observedState(...hosts);
  const assessment = assess(desired, observed, { now: NOW, commit: COMMIT });
  return { ...assessment, issues: shortageIssues(assessment.shortages, desired, observed) };
}

/** Which steps wait for what stops elsewhere: `start db on a: web`. */
function waits(git: readonly DesiredVm[], hosts: readonly ObservedHost[]): string[] {
  const { plan, issues } = assessed(git, hosts);
  expect(issues).toEqual([]);
  return orderSteps(plan.steps).flatMap(({ step }) => {
    const own = 'vm' in step ? `/${step.vm}` : '';
    const others = (step.after ?? []).filter((id) => /^(depart|remove|stop) /.test(id) && !id.endsWith(own));
    return others.length === 0 ? [] : [`${stepId(step)}: ${others.join(', ')}`];
  });
}

const passage = (host: string): Passage => ({ host, at: '2026-03-01T11:00:00.000Z', commit: 'c0ffee' });
const off = (name: string, change: Partial<Mark>) =>
  there(name, { power: 'shutoff', autostart: false, mark: mark(change, name) });
const swapped = [wanted('db', 'a'), wanted('web', 'b')];

describe('what starts on a host', () => {
  it.each([
    {
      name: 'waits for nothing where both of two that change places have room beside the other',
      git: swapped,
      hosts: [roomy('a', there('web')), roomy('b', there('db'))],
      order: [],
    },
    {
      name: 'waits until the other one is off, of two that change places between full hosts',
      git: swapped,
      hosts: [full('a', there('web')), full('b', there('db'))],
      order: ['depart a/web: depart b/db', 'start a/db: depart a/web', 'start b/web: depart b/db'],
    },
    {
      name: 'waits on that host alone that is full',
      git: swapped,
      hosts: [full('a', there('web')), roomy('b', there('db'))],
      order: ['depart b/db: depart a/web', 'start a/db: depart a/web'],
    },
    {
      name: 'is not stopped for its move before its place is free',
      git: [wanted('db', 'c'), wanted('web', 'b')],
      hosts: [full('a', there('web')), full('b', there('db')), full('c')],
      order: ['depart a/web: depart b/db', 'start b/web: depart b/db'],
    },
    {
      name: 'waits for the other one still where it was cut short once it had arrived',
      git: swapped,
      hosts: [
        full('a', off('web', { state: 'migrating', to: passage('b') })),
        full('b', there('db'), there('web', { power: 'shutoff', mark: mark({ from: passage('a') }, 'web') })),
      ],
      order: ['start b/web: depart b/db'],
    },
    {
      name: 'waits for what is removed, where it is new',
      git: [wanted('web', 'a')],
      hosts: [full('a', there('db'))],
      order: ['start a/web: remove a/db'],
    },
    {
      name: 'waits for nothing where it was there all the time',
      git: [wanted('web', 'a'), wanted('db', 'b')],
      hosts: [full('a', there('web', { power: 'shutoff' }), there('db')), full('b')],
      order: [],
    },
    {
      name: 'waits for no more than it needs',
      git: [wanted('web', 'a'), wanted('log', 'a'), wanted('db', 'b')],
      hosts: [roomy('a', there('db')), full('b')],
      order: ['start a/web: depart a/db'],
    },
  ])('$name', ({ git, hosts, order }) => {
    expect(waits(git, hosts).toSorted()).toEqual(order.toSorted());
  });
});

describe('two VMs that change places where the pools have no room for both', () => {
  const disk = { target: 'vda', capacity: 60 * GIB, physical: 60 * GIB };
  const big = (name: string) => there(name, { disks: [{ ...disk, file: `/pool/${name}-vda.qcow2` }] });
  const narrow = (name: string, vm: ObservedVm): KnownHost =>
    knownHost(name, [vm], { pools: new Map([['default', pool({ available: 40 * GIB })]]) });

  it('are refused before anything is touched, with what to do', () => {
    const { issues } = assessed(swapped, [narrow('a', big('web')), narrow('b', big('db'))]);
    expect(issues.map(({ message }) => message)).toEqual([
      'host a has no room: pool default 120 GiB wanted, 100 GiB to give, 60 GiB used now (the host has 100 GiB); ' +
        'the disks of what leaves it (web) stay there until their date: make room, or move web first, to where there ' +
        'is room, then `kvm-gitops purge web`, and then db',
      expect.stringMatching(/^host b has no room: .* leaves it \(db\) stay there .* and then web$/),
    ]);
  });

  it('holds two that would change places live where no host could run both', () => {
    const live = { migration: 'live' } as const;
    const git = [wanted('db', 'a', live), wanted('web', 'b', live)];
    const { plan } = assessed(git, [full('a', there('web')), full('b', there('db'))]);
    expect(plan.steps).toEqual([]);
    expect(plan.held).toContainEqual(
      expect.objectContaining({ because: 'capacity', reason: expect.stringContaining('move offline') }),
    );
  });

  it('lets one that comes live wait for the one that leaves live', () => {
    const live = { migration: 'live' } as const;
    const git = [wanted('db', 'a', live), wanted('web', 'c', live)];
    const { plan } = assessed(git, [full('a', there('web')), roomy('b', there('db')), roomy('c')]);
    const comes = plan.steps.find((step) => stepId(step) === 'migrate a/db');
    expect(comes?.after).toContain('migrate c/web');
  });
});
