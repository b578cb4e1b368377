import fc from 'fast-check';
import { appliedNow } from '../../src/core/applied.ts';
import type { DataDisk, DesiredState, DesiredVm, Image } from '../../src/core/desired.ts';
import { vmUuid } from '../../src/core/identity.ts';
import type { Mark, MarkedVolume, Passage } from '../../src/core/mark.ts';
import type { ObservedHost, ObservedState, ObservedVm } from '../../src/core/observed.ts';
import type { Snapshot, SnapshotRequest } from '../../src/core/snapshot.ts';
import {
  adoptedVm,
  CLUSTER,
  desiredSeed,
  desiredState,
  desiredVm,
  GIB,
  knownHost,
  mark,
  observedVm,
  unknownHost,
} from '../builders.ts';

const HOSTS = ['a', 'b', 'c'];
/** Few, so that what git wants and what the hosts have meet often. */
const NAMES = ['web', 'db', 'log'];
const SNAPSHOTS = ['one', 'two'];

/** One that is fetched, and one that is the disk of a VM that may be there, run, or be gone. */
const IMAGES: readonly Image[] = [
  {
    name: 'fetched',
    pool: 'default',
    volume: 'base-abababababababab.qcow2',
    content: { url: 'https://x/y', sha256: 'ab'.repeat(32), format: 'qcow2' },
  },
  { name: 'golden', pool: 'default', volume: '', sourceVm: { name: 'alien', host: 'a' } },
];

function isBefore(name: string, other: string): boolean {
  return NAMES.indexOf(name) < NAMES.indexOf(other);
}

function dataDisk(name: string, sizeGiB: number): DataDisk {
  return { target: 'vdb', pool: 'default', volume: `${name}-vdb.qcow2`, sizeGiB };
}

const desiredVms: fc.Arbitrary<DesiredVm[]> = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom(...NAMES),
      host: fc.constantFrom(...HOSTS),
      power: fc.constantFrom('on' as const, 'off' as const, 'manual' as const),
      autostart: fc.boolean(),
      protect: fc.boolean(),
      vcpus: fc.constantFrom(2, 4),
      restart: fc.constantFrom('never' as const, 'allowed' as const),
      force: fc.constantFrom('never' as const, 'allowed' as const),
      drift: fc.constantFrom('heal' as const, 'heal' as const, 'report' as const),
      migration: fc.constantFrom('offline' as const, 'live' as const, 'live-if-possible' as const),
      isAdopted: fc.constantFrom(false, false, true),
      others: fc.subarray(NAMES),
      hostnameVia: fc.constantFrom('dhcp' as const, 'ssh' as const, 'agent' as const),
      motd: fc.constantFrom(undefined, 'one', 'two'),
      diskGiB: fc.constantFrom(undefined, 1, 2),
      bridge: fc.constantFrom(undefined, 'br0', 'br1'),
      title: fc.constantFrom(undefined, 'title'),
      image: fc.constantFrom(undefined, undefined, ...IMAGES),
      snapshots: fc.subarray(SNAPSHOTS),
    })
    // No circles: a VM depends on those alone that are named before it.
    .map(({ others, isAdopted, motd, diskGiB, bridge, title, image, snapshots, ...vm }) => {
      const dependsOn = others.filter((other) => isBefore(other, vm.name));
      const declared = {
        ...vm,
        dependsOn,
        ...(title && { title }),
        ...(snapshots.length > 0 && { snapshots }),
        ...(motd && { seed: desiredSeed({ motd }, vm.name) }),
      };
      const devices = {
        ...(image && { bootDisk: { ...desiredVm({ name: vm.name }).bootDisk, image } }),
        ...(diskGiB && { dataDisks: [dataDisk(vm.name, diskGiB)] }),
        ...(bridge && { nics: [{ bridge, bridgeFrom: 'vm' as const }] }),
      };
      return isAdopted
        ? adoptedVm({ ...declared, uuid: vmUuid(CLUSTER, 'x') })
        : desiredVm({ ...declared, ...devices });
    }),
  { selector: ({ name }) => name },
);

const desired: fc.Arbitrary<DesiredState> = fc
  .tuple(desiredVms, fc.integer({ min: 0, max: 3 }))
  .map(([vms, maxRemovals]) => desiredState(vms, { policy: { maxRemovals } }));

const purgeAfter = fc.constantFrom('2026-02-27T12:00:00.000Z', '2026-03-27T12:00:00.000Z');

function marksOf(name: string, uuid: string): fc.Arbitrary<Mark> {
  return fc
    .record({
      state: fc.constantFrom(
        'ready' as const,
        'ready' as const,
        'building' as const,
        'tombstone' as const,
        'migrating' as const,
        'arriving' as const,
      ),
      other: fc.constantFrom(...HOSTS),
      isLive: fc.boolean(),
      cameFrom: fc.constantFrom(undefined, ...HOSTS),
      movedTo: fc.constantFrom(undefined, ...HOSTS),
      cluster: fc.constantFrom(CLUSTER, CLUSTER, CLUSTER, 'other'),
      protect: fc.boolean(),
      force: fc.constantFrom('never' as const, 'allowed' as const),
      dependsOn: fc.subarray(NAMES, { minLength: 1 }),
      due: purgeAfter,
      complete: fc.boolean(),
      spec: fc.constantFrom(undefined, 'that of an earlier commit'),
      guestName: fc.constantFrom(undefined, 'old', `${name}.lab.internal`),
      hasSeed: fc.boolean(),
      remembers: fc.boolean(),
      taken: snapshotsOf(name),
      vdb: fc.constantFrom(
        'none' as const,
        'none' as const,
        'made' as const,
        'begun' as const,
        'kept' as const,
      ),
    })
    .map(
      ({
        due,
        complete,
        spec,
        guestName,
        hasSeed,
        remembers,
        taken,
        vdb,
        other,
        cameFrom,
        movedTo,
        isLive,
        ...rest
      }) => ({
        ...mark(
          { ...rest, uuid, ...(spec !== undefined && { spec }), ...(guestName && { guestName }) },
          name,
        ),
        ...(remembers && { applied: appliedNow(desiredVm({ name, vcpus: 4 })) }),
        // One that moves, or was never complete, has none.
        ...(taken.length > 0 && hasSnapshots({ ...rest, complete, movedTo }) && { snapshots: taken }),
        ...withVolumes(name, hasSeed, vdb === 'none' ? [] : [volumeOf(name, vdb, due)]),
        ...(rest.state === 'tombstone' && {
          removed: {
            at: '2026-02-20T12:00:00.000Z',
            purgeAfter: due,
            commit: 'dead',
            complete: complete || movedTo !== undefined,
            ...(movedTo && { movedTo }),
          },
        }),
        ...(cameFrom && { from: passage(cameFrom) }),
        ...(rest.state === 'arriving' && { from: passage(other) }),
        ...(rest.state === 'migrating' && { to: { ...passage(other), ...(isLive && { live: true }) } }),
      }),
    );
}

/** Whether a mark of that kind may name snapshots. */
function hasSnapshots(kind: {
  state: Mark['state'];
  complete: boolean;
  movedTo: string | undefined;
}): boolean {
  return (
    kind.state === 'ready' || (kind.state === 'tombstone' && kind.complete && kind.movedTo === undefined)
  );
}

/** Up to two, of which one may be unfinished, as the mark names them. */
function snapshotsOf(name: string): fc.Arbitrary<Snapshot[]> {
  const state = fc.constantFrom('taking' as const, 'merging' as const, 'reverting' as const);
  return fc
    .record({
      names: fc.subarray(SNAPSHOTS),
      by: fc.constantFrom('git' as const, 'command' as const),
      unfinished: fc.option(fc.record({ at: fc.nat(1), state, paused: fc.boolean() })),
    })
    .map(({ names, by, unfinished }) =>
      names.map((snapshot, index): Snapshot => {
        const disks = [{ target: 'vda', pool: 'default', overlay: `${name}-vda.${snapshot}.qcow2` }];
        const taken = { name: snapshot, at: '2026-02-20T12:00:00.000Z', by, disks };
        if (unfinished?.at !== index) return { ...taken, state: 'ready' };
        const isPaused = unfinished.state === 'merging' && unfinished.paused;
        return { ...taken, state: unfinished.state, ...(isPaused && { paused: true }) };
      }),
    );
}

/** What a person asked for of its snapshots. */
function requestOf(uuid: string): fc.Arbitrary<SnapshotRequest> {
  return fc.record({
    uuid: fc.constant(uuid),
    action: fc.constantFrom('create' as const, 'delete' as const, 'revert' as const),
    snapshot: fc.constantFrom(...SNAPSHOTS, 'three'),
    at: fc.constant('2026-02-28T12:00:00.000Z'),
  });
}

function passage(other: string): Passage {
  return { host: other, at: '2026-02-20T12:00:00.000Z', commit: 'dead' };
}

function withVolumes(
  name: string,
  hasSeed: boolean,
  more: readonly MarkedVolume[],
): Pick<Mark, 'volumes' | 'seed'> {
  const volumes = [...mark({}, name).volumes, ...more];
  if (!hasSeed) return { volumes };
  const seed = { target: 'vdz', pool: 'default', name: `${name}-seed.img`, made: true };
  return { volumes: [...volumes, seed], seed: '0123456789abcdef' };
}

function volumeOf(name: string, state: 'made' | 'begun' | 'kept', due: string): MarkedVolume {
  const volume = { target: 'vdb', pool: 'default', name: `${name}-vdb.qcow2`, made: state !== 'begun' };
  const retained = { at: '2026-02-20T12:00:00.000Z', purgeAfter: due, commit: 'dead' };
  return state === 'kept' ? { ...volume, retained } : volume;
}

/** Mostly the uuid that the name has; now and then that of another name, or one of its own. */
const identity = fc
  .record({ name: fc.constantFrom(...NAMES, 'alien'), like: fc.constantFrom('', '', '', ...NAMES, 'x', 'x') })
  .map(({ name, like }) => ({ name, uuid: vmUuid(CLUSTER, like === '' ? name : like) }));

const vm: fc.Arbitrary<ObservedVm> = identity.chain(({ name, uuid }) =>
  fc
    .record({
      power: fc.constantFrom(
        'running' as const,
        'running' as const,
        'shutoff' as const,
        'shutoff' as const,
        'paused' as const,
        'other' as const,
      ),
      persistent: fc.constantFrom(true, true, true, false),
      autostart: fc.boolean(),
      run: fc.nat(9),
      attachedGiB: fc.constantFrom(undefined, undefined, 1, 2),
      live: fc.record({
        vcpus: fc.constantFrom(1, 2, 4),
        maxVcpus: fc.constantFrom(4, 8),
        memoryMiB: fc.constantFrom(1024, 2048),
        maxMemoryMiB: fc.constantFrom(2048, 4096),
      }),
      found: fc.oneof(
        {
          weight: 5,
          arbitrary: fc
            .tuple(marksOf(name, uuid), fc.option(requestOf(uuid)))
            .map(([own, request]) => ({ mark: own, ...(request && { request }) })),
        },
        { weight: 1, arbitrary: fc.constant({ markError: 'our mark lacks "state"' }) },
        { weight: 1, arbitrary: fc.constant({ markError: 'a copy', hasCopiedMark: true as const }) },
        { weight: 2, arbitrary: fc.constant({}) },
      ),
    })
    .map(({ found, run, live, attachedGiB, ...rest }) => {
      const vdb = { target: 'vdb', file: `/pool/${name}-vdb.qcow2` };
      const { disks } = observedVm({ name });
      const runs = rest.power === 'running' ? { run, live } : {};
      const { mark: _, ...bare } = observedVm({ name, uuid, ...rest, ...runs });
      const more = attachedGiB === undefined ? [] : [{ ...vdb, capacity: attachedGiB * GIB }];
      return { ...bare, disks: [...disks, ...more], ...found };
    }),
);

/** As libvirt has it: on one host every name and every uuid is there once. */
const vmsOfOneHost = fc
  .uniqueArray(vm, { selector: ({ name }) => name, maxLength: 4 })
  .map((vms) => [...new Map(vms.map((one) => [one.uuid, one])).values()]);

/** The image, and what is kept of data disks. */
const VOLUMES = new Map([
  ['default/debian.qcow2', { capacity: 2 * GIB, allocation: GIB }],
  ...NAMES.map((name) => [`default/${name}-vdb.qcow2`, { capacity: GIB, allocation: GIB }] as const),
]);

function host(name: string): fc.Arbitrary<ObservedHost> {
  return fc.oneof(
    {
      weight: 4,
      // The smaller one has room for one VM.
      arbitrary: fc
        .tuple(vmsOfOneHost, fc.constantFrom(32, 3))
        .map(([vms, gib]) => knownHost(name, vms, { volumes: VOLUMES, memoryMiB: gib * 1024 })),
    },
    {
      weight: 1,
      arbitrary: fc
        .option(fc.subarray(NAMES), { nil: undefined })
        .map((lastSeen) => unknownHost(name, lastSeen)),
    },
  );
}

const observed: fc.Arbitrary<ObservedState> = fc
  .tuple(...HOSTS.map(host))
  .map((hosts) => ({ hosts: new Map(hosts.map((one) => [one.name, one])) }));

/** What git wants beside what the hosts show: alike often enough, at odds in every way that we know. */
export const situations = fc.record({ desired, observed });
