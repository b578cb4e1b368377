import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { Mark, Passage } from '../../src/core/mark.ts';
import type { KnownHost, ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  GIB,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
  pool,
  stranger,
  unknownHost,
} from '../builders.ts';
import { applyToModel } from '../fakes/apply-model.ts';

const passage = (host: string): Passage => ({ host, at: '2026-03-01T11:00:00.000Z', commit: 'c0ffee' });
const removal = { at: '2026-02-28T12:00:00.000Z', purgeAfter: '2026-03-07T12:00:00.000Z', commit: 'dead' };

/** `web` shut off, with such a mark. */
function off(change: Partial<Mark>): ObservedVm {
  return observedVm({ power: 'shutoff', autostart: false, mark: mark(change) });
}
const leaving = (to = 'b') => off({ state: 'migrating', to: passage(to) });
const arriving = (from = 'a'): ObservedVm => ({
  ...off({ state: 'arriving', from: passage(from) }),
  disks: [],
  macs: [],
  nics: [],
});
const arrived = (power: 'running' | 'shutoff' = 'shutoff', from = 'a') =>
  observedVm({ power, mark: mark({ from: passage(from) }) });
const stale = (movedTo = 'b', change: Partial<Mark['removed']> = {}) =>
  off({ state: 'tombstone', removed: { ...removal, complete: true, movedTo, ...change } });
const removed = off({ state: 'tombstone', removed: { ...removal, complete: true } });

interface Row {
  readonly name: string;
  readonly git: readonly DesiredVm[];
  readonly hosts: readonly ObservedHost[];
  readonly steps?: readonly string[];
  readonly held?: readonly string[];
}

const onA = desiredVm();
const onB = desiredVm({ host: 'b' });
const onC = desiredVm({ host: 'c' });
const a = (...vms: readonly ObservedVm[]) => knownHost('a', vms);
const b = (...vms: readonly ObservedVm[]) => knownHost('b', vms);
const c = (...vms: readonly ObservedVm[]) => knownHost('c', vms);

const live = desiredVm({ host: 'b', migration: 'live' });
const onItsWayLive = (power: 'running' | 'paused', to = 'b') =>
  observedVm({
    power,
    autostart: false,
    mark: mark({ state: 'migrating', to: { ...passage(to), live: true } }),
  });
const attached = observedVm({
  liveDevices: { disks: [{ target: 'vdq', file: '/elsewhere/q.img' }], nics: [] },
});

const moves: readonly Row[] = [
  {
    name: 'takes over a VM that runs, where git has it move live',
    git: [live],
    hosts: [a(observedVm()), b()],
    steps: ['migrate web on b', 'retire web on a'],
  },
  {
    name: 'takes over a VM that a person starts and stops',
    git: [desiredVm({ host: 'b', migration: 'live', power: 'manual' })],
    hosts: [a(observedVm()), b()],
    steps: ['migrate web on b', 'retire web on a'],
  },
  {
    name: 'moves a VM offline that is to be off',
    git: [desiredVm({ host: 'b', migration: 'live', power: 'off' })],
    hosts: [a(observedVm()), b()],
    steps: ['depart web on a', 'receive web on b', 'retire web on a'],
  },
  {
    name: 'holds a VM that is to move live, and cannot',
    git: [live],
    hosts: [a(attached), b()],
    held: ['conflict: move web on b'],
  },
  {
    name: 'shuts down a VM that cannot move live, where git allows that',
    git: [desiredVm({ host: 'b', migration: 'live-if-possible' })],
    hosts: [a(attached), b()],
    steps: ['depart web on a', 'receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'takes over again a VM whose live move was cut short',
    git: [live],
    hosts: [a(onItsWayLive('running')), b(arriving())],
    steps: ['migrate web on b', 'retire web on a'],
  },
  {
    name: 'lets a guest go on first that a live move has left paused',
    git: [live],
    hosts: [a(onItsWayLive('paused')), b(arriving())],
    steps: ['abandon web on b', 'recall web on a', 'migrate web on b', 'retire web on a'],
  },
  {
    name: 'lets a paused guest go on where it cannot move on',
    git: [live],
    hosts: [
      a(onItsWayLive('paused')),
      b(stranger({ name: 'other', uuid: 'other', macs: observedVm().macs })),
    ],
    steps: ['recall web on a'],
    held: ['conflict: move web on b'],
  },
  {
    name: 'lets a paused guest go on whose next host does not answer',
    git: [desiredVm({ host: 'c', migration: 'live' })],
    hosts: [a(onItsWayLive('paused')), b(arriving()), unknownHost('c', [])],
    steps: ['abandon web on b', 'recall web on a'],
  },
  {
    name: 'waits while a live move that was cut short is not given up on the other host yet',
    git: [live],
    hosts: [a(onItsWayLive('running')), b({ ...arriving(), power: 'paused' })],
    held: ['conflict: move web on b'],
  },
  {
    name: 'ends what hangs of a live move, and only then starts the VM where it is',
    git: [live],
    hosts: [a(onItsWayLive('paused')), b(arrived())],
    steps: ['retire web on a', 'start web on b'],
  },
  {
    name: 'touches neither of two copies that run',
    git: [live],
    hosts: [a(onItsWayLive('running')), b(arrived('running'))],
    held: ['conflict: move web on b'],
  },
  {
    name: 'does not let a guest go on that may run on a host that does not answer',
    git: [desiredVm({ migration: 'live' })],
    hosts: [a(onItsWayLive('paused')), unknownHost('b', ['web'])],
    held: ['unknown: move web on a'],
  },
  {
    name: 'calls back a VM from a live move that git has taken back',
    git: [desiredVm({ migration: 'live' })],
    hosts: [a(onItsWayLive('paused')), b(arriving())],
    steps: ['abandon web on b', 'recall web on a'],
  },
  {
    name: 'calls back a VM that is to move live to a third host, and takes it over there',
    git: [desiredVm({ host: 'c', migration: 'live' })],
    hosts: [a(onItsWayLive('running')), b(arriving()), c()],
    steps: ['abandon web on b', 'recall web on a', 'migrate web on c', 'retire web on a'],
  },
  {
    name: 'goes on offline with a VM that was shut off while it moved live',
    git: [live],
    hosts: [a({ ...onItsWayLive('running'), power: 'shutoff' }), b(arriving())],
    steps: ['receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'moves a VM that is off and stays off, and retires the old copy without a start',
    git: [desiredVm({ host: 'b', power: 'off' })],
    hosts: [a(observedVm({ power: 'shutoff' })), b()],
    steps: ['depart web on a', 'receive web on b', 'retire web on a'],
  },
  {
    name: 'goes on where a move was cut short before its claim',
    git: [onB],
    hosts: [a(leaving()), b()],
    steps: ['receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'goes on where a move was cut short after its claim',
    git: [onB],
    hosts: [a(leaving()), b(arriving())],
    steps: ['receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'starts a VM that has arrived, and then retires the old copy',
    git: [onB],
    hosts: [a(leaving()), b(arrived())],
    steps: ['start web on b', 'retire web on a'],
  },
  {
    name: 'retires the old copy of a VM that runs where it is to run',
    git: [onB],
    hosts: [a(leaving()), b(arrived('running'))],
    steps: ['retire web on a'],
  },
  {
    name: 'starts a VM that has arrived though its old host is dead by now',
    git: [onB],
    hosts: [unknownHost('a', ['web']), b(arrived())],
    steps: ['start web on b'],
  },
  {
    name: 'does not start a VM that has arrived while a third host may have it',
    git: [onB],
    hosts: [a(leaving()), b(arrived()), unknownHost('c', ['web'])],
    held: ['unknown: start web on b'],
  },
  {
    name: 'leaves a VM alone beside what it left behind',
    git: [onB],
    hosts: [a(stale()), b(observedVm({ mark: mark({ from: passage('a') }) }))],
  },
  {
    name: 'moves a VM back over what it left behind',
    git: [onA],
    hosts: [a(stale()), b(observedVm({ mark: mark({ from: passage('a') }) }))],
    steps: ['depart web on b', 'receive web on a', 'start web on a', 'retire web on b'],
  },
  {
    name: 'moves a VM back that has just arrived',
    git: [onA],
    hosts: [a(leaving()), b(arrived())],
    steps: ['retire web on a', 'depart web on b', 'receive web on a', 'start web on a', 'retire web on b'],
  },
  {
    name: 'moves a VM on that has just arrived',
    git: [onC],
    hosts: [a(leaving()), b(arrived()), c()],
    steps: ['retire web on a', 'depart web on b', 'receive web on c', 'start web on c', 'retire web on b'],
  },
  {
    name: 'calls a VM back that has not arrived, once its claim is gone',
    git: [onA],
    hosts: [a(leaving()), b(arriving())],
    steps: ['abandon web on b', 'recall web on a', 'start web on a'],
  },
  {
    name: 'calls a VM back whose new host is no longer one of ours',
    git: [onA],
    hosts: [a(leaving('gone'))],
    steps: ['recall web on a', 'start web on a'],
  },
  {
    name: 'sends a VM elsewhere that has not arrived',
    git: [onC],
    hosts: [a(leaving()), b(arriving()), c()],
    steps: ['abandon web on b', 'depart web on a', 'receive web on c', 'start web on c', 'retire web on a'],
  },
  {
    name: 'brings the image that it is an overlay of before it is stopped',
    git: [
      desiredVm({
        host: 'b',
        bootDisk: {
          ...desiredVm().bootDisk,
          image: {
            name: 'debian',
            pool: 'default',
            volume: 'base-1.qcow2',
            content: { url: 'https://images.lab/debian', sha256: 'aa', format: 'qcow2' },
          },
        },
      }),
    ],
    hosts: [a(observedVm()), b()],
    steps: [
      'image image debian on b',
      'depart web on a',
      'receive web on b',
      'start web on b',
      'retire web on a',
    ],
  },
  {
    name: 'grows a disk and changes the size on the new host',
    git: [desiredVm({ host: 'b', vcpus: 4, bootDisk: { ...desiredVm().bootDisk, sizeGiB: 3 } })],
    hosts: [a(observedVm()), b()],
    steps: [
      'depart web on a',
      'receive web on b',
      'resize web on b',
      'grow web on b',
      'start web on b',
      'retire web on a',
    ],
  },
  {
    name: 'merges what git no longer declares, and then moves',
    git: [onB],
    hosts: [
      a(
        observedVm({
          mark: mark({
            snapshots: [
              {
                name: 'old',
                at: removal.at,
                by: 'git',
                state: 'ready',
                disks: [{ target: 'vda', pool: 'default', overlay: 'web-vda.old.qcow2' }],
              },
            ],
          }),
        }),
      ),
      b(),
    ],
    steps: ['merge web on a', 'depart web on a', 'receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'removes a VM that leaves git under way, where it has not left',
    git: [],
    hosts: [a(leaving()), b(arriving())],
    steps: ['remove web on a', 'abandon web on b'],
  },
  {
    name: 'removes a VM that leaves git as it has arrived, where it is',
    git: [],
    hosts: [a(leaving()), b(arrived('running'))],
    steps: ['retire web on a', 'remove web on b'],
  },
  {
    name: 'purges what a move left behind on its date, though a file of that name is in use where the VM is',
    git: [onB],
    hosts: [
      a(stale('b', { purgeAfter: '2026-03-01T11:59:00.000Z' })),
      b(observedVm({ mark: mark({ from: passage('a') }) })),
    ],
    steps: ['purge web on a'],
  },
];

const blocked: readonly Row[] = [
  ...(
    [
      ['it has no pool for its disk', b(), { pools: new Map() }],
      ['it lacks the base image', b(), { volumes: new Map() }],
      ['its pool is not active', b(), { pools: new Map([['default', pool({ active: false })]]) }],
      ['it is of another architecture', b(), { arch: 'aarch64' }],
      ['it only emulates', b(), { virtType: 'qemu' }],
      ['its QEMU lacks the machine type', b(), { machines: new Set(['pc-q35-6.2']) }],
      ['it has a VM of that name that is not ours', b(stranger({ name: 'web' })), {}],
      ['it has its MAC address', b(stranger({ macs: ['52:54:00:00:00:01'] })), {}],
      ['it keeps another one that was removed', b(removed), {}],
    ] satisfies [string, KnownHost, Partial<KnownHost>][]
  ).map(([why, host, change]) => ({
    name: `holds a move where of the new host ${why}`,
    git: [onB],
    hosts: [a(observedVm({ arch: 'x86_64', machine: 'pc-q35-7.2', type: 'kvm' })), { ...host, ...change }],
    held: ['conflict: move web on b'],
  })),
  ...(
    [
      ['has its memory saved', { power: 'shutoff', managedSave: true }],
      ['is paused', { power: 'paused' }],
      ['only runs on', { persistent: false }],
      ['has snapshots that people made', { foreignSnapshots: ['by-hand'] }],
      ['has something of its host', { ties: ['it has a device of its host'] }],
      ['has a disk that we do not look after', { disks: [{ target: 'vda', file: '/srv/own.img' }] }],
      ['was never finished', { power: 'shutoff', mark: mark({ state: 'building' }) }],
      [
        'has a snapshot that a person took',
        {
          mark: mark({
            snapshots: [{ name: 'mine', at: removal.at, by: 'command', state: 'ready', disks: [] }],
          }),
        },
      ],
    ] satisfies [string, Partial<ObservedVm>][]
  ).map(([why, change]) => ({
    name: `holds the move of a VM that ${why}`,
    git: [onB],
    hosts: [a(observedVm(change)), b()],
    held: ['conflict: move web on b'],
  })),
  {
    name: 'does not stop for a move what people start and stop',
    git: [desiredVm({ host: 'b', power: 'manual' })],
    hosts: [a(observedVm()), b()],
    held: ['conflict: move web on b'],
  },
  {
    name: 'does nothing for a VM that is to move to a host that does not answer',
    git: [onB],
    hosts: [a(observedVm()), unknownHost('b')],
  },
  {
    name: 'says that a VM is off while the host that it moves to does not answer',
    git: [onB],
    hosts: [a(leaving()), unknownHost('b', ['web'])],
    held: ['unknown: move web on b'],
  },
  {
    name: 'does not call a VM back while its new host does not answer',
    git: [onA],
    hosts: [a(leaving()), unknownHost('b')],
    held: ['unknown: move web on a'],
  },
  {
    name: 'does not send a VM elsewhere while its new host does not answer',
    git: [onC],
    hosts: [a(leaving()), unknownHost('b'), c()],
    held: ['unknown: move web on c'],
  },
  {
    name: 'touches no claim while the host that its disks come from does not answer',
    git: [onB],
    hosts: [unknownHost('a', ['web']), b(arriving())],
    held: ['unknown: move web on b'],
  },
  {
    name: 'touches no claim whose VM is not where its disks come from',
    git: [onB],
    hosts: [a(), b(arriving())],
    held: ['conflict: move web on b'],
  },
  {
    name: 'removes nothing of a VM that leaves git under way to a host that does not answer',
    git: [],
    hosts: [a(leaving()), unknownHost('b', ['web'])],
    held: ['unknown: remove web on a'],
  },
  {
    name: 'makes no VM anew of which only an old copy is left',
    git: [onB],
    hosts: [a(stale()), b()],
    held: ['conflict: move web on b'],
  },
  {
    name: 'takes up no old copy while the host that the VM moved to does not answer',
    git: [onA],
    hosts: [a(stale()), unknownHost('b')],
    held: ['unknown: move web on a'],
  },
  {
    name: 'purges no old copy while the host that the VM moved to does not answer',
    git: [],
    hosts: [a(stale('b', { purgeAfter: '2026-03-01T11:59:00.000Z' })), unknownHost('b')],
    held: ['unknown: purge web on a'],
  },
  {
    name: 'does nothing for a VM that was started under way',
    git: [onA],
    hosts: [a(observedVm({ mark: mark({ state: 'migrating', to: passage('b') }) })), b(arriving())],
    held: ['conflict: move web on a'],
  },
  {
    name: 'brings nothing over of a VM that was started under way',
    git: [onB],
    hosts: [a(observedVm({ mark: mark({ state: 'migrating', to: passage('b') }) })), b(arriving())],
    held: ['conflict: move web on b'],
  },
  {
    name: 'does nothing where somebody started what a move left behind',
    git: [onB],
    hosts: [
      a({ ...stale(), power: 'running' }),
      b(observedVm({ power: 'shutoff', mark: mark({ from: passage('a') }) })),
    ],
    held: ['conflict: start web on b'],
  },
];

describe('planMove', () => {
  it.each([...moves, ...blocked])('$name', ({ git, hosts, steps = [], held = [] }) => {
    const observed = observedState(...hosts);
    const context = { now: NOW, commit: COMMIT };
    const result = plan(desiredState(git), observed, context);
    expect(inWords(result.steps)).toEqual(steps);
    expect(
      result.held.map(({ because, kind, subject, host }) => `${because}: ${kind} ${subject} on ${host}`),
    ).toEqual(held);
    const again = plan(desiredState(git), applyToModel(observed, result.steps), context);
    expect(inWords(again.steps)).toEqual([]);
  });

  it.each([
    ['does not answer', unknownHost('c', ['web'])],
    ['is offline (cluster.yaml)', { ...unknownHost('c', ['web']), isOffline: true as const }],
  ])('says of a host that may have a copy that it %s', (silence, third) => {
    const hosts = [a(leaving()), b(), third];
    const { held } = plan(desiredState([onB]), observedState(...hosts), { now: NOW, commit: COMMIT });
    expect(held.map(({ reason }) => reason)).toEqual([expect.stringContaining(`host c ${silence} and had`)]);
  });

  it('purges no old copy whose file may be that of the VM, on a file server', () => {
    const due = stale('b', { purgeAfter: '2026-03-01T11:59:00.000Z' });
    const kinds = [undefined, { host: 'nas', path: '/vms' }].map((source) => {
      const pools = new Map([['default', source ? pool({ type: 'netfs', source }) : pool()]]);
      const hosts = [knownHost('a', [due], { pools }), knownHost('b', [arrived('running')], { pools })];
      const { steps, held } = plan(desiredState([onB]), observedState(...hosts), {
        now: NOW,
        commit: COMMIT,
      });
      return [...inWords(steps), ...held.map(({ kind, reason }) => `${kind} held: ${reason}`)];
    });
    expect(kinds).toEqual([
      ['purge web on a'],
      [expect.stringMatching(/^purge held: \/pool\/web-vda\.qcow2 is a disk of web on b too/)],
    ]);
  });

  it('puts a disk into the pool that git gives it on the new host, and leaves one that both hosts mount', () => {
    const source = { host: 'nas', path: '/vms' };
    const pools = (path: string) =>
      new Map([
        ['default', pool()],
        ['fast', pool({ name: 'fast', path: '/fast' })],
        ['nas', pool({ name: 'nas', type: 'netfs', path, source })],
      ]);
    const volume = (target: string, from: string) => ({
      target,
      pool: from,
      name: `web-${target}.qcow2`,
      made: true,
    });
    const found = observedVm({
      disks: [
        { target: 'vda', file: '/pool/web-vda.qcow2', capacity: 2 * GIB },
        { target: 'vdb', file: '/mnt/nas/web-vdb.qcow2', capacity: GIB },
      ],
      mark: mark({ volumes: [volume('vda', 'default'), volume('vdb', 'nas')] }),
    });
    const wanted = desiredVm({
      host: 'b',
      bootDisk: { ...desiredVm().bootDisk, pool: 'fast' },
      dataDisks: [{ target: 'vdb', pool: 'nas', volume: 'web-vdb.qcow2', sizeGiB: 1 }],
    });
    const hosts = [
      knownHost('a', [found], { pools: pools('/mnt/nas') }),
      knownHost('b', [], { pools: pools('/srv/nas') }),
    ];
    const { steps, held } = plan(desiredState([wanted]), observedState(...hosts), {
      now: NOW,
      commit: COMMIT,
    });
    expect(held).toEqual([]);
    expect(steps.find(({ kind }) => kind === 'receive')).toMatchObject({
      volumes: [
        { from: { pool: 'default' }, to: { pool: 'fast', name: 'web-vda.qcow2' }, isShared: false },
        { from: { pool: 'nas' }, to: { pool: 'nas', name: 'web-vdb.qcow2' }, isShared: true },
      ],
    });
    expect(steps.find(({ kind }) => kind === 'retire')).toMatchObject({
      shared: [{ pool: 'nas', name: 'web-vdb.qcow2' }],
    });
  });
});
