import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import type { Snapshot, SnapshotAction, SnapshotRequest } from '../../src/core/snapshot.ts';
import { snapshotStep } from '../../src/core/snapshot-command.ts';
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
} from '../builders.ts';

const CONTEXT = { now: NOW, commit: COMMIT };
const AT = '2026-02-20T12:00:00.000Z';

function taken(name: string, change: Partial<Snapshot> = {}): Snapshot {
  const disks = [{ target: 'vda', pool: 'default', overlay: `web-vda.${name}.qcow2` }];
  return { name, at: AT, by: 'command', state: 'ready', disks, ...change };
}

function asked(action: SnapshotAction, snapshot: string): { request: SnapshotRequest } {
  return { request: { uuid: observedVm().uuid, action, snapshot, at: AT } };
}

interface Case {
  readonly git?: Partial<DesiredVm>;
  readonly snapshots?: readonly Snapshot[];
  readonly found?: Partial<ObservedVm>;
}

function judge({ git = {}, snapshots = [], found = {} }: Case) {
  const seen = observedVm({ mark: mark(snapshots.length > 0 ? { snapshots } : {}), ...found });
  const wanted: DesiredVm = { ...desiredVm(), ...git };
  const { steps, held } = plan(desiredState([wanted]), observedState(knownHost('a', [seen])), CONTEXT);
  return {
    steps: steps.map((step) => ('snapshot' in step ? `${step.kind} ${step.snapshot}` : step.kind)),
    held: held.map(({ kind, because }) => `${kind}: ${because}`),
  };
}

describe('snapshots of a VM in git', () => {
  it.each<Case & { what: string; steps: readonly string[] }>([
    { what: 'that git declares are taken', git: { snapshots: ['one'] }, steps: ['snapshot one'] },
    {
      what: 'that git declares and that are there stay',
      git: { snapshots: ['one'] },
      snapshots: [taken('one')],
      steps: [],
    },
    {
      what: 'that git no longer declares are merged',
      snapshots: [taken('one', { by: 'git' })],
      steps: ['merge one'],
    },
    { what: 'by command stay', snapshots: [taken('one')], steps: [] },
    { what: 'are taken when asked for', found: asked('create', 'one'), steps: ['snapshot one'] },
    {
      what: 'are merged when asked for',
      snapshots: [taken('one')],
      found: asked('delete', 'one'),
      steps: ['merge one'],
    },
    {
      what: 'are gone back to when asked for, and the VM is started after',
      snapshots: [taken('one')],
      found: asked('revert', 'one'),
      steps: ['revert one', 'start'],
    },
    {
      what: 'that are newer than the one gone back to are taken again where git declares them',
      git: { snapshots: ['two'], power: 'off' },
      snapshots: [taken('one'), taken('two', { by: 'git' })],
      found: asked('revert', 'one'),
      steps: ['revert one', 'snapshot two'],
    },
    {
      what: 'that are newer than the one gone back to, and by git of old, are not merged but gone',
      git: { power: 'off' },
      snapshots: [taken('one'), taken('two', { by: 'git' })],
      found: asked('revert', 'one'),
      steps: ['revert one'],
    },
    {
      what: 'that were being taken are finished',
      snapshots: [taken('one', { state: 'taking' })],
      steps: ['snapshot one'],
    },
    {
      what: 'that were being merged are finished',
      snapshots: [taken('one', { state: 'merging' })],
      steps: ['merge one'],
    },
    {
      what: 'that were being merged in a VM that was paused for it come before its start',
      snapshots: [taken('one', { state: 'merging', paused: true })],
      found: { power: 'paused' },
      steps: ['merge one', 'start'],
    },
    {
      what: 'that were being gone back to come before its start, though it runs by now',
      snapshots: [taken('one', { state: 'reverting' })],
      steps: ['revert one', 'start'],
    },
    {
      what: 'that are asked for wait for one that was cut short and is the same',
      snapshots: [taken('one', { state: 'taking' })],
      found: asked('delete', 'one'),
      steps: ['snapshot one'],
    },
    {
      what: 'are not gone back to while another is unfinished',
      snapshots: [taken('one'), taken('two', { state: 'merging' })],
      found: asked('revert', 'one'),
      steps: ['merge two'],
    },
    {
      what: 'come after its restore',
      git: { snapshots: ['one'], power: 'off' },
      found: { power: 'shutoff', mark: mark({ state: 'tombstone' }) },
      steps: ['restore', 'snapshot one'],
    },
  ])('$what', ({ steps, ...given }) => {
    expect(judge(given)).toEqual({ steps, held: [] });
  });

  it('that git declares are not merged by command: it would take them again, of another moment', () => {
    const given = { git: { snapshots: ['one'] }, snapshots: [taken('one')], found: asked('delete', 'one') };
    expect(judge(given)).toEqual({ steps: [], held: ['merge: conflict'] });
  });

  it('that git declares are refused to a person who would delete them', () => {
    const owned = { host: 'a', vm: observedVm(), mark: mark({ snapshots: [taken('one')] }) };
    const { request } = asked('delete', 'one');
    expect(() => snapshotStep(owned, request, { declared: ['one'] })).toThrow(/git declares one/);
    expect(snapshotStep(owned, request, { declared: ['two'] })).toMatchObject({ kind: 'merge' });
  });

  it.each([
    ['is one already', taken('one', { by: 'git' }), ['one'], /there is a snapshot one already/],
    ['is one by command', taken('one', { by: 'command' }), [], /there is a snapshot one already/],
    [
      'is one that git has just dropped',
      taken('one', { by: 'git' }),
      [],
      /git no longer declares one, and it is merged in the next pass/,
    ],
  ])(
    'are refused to a person who would take one under a name of which there %s',
    (_, there, declared, why) => {
      const owned = { host: 'a', vm: observedVm(), mark: mark({ snapshots: [there] }) };
      const { request } = asked('create', 'one');
      expect(() => snapshotStep(owned, request, { declared })).toThrow(why);
    },
  );

  it.each(['create', 'delete', 'revert'] as const)(
    'are nothing that is done (%s) to a VM that is half made and runs',
    (action) => {
      const found = { ...asked(action, 'one'), mark: mark({ state: 'building' }) };
      expect(judge({ found })).toEqual({ steps: [], held: ['update: conflict'] });
    },
  );

  it.each<Case & { what: string; held: readonly string[] }>([
    {
      what: 'grow',
      git: { dataDisks: [{ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 2 }] },
      found: withVdb(),
      held: ['grow: conflict'],
    },
    {
      what: 'get another one',
      git: { dataDisks: [{ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 2 }] },
      held: ['attach: conflict'],
    },
    { what: 'lose one', found: withVdb(), held: ['detach: conflict'] },
  ])('keep its disks from change: none of them can $what', ({ held, found, ...given }) => {
    const seen = { ...found, mark: { ...(found?.mark ?? mark()), snapshots: [taken('one')] } };
    expect(judge({ ...given, found: seen })).toEqual({ steps: [], held });
  });
});

describe('snapshots of a VM that is gone from git', () => {
  it.each([
    { what: 'stay', snapshots: [taken('one', { by: 'git' })], found: {}, steps: ['remove'] },
    {
      what: 'are not changed by command',
      snapshots: [taken('one')],
      found: asked('revert', 'one'),
      steps: ['remove'],
    },
    {
      what: 'that are half gone back to are finished first',
      snapshots: [taken('one', { state: 'reverting' })],
      found: {},
      steps: ['revert one', 'remove'],
    },
  ])('$what', ({ snapshots, found, steps }) => {
    const seen = observedVm({ mark: mark({ snapshots }), ...found });
    const planned = plan(
      desiredState([desiredVm({ name: 'other' })]),
      observedState(knownHost('a', [seen])),
      CONTEXT,
    );
    const ofWeb = planned.steps.filter((step) => 'vm' in step && step.vm === 'web');
    expect(ofWeb.map((step) => ('snapshot' in step ? `${step.kind} ${step.snapshot}` : step.kind))).toEqual(
      steps,
    );
  });
});

function withVdb(): Partial<ObservedVm> {
  const volume = { target: 'vdb', pool: 'default', name: 'web-vdb.qcow2', made: true };
  return {
    disks: [...observedVm().disks, { target: 'vdb', file: '/pool/web-vdb.qcow2', capacity: GIB }],
    mark: mark({ volumes: [...mark().volumes, volume] }),
  };
}
