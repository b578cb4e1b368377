import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import { vmUuid } from '../../src/core/identity.ts';
import type { ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import type { Held, Step } from '../../src/core/step.ts';
import {
  CLUSTER,
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

const tombstone = mark({ state: 'tombstone' });
const building = observedVm({ power: 'shutoff', autostart: false, mark: mark({ state: 'building' }) });
const notDue = mark({
  state: 'tombstone',
  removed: { at: NOW.toISOString(), purgeAfter: '2026-03-08T12:00:00.000Z', commit: 'dead', complete: true },
});
/** As it runs where nothing is pending. */
const small = { vcpus: 2, maxVcpus: 2, memoryMiB: 2048, maxMemoryMiB: 4096 };
const otherCluster = mark({ cluster: 'other' });
const removed = observedVm({ power: 'shutoff', autostart: false, mark: tombstone });

function planFor(git: readonly DesiredVm[], hosts: readonly ObservedHost[]) {
  return plan(desiredState(git), observedState(...hosts), { now: NOW, commit: COMMIT });
}

function because(held: readonly Held[]): string[] {
  return held.map((one) => `${one.because}: ${one.kind} ${one.subject} on ${one.host}`);
}

interface Row {
  readonly name: string;
  readonly git: readonly DesiredVm[];
  readonly hosts: readonly ObservedHost[];
  readonly steps?: readonly string[];
  readonly held?: readonly string[];
}

function on(...vms: readonly ObservedVm[]): ObservedHost[] {
  return [knownHost('a', vms)];
}

const inGit: readonly Row[] = [
  {
    name: 'creates and starts a VM that is in git and on no host',
    git: [desiredVm()],
    hosts: on(),
    steps: ['create web on a', 'start web on a'],
  },
  {
    name: 'creates and does not start a VM whose power is off',
    git: [desiredVm({ power: 'off' })],
    hosts: on(),
    steps: ['create web on a'],
  },
  {
    name: 'creates and does not start a VM that a person starts',
    git: [desiredVm({ power: 'manual' })],
    hosts: on(),
    steps: ['create web on a'],
  },
  {
    name: 'creates again what an earlier try left unfinished',
    git: [desiredVm()],
    hosts: on(building),
    steps: ['create web on a', 'start web on a'],
  },
  {
    name: 'does nothing where all is as git wants it',
    git: [desiredVm()],
    hosts: on(observedVm()),
  },
  {
    name: 'starts a VM that was shut off',
    git: [desiredVm()],
    hosts: on(observedVm({ power: 'shutoff' })),
    steps: ['start web on a'],
  },
  {
    name: 'stops a VM whose power is off in git',
    git: [desiredVm({ power: 'off' })],
    hosts: on(observedVm()),
    steps: ['stop web on a'],
  },
  {
    name: 'leaves the power of a manual VM alone, running or not',
    git: [desiredVm({ power: 'manual' }), desiredVm({ name: 'db', power: 'manual' })],
    hosts: on(observedVm(), observedVm({ name: 'db', power: 'shutoff' })),
  },
  {
    name: 'sets autostart as git has it',
    git: [desiredVm({ autostart: false })],
    hosts: on(observedVm()),
    steps: ['autostart web on a'],
  },
  {
    name: 'marks a VM anew when its manifest was renamed',
    git: [desiredVm({ source: { file: 'manifests/new.yaml', line: 1 } })],
    hosts: on(observedVm()),
    steps: ['mark web on a'],
  },
  {
    name: 'marks a VM anew when it is protected',
    git: [desiredVm({ protect: true })],
    hosts: on(observedVm()),
    steps: ['mark web on a'],
  },
  {
    name: 'restores and starts a removed VM that is back in git',
    git: [desiredVm()],
    hosts: on(removed),
    steps: ['restore web on a', 'start web on a'],
  },
  {
    name: 'restores a removed VM that somebody started, and lets it run',
    git: [desiredVm()],
    hosts: on(observedVm({ mark: tombstone })),
    steps: ['restore web on a'],
  },
  {
    name: 'restores a removed VM even though its date has passed: git wins over the date',
    git: [desiredVm({ power: 'off' })],
    hosts: on(removed),
    steps: ['restore web on a'],
  },
  {
    name: 'moves a VM whose lines are under another host now',
    git: [desiredVm({ host: 'b' })],
    hosts: [knownHost('a', [observedVm()]), knownHost('b')],
    steps: ['depart web on a', 'receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'restores a removed VM on another host by moving its disks',
    git: [desiredVm({ host: 'b' })],
    hosts: [knownHost('a', [observedVm({ power: 'shutoff', mark: notDue })]), knownHost('b')],
    steps: ['depart web on a', 'receive web on b', 'start web on b', 'retire web on a'],
  },
  {
    name: 'holds a VM that is ours on two hosts',
    git: [desiredVm()],
    hosts: [
      knownHost('a', [observedVm({ power: 'shutoff' })]),
      knownHost('b', [observedVm({ power: 'shutoff' })]),
    ],
    held: ['conflict: update web on a'],
  },
  {
    name: 'holds a VM that is ours twice on one host, under two names',
    git: [desiredVm()],
    hosts: on(
      observedVm({ name: 'web-old', uuid: vmUuid(CLUSTER, 'web'), mark: mark() }),
      observedVm({ power: 'shutoff', uuid: 'aaaaaaaa-0000-4000-8000-000000000000' }),
    ),
    held: ['conflict: update web on a'],
  },
  {
    name: 'does not start a VM while its removed copy was started on another host',
    git: [desiredVm()],
    hosts: [
      knownHost('a', [observedVm({ power: 'shutoff' })]),
      knownHost('b', [observedVm({ mark: tombstone })]),
    ],
    held: ['conflict: start web on a'],
  },
  {
    name: 'never touches a VM of that name that is not ours',
    git: [desiredVm()],
    hosts: on(stranger({ name: 'web' })),
    held: ['conflict: create web on a'],
  },
  {
    name: 'never touches a VM of that name that is of another cluster',
    git: [desiredVm()],
    hosts: on(observedVm({ power: 'shutoff', mark: otherCluster })),
    held: ['conflict: create web on a'],
  },
  {
    name: 'never touches a VM of that name whose mark cannot be read',
    git: [desiredVm()],
    hosts: on({ ...stranger({ name: 'web' }), markError: 'our mark lacks "state"' }),
    held: ['conflict: create web on a'],
  },
  {
    name: 'creates no second copy of a VM that lost its mark on another host',
    git: [desiredVm()],
    hosts: [knownHost('a'), knownHost('b', [stranger({ name: 'web-moved', uuid: vmUuid(CLUSTER, 'web') })])],
    held: ['conflict: create web on a'],
  },
  {
    name: 'does not mind a stranger of that name on another host',
    git: [desiredVm({ power: 'off' })],
    hosts: [knownHost('a'), knownHost('b', [stranger({ name: 'web' })])],
    steps: ['create web on a'],
  },
  {
    name: 'does nothing for a VM whose host is Unknown',
    git: [desiredVm()],
    hosts: [unknownHost('a', ['web']), knownHost('b')],
  },
  {
    name: 'says so where nobody looked at the host of a VM',
    git: [desiredVm()],
    hosts: [knownHost('b')],
    held: ['unknown: create web on a'],
  },
  {
    name: 'creates no VM that was last seen on a host that is Unknown now',
    git: [desiredVm()],
    hosts: [knownHost('a'), unknownHost('b', ['web'])],
    held: ['unknown: create web on a'],
  },
  {
    name: 'creates no VM while a host has never answered',
    git: [desiredVm()],
    hosts: [knownHost('a'), unknownHost('b')],
    held: ['unknown: create web on a'],
  },
  {
    name: 'creates a VM while a host is Unknown that did not have it',
    git: [desiredVm({ power: 'off' })],
    hosts: [knownHost('a'), unknownHost('b', ['db'])],
    steps: ['create web on a'],
  },
  {
    name: 'finishes no creation while a copy may be on an Unknown host',
    git: [desiredVm()],
    hosts: [knownHost('a', [building]), unknownHost('b', ['web'])],
    held: ['unknown: create web on a'],
  },
  {
    name: 'restores no VM while a copy may be on an Unknown host',
    git: [desiredVm()],
    hosts: [knownHost('a', [removed]), unknownHost('b', ['web'])],
    held: ['unknown: restore web on a'],
  },
  {
    name: 'starts no VM of which another copy was last seen on an Unknown host',
    git: [desiredVm()],
    hosts: [knownHost('a', [observedVm({ power: 'shutoff' })]), unknownHost('b', ['web'])],
    held: ['unknown: start web on a'],
  },
  {
    name: 'starts a complete VM again although a host has never answered',
    git: [desiredVm()],
    hosts: [knownHost('a', [observedVm({ power: 'shutoff' })]), unknownHost('b')],
    steps: ['start web on a'],
  },
  {
    name: 'holds a VM that was renamed on its host',
    git: [desiredVm()],
    hosts: on(observedVm({ name: 'web-old', uuid: vmUuid(CLUSTER, 'web'), mark: mark() })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'holds a VM of ours that has not the uuid of its name',
    git: [desiredVm()],
    hosts: on(observedVm({ uuid: 'aaaaaaaa-0000-4000-8000-000000000000' })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'holds a VM whose definition was taken away while it runs',
    git: [desiredVm()],
    hosts: on(observedVm({ persistent: false })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'holds an unfinished VM that somebody started',
    git: [desiredVm()],
    hosts: on({ ...building, power: 'running' }),
    held: ['conflict: update web on a'],
  },
  {
    name: 'holds a paused VM: only a person knows why',
    git: [desiredVm()],
    hosts: on(observedVm({ power: 'paused' })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'says so where a VM neither runs nor is shut off',
    git: [desiredVm()],
    hosts: on(observedVm({ power: 'other' })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'resizes a VM before it is started',
    git: [desiredVm({ vcpus: 4 })],
    hosts: on(observedVm({ power: 'shutoff' })),
    steps: ['resize web on a', 'start web on a'],
  },
  {
    name: 'resizes nothing whose definition is right and which only runs with another size',
    git: [desiredVm()],
    hosts: on(observedVm({ live: { vcpus: 1, maxVcpus: 1, memoryMiB: 1024, maxMemoryMiB: 1024 } })),
  },
  {
    name: 'restarts a VM that only runs with another size, where git allows it',
    git: [desiredVm({ restart: 'allowed' })],
    hosts: on(observedVm({ run: 7, live: { ...small, vcpus: 1 } })),
    steps: ['restart web on a'],
  },
  {
    name: 'restarts a VM after a resize that it cannot take as it runs',
    git: [desiredVm({ restart: 'allowed', vcpus: 4 })],
    hosts: on(observedVm({ run: 7, live: small })),
    steps: ['resize web on a', 'restart web on a'],
  },
  {
    name: 'restarts no VM that takes its new size as it runs',
    git: [desiredVm({ restart: 'allowed', vcpus: 4 })],
    hosts: on(observedVm({ run: 7, live: { ...small, maxVcpus: 4 } })),
    steps: ['resize web on a'],
  },
  {
    name: 'restarts no VM whose power is a matter of people',
    git: [desiredVm({ restart: 'allowed', power: 'manual' })],
    hosts: on(observedVm({ run: 7, live: { ...small, vcpus: 1 } })),
  },
  {
    name: 'stops a VM that is to be off and is paused: the step knows what can be done',
    git: [desiredVm({ power: 'off' })],
    hosts: on(observedVm({ power: 'paused' })),
    steps: ['stop web on a'],
  },
  {
    name: 'marks a VM anew when force has changed: its removal will have to know',
    git: [desiredVm({ force: 'never' })],
    hosts: on(observedVm()),
    steps: ['mark web on a'],
  },
  {
    name: 'creates nothing where the base image is missing',
    git: [desiredVm()],
    hosts: [knownHost('a', [], { volumes: new Map() })],
    held: ['conflict: create web on a'],
  },
  {
    name: 'creates nothing where the pool is not active',
    git: [desiredVm()],
    hosts: [knownHost('a', [], { pools: new Map([['default', pool({ active: false })]]) })],
    held: ['conflict: create web on a'],
  },
];

const notInGit: readonly Row[] = [
  {
    name: 'removes a VM of ours that is gone from git',
    git: [],
    hosts: on(observedVm()),
    steps: ['remove web on a'],
  },
  {
    name: 'keeps a removed VM until its date',
    git: [],
    hosts: on(observedVm({ power: 'shutoff', mark: notDue })),
  },
  {
    name: 'purges a removed VM once its date has come',
    git: [],
    hosts: on(removed),
    steps: ['purge web on a'],
  },
  {
    name: 'never purges a removed VM that somebody started',
    git: [],
    hosts: on(observedVm({ mark: tombstone })),
    held: ['conflict: purge web on a'],
  },
  {
    name: 'never purges a VM while another one has its disk attached',
    git: [],
    hosts: on(
      removed,
      stranger({ disks: [{ target: 'vdb', file: '/pool/web-vda.qcow2', capacity: GIB, physical: GIB }] }),
    ),
    held: ['conflict: purge web on a'],
  },
  {
    name: 'removes what was never complete as it removes what was: it may have been used by hand',
    git: [],
    hosts: on(building),
    steps: ['remove web on a'],
  },
  {
    name: 'never removes an unfinished VM that somebody started',
    git: [],
    hosts: on({ ...building, power: 'running' }),
    held: ['conflict: remove web on a'],
  },
  {
    name: 'holds the removal of a VM that has no definition any more',
    git: [],
    hosts: on(observedVm({ persistent: false })),
    held: ['conflict: remove web on a'],
  },
  {
    name: 'never prunes a stranger',
    git: [],
    hosts: on(stranger(), stranger({ name: 'off', power: 'shutoff' })),
  },
  {
    name: 'never prunes a VM of another cluster, be it removed there or not',
    git: [],
    hosts: on(
      observedVm({ mark: otherCluster }),
      observedVm({ name: 'db', power: 'shutoff', mark: { ...tombstone, cluster: 'other' } }),
    ),
  },
  {
    name: 'never prunes a VM whose mark cannot be read',
    git: [],
    hosts: on({ ...stranger(), markError: 'our mark has the unknown state "migrating"' }),
  },
  {
    name: 'never prunes a VM that git has under another name',
    git: [desiredVm()],
    hosts: on(observedVm({ name: 'web-old', uuid: vmUuid(CLUSTER, 'web'), mark: mark() })),
    held: ['conflict: update web on a'],
  },
  {
    name: 'never prunes a VM that git has under another host, even one that is Unknown',
    git: [desiredVm({ host: 'b' })],
    hosts: [knownHost('a', [observedVm()]), unknownHost('b')],
  },
  {
    name: 'never prunes anything on an Unknown host',
    git: [],
    hosts: [unknownHost('a', ['web'])],
  },
  {
    name: 'purges what a VM left behind on another host when its date has come',
    git: [desiredVm({ host: 'b' })],
    hosts: [
      knownHost('a', [removed]),
      knownHost('b', [observedVm({ disks: [{ target: 'vda', file: '/b/web-vda.qcow2' }] })]),
    ],
    steps: ['purge web on a'],
  },
  {
    name: 'never purges what is left behind when the path may be on a share',
    git: [desiredVm({ host: 'b' })],
    hosts: [knownHost('a', [removed]), knownHost('b', [observedVm()])],
    held: ['conflict: purge web on a'],
  },
];

describe('plan', () => {
  it.each([...inGit, ...notInGit])('$name', ({ git, hosts, steps = [], held = [] }) => {
    const result = planFor(git, hosts);
    expect(inWords(result.steps)).toEqual(steps);
    expect(because(result.held)).toEqual(held);
    expect(result.held.every(({ reason }) => reason !== '')).toBe(true);
  });

  it('gives a new VM a mark that names its cluster, uuid, manifest, commit and every volume', () => {
    const vm = desiredVm({
      protect: true,
      dataDisks: [{ target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 5 }],
    });
    const host = knownHost('a', [], { pools: new Map([...poolsOf('default'), ...poolsOf('fast')]) });
    expect(only(planFor([vm], [host]).steps, 'create').mark).toEqual({
      cluster: CLUSTER,
      uuid: vm.uuid,
      state: 'ready',
      file: 'manifests/web.yaml',
      commit: COMMIT,
      protect: true,
      volumes: [
        { target: 'vda', pool: 'default', name: 'web-vda.qcow2', made: true },
        { target: 'vdb', pool: 'fast', name: 'web-vdb.qcow2', made: true },
      ],
    });
  });

  it('dates a tombstone by the policy and keeps the rest of the mark', () => {
    const step = only(planFor([], on(observedVm())).steps, 'remove');
    expect(step.mark).toEqual({
      ...mark(),
      state: 'tombstone',
      removed: {
        at: NOW.toISOString(),
        purgeAfter: '2026-03-08T12:00:00.000Z',
        commit: COMMIT,
        complete: true,
      },
    });
  });

  it('restores with the volumes that the VM has, not with those that git would make', () => {
    const volumes = [{ target: 'vda', pool: 'old', name: 'web-vda.qcow2', made: true }];
    const found = observedVm({ power: 'shutoff', mark: { ...tombstone, volumes } });
    const step = only(planFor([desiredVm()], on(found)).steps, 'restore');
    expect(step.mark).toMatchObject({ state: 'ready', commit: COMMIT, volumes });
    expect(step.mark.removed).toBeUndefined();
  });

  it('goes on with the creation of a VM that was removed before it was complete', () => {
    const cut = {
      ...tombstone,
      removed: { at: 'x', purgeAfter: '2026-03-08T12:00:00.000Z', commit: 'x', complete: false },
    };
    const found = observedVm({ power: 'shutoff', mark: cut });
    expect(planFor([desiredVm()], on(found)).steps.map(({ kind }) => kind)).toEqual(['create', 'start']);
    const running = planFor([desiredVm()], on({ ...found, power: 'running' }));
    expect(running).toMatchObject({ steps: [], held: [{ because: 'conflict' }] });
  });

  it('finishes an unfinished VM under the MAC addresses that it has already', () => {
    const step = only(planFor([desiredVm()], on(building)).steps, 'create');
    expect(step).toMatchObject({ resume: true, macs: building.macs });
  });

  it('removes by the force that git last had for the VM', () => {
    const found = observedVm({ mark: mark({ force: 'never' }) });
    expect(only(planFor([], on(found)).steps, 'remove')).toMatchObject({ force: 'never' });
    const [stop] = planFor([desiredVm({ force: 'allowed', power: 'off' })], on(found)).steps.slice(-1);
    expect(stop).toMatchObject({ kind: 'stop', force: 'allowed' });
  });

  it('says of a start that it goes on where the memory was saved', () => {
    const found = observedVm({ power: 'shutoff', managedSave: true });
    const { reason } = only(planFor([desiredVm()], on(found)).steps, 'start');
    expect(reason).toBe('shut off, and power is on in git; its memory was saved: it goes on where it was');
  });

  it('says which disk stands in the way of a purge, and where', () => {
    const user = stranger({ disks: [{ target: 'vdb', file: '/pool/web-vda.qcow2' }] });
    const [held] = planFor([], on(removed, user)).held;
    expect(held?.reason).toContain('/pool/web-vda.qcow2 is a disk of theirs on a too');
  });
});

function poolsOf(name: string) {
  return [[name, pool({ name })]] as const;
}

function only<K extends Step['kind']>(steps: readonly Step[], kind: K): Extract<Step, { kind: K }> {
  const found = steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind);
  const [step] = found;
  if (step === undefined || found.length > 1) throw new Error(`not one ${kind}: ${inWords(steps).join()}`);
  return step;
}
