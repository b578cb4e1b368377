import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assess, newRefusals } from '../../src/core/assess.ts';
import { type BuildContext, buildDesired } from '../../src/core/build-desired.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import { formatIssue } from '../../src/core/issue.ts';
import type { KnownHost, ObservedState, ObservedVm } from '../../src/core/observed.ts';
import type { Move } from '../../src/core/placing/place-movers.ts';
import { proposeDrain, type World } from '../../src/core/placing/propose-drain.ts';
import { proposePlaces } from '../../src/core/placing/propose-place.ts';
import { proposeRebalance } from '../../src/core/placing/propose-rebalance.ts';
import { rewriteHosts } from '../../src/core/rewriting/rewrite-hosts.ts';
import type { SourceFile } from '../../src/core/source-file.ts';
import { CLUSTER, COMMIT, GIB, knownHost, mark, NOW, observedVm, pool, unknownHost } from '../builders.ts';

const HOSTS = ['a', 'b', 'c', 'd'];
const AUTO = 'auto';
const CONTEXT: BuildContext = { hosts: new Map(HOSTS.map((host) => [host, { address: `${host}.lab` }])) };
/** As `place` reads manifests. */
const WITH_AUTO: BuildContext = { hosts: new Map(CONTEXT.hosts).set(AUTO, { address: '' }) };

interface Vm {
  readonly name: string;
  readonly host: string;
  readonly vcpus: number;
  readonly memoryGb: number;
  readonly antiAffinity: readonly string[];
  readonly dependsOn: readonly string[];
  readonly power: string;
  readonly diskGb: number | undefined;
  readonly isThere: boolean;
}

interface Host {
  readonly name: string;
  readonly state: string;
  readonly cpus: number;
  readonly memoryGb: number;
  readonly diskGb: number;
  readonly pool: string;
  readonly isUnknown: boolean;
}

/** Manifests in either form, and hosts that have most of their VMs. */
interface Fleet {
  readonly files: readonly SourceFile[];
  readonly observed: ObservedState;
  /** The pool that each host gives its VMs. */
  readonly pools: ReadonlyMap<string, string>;
}

const host = (name: string): fc.Arbitrary<Host> =>
  fc.record({
    name: fc.constant(name),
    state: fc.constantFrom('active', 'active', 'active', 'drained'),
    cpus: fc.constantFrom(2, 4, 8),
    memoryGb: fc.constantFrom(4, 8, 16),
    diskGb: fc.constantFrom(20, 100),
    pool: fc.constantFrom('default', 'default', 'fast'),
    isUnknown: fc.constantFrom(false, false, false, false, true),
  });

const vm = (index: number): fc.Arbitrary<Vm> =>
  fc.record({
    name: fc.constant(`vm-${index}`),
    host: fc.constantFrom(...HOSTS),
    vcpus: fc.constantFrom(1, 2, 4),
    memoryGb: fc.constantFrom(0.5, 1, 2, 4),
    antiAffinity: fc.constantFrom([], [], ['db'], ['web']),
    dependsOn: fc.constantFrom([], [], [`vm-${index + 1}`]),
    power: fc.constantFrom('on', 'on', 'on', 'off'),
    diskGb: fc.constantFrom(undefined, 1, 15),
    isThere: fc.constantFrom(true, true, true, false),
  });

const COUNT = 10;
/** More proposals than a fleet of that size takes. */
const MANY = 20;
const fleets = (hostOf: (vm: Vm) => string = ({ host: own }) => own): fc.Arbitrary<Fleet> =>
  fc
    .record({
      hosts: fc.tuple(...HOSTS.map(host)),
      vms: fc.tuple(...Array.from({ length: COUNT }, (_, index) => vm(index))),
      isJson: fc.boolean(),
    })
    .map(({ hosts, vms, isJson }) => {
      const apart = alone(vms.map((one) => ({ ...one, host: hostOf(one) })));
      const pools = new Map(hosts.map(({ name, pool: own }) => [name, own]));
      return { files: [clusterYaml(hosts), manifest(apart, isJson)], observed: observe(hosts, apart), pools };
    });

/** No two of a group on one host; the last depends on nobody. */
function alone(vms: readonly Vm[]): Vm[] {
  const taken = new Set<string>();
  return vms.map((one, index) => {
    const key = `${one.host}/${one.antiAffinity.join()}`;
    const antiAffinity = one.host !== AUTO && taken.has(key) ? [] : one.antiAffinity;
    taken.add(key);
    return { ...one, antiAffinity, dependsOn: index === COUNT - 1 ? [] : one.dependsOn };
  });
}

function clusterYaml(hosts: readonly Host[]): SourceFile {
  const lines = hosts.map(({ name, state, pool: own }) => `  ${name}: { state: ${state}, pool: ${own} }\n`);
  const content = `cluster: ${CLUSTER}\ndefaults: { image: debian, autostart: false }\nhosts:\n${lines.join('')}images: { debian: { pool: default, volume: debian.qcow2 } }\n`;
  return { path: 'cluster.yaml', content };
}

function manifest(vms: readonly Vm[], isJson: boolean): SourceFile {
  const groups = [...HOSTS, AUTO].flatMap((name) => {
    const own = vms.filter((one) => one.host === name);
    return own.length === 0 ? [] : [{ host: name, vmspecs: own.map(specOf) }];
  });
  if (isJson) return { path: 'manifests/all.json', content: JSON.stringify(groups, null, 2) };
  const text = groups.map(
    (group) =>
      `- host: ${group.host} # a rack\n  vmspecs:\n${group.vmspecs.map((spec) => `    # ${spec.name}\n    - ${JSON.stringify(spec)}\n`).join('')}`,
  );
  return { path: 'manifests/all.yaml', content: text.join('\n') };
}

function specOf({ diskGb, name, vcpus, memoryGb, antiAffinity, dependsOn, power }: Vm) {
  const rest = { vcpus, memoryGb, antiAffinity, dependsOn, power };
  const disks = diskGb === undefined ? {} : { numDisks: 1, diskSize: diskGb };
  return { name, ipaddress: `10.0.0.${10 + Number(name.slice(3))}`, ...disks, ...rest };
}

function observe(hosts: readonly Host[], vms: readonly Vm[]): ObservedState {
  const seen = hosts.map(({ name, cpus, memoryGb, diskGb, isUnknown, pool: own }) => {
    const there = vms.filter((one) => one.host === name && one.isThere).map((one) => observedOf(one, own));
    if (isUnknown)
      return unknownHost(
        name,
        there.map((one) => one.name),
      );
    const pools = ['default', 'fast'].map((one) => {
      const available = diskGb * GIB;
      const taken = one === own ? there.reduce((sum, each) => sum + bytesOf(each), 0) : 0;
      return [one, pool({ name: one, path: `/${one}`, capacity: available + taken, available })] as const;
    });
    return knownHost(name, there, { cpus, memoryMiB: memoryGb * 1024, pools: new Map(pools) });
  });
  return { hosts: new Map(seen.map((one) => [one.name, one])) };
}

function observedOf({ name, vcpus, memoryGb, power, diskGb }: Vm, own: string): ObservedVm {
  const memoryMiB = memoryGb * 1024;
  const disk = (target: string, gib: number) => ({
    target,
    file: `/${own}/${name}-${target}.qcow2`,
    capacity: gib * GIB,
    physical: gib * GIB,
  });
  return observedVm({
    name,
    vcpus,
    memoryMiB,
    maxMemoryMiB: memoryMiB,
    power: power === 'on' ? 'running' : 'shutoff',
    autostart: false,
    disks: [disk('vda', 2), ...(diskGb === undefined ? [] : [disk('vdb', diskGb)])],
    mark: mark({}, name),
  });
}

function bytesOf({ disks }: ObservedVm): number {
  return disks.reduce((sum, { capacity = 0 }) => sum + capacity, 0);
}

function built(files: readonly SourceFile[], context = CONTEXT): DesiredState {
  const result = buildDesired(files, context);
  if (!result.ok) throw new Error(result.issues.map(formatIssue).join('\n'));
  return result.desired;
}

function worldOf({ files, observed }: Fleet, context = CONTEXT): World {
  const desired = built(files, context);
  return { desired, observed, capacity: judged(desired, observed).capacity };
}

function judged(desired: DesiredState, observed: ObservedState) {
  return assess(desired, observed, { now: NOW, commit: COMMIT });
}

/** The manifests with the moves in them, which have to be right. */
function applied({ files }: Fleet, moves: readonly Move[]): SourceFile[] {
  const result = rewriteHosts(files, new Map(moves.map((move) => [move.vm, move.to])));
  if (!result.ok) throw new Error(result.problem);
  const changed = new Map(result.files.map((file) => [file.path, file]));
  return files.map((file) => changed.get(file.path) ?? file);
}

function expectSound(fleet: Fleet, moves: readonly Move[], context = CONTEXT): void {
  const before = built(fleet.files, context);
  const after = built(applied(fleet, moves), context);
  const to = new Map(moves.map((move) => [move.vm, move.to]));
  const hostsOf = ({ vms }: DesiredState) => [...vms.values()].map((one) => [one.name, one.host] as const);
  expect(new Map(hostsOf(after))).toEqual(
    new Map(hostsOf(before).map(([name, own]) => [name, to.get(name) ?? own])),
  );
  for (const target of to.values()) {
    expect(after.hosts.get(target)?.state).toBe('active');
    expect(fleet.observed.hosts.get(target)?.kind).toBe('known');
  }
  const judgement = (desired: DesiredState) => ({ desired, assessment: judged(desired, fleet.observed) });
  expect(newRefusals(judgement(before), judgement(after), fleet.observed)).toEqual([]);
}

/** What the hosts show once the moves are made. */
function carriedOut({ observed, pools }: Fleet, moves: readonly Move[]): ObservedState {
  const hosts = new Map(observed.hosts);
  for (const { vm: name, from, to } of moves) {
    const [source, target] = [hosts.get(from), hosts.get(to)];
    const gone = source?.kind === 'known' ? source.vms.find((one) => one.name === name) : undefined;
    if (source?.kind !== 'known' || target?.kind !== 'known' || gone === undefined) continue;
    const [old = '', own = ''] = [pools.get(from), pools.get(to)];
    const come = {
      ...gone,
      disks: gone.disks.map((disk) => ({ ...disk, file: disk.file?.replace(`/${old}/`, `/${own}/`) ?? '' })),
    };
    hosts.set(from, {
      ...withRoom(source, old, bytesOf(gone)),
      vms: source.vms.filter((one) => one !== gone),
    });
    hosts.set(to, { ...withRoom(target, own, -bytesOf(gone)), vms: [...target.vms, come] });
  }
  return { hosts };
}

function withRoom(known: KnownHost, name: string, bytes: number): KnownHost {
  const found = known.pools.get(name);
  if (found === undefined) return known;
  return {
    ...known,
    pools: new Map(known.pools).set(name, { ...found, available: found.available + bytes }),
  };
}

it('a drain only fills hosts that take VMs, none beyond its limits, and its patch is right in every form', () => {
  fc.assert(
    fc.property(fleets(), fc.constantFrom(...HOSTS), (fleet, name) => {
      const world = worldOf(fleet);
      const { moves, left } = proposeDrain(name, world);
      const concerned = [...world.desired.vms.values()].filter((one) => one.host === name);
      expect([...moves, ...left].map((one) => one.vm).toSorted()).toEqual(
        concerned.map((one) => one.name).toSorted(),
      );
      expect(moves.filter(({ to }) => to === name)).toEqual([]);
      expect(
        left.filter(({ reasons }) => reasons.length === 0 || reasons.some((text) => text.endsWith(': '))),
      ).toEqual([]);
      expectSound(fleet, moves);
    }),
    { numRuns: 150, interruptAfterTimeLimit: 15_000 },
  );
});

it('a place for a VM is on a host that takes it', () => {
  const someAuto = fleets(({ host: own, isThere }) => (isThere ? own : AUTO));
  fc.assert(
    fc.property(someAuto, (fleet) => {
      const world = worldOf(fleet, WITH_AUTO);
      const { moves, left } = proposePlaces(world);
      const asked = [...world.desired.vms.values()].filter((one) => one.host === AUTO);
      expect(moves.length + left.length).toBe(asked.length);
      expectSound(fleet, moves, WITH_AUTO);
    }),
    { numRuns: 100, interruptAfterTimeLimit: 15_000 },
  );
});

it('a rebalance makes the score better, is always the same, and comes to an end', () => {
  fc.assert(
    fc.property(fleets(), fc.integer({ min: 1, max: 6 }), (fleet, maxMoves) => {
      const limits = { maxMoves, minGain: 1 };
      const world = worldOf(fleet);
      const { before, after, moves } = proposeRebalance(world, limits);
      expect(proposeRebalance(world, limits).moves).toEqual(moves);
      expect(moves.length).toBeLessThanOrEqual(maxMoves);
      expect(after.homeless).toBeLessThanOrEqual(before.homeless);
      const isBetter = after.homeless < before.homeless || after.spread < before.spread;
      expect(isBetter || moves.length === 0).toBe(true);
      expectSound(fleet, moves);
      // Each proposal starts from what the last one came to, and is better: merged one after the other they end.
      let [next, last] = [fleet, { after, moves }];
      for (let proposal = 0; last.moves.length > 0; proposal += 1) {
        expect(proposal).toBeLessThan(MANY);
        next = { ...next, files: applied(next, last.moves), observed: carriedOut(next, last.moves) };
        const again = proposeRebalance(worldOf(next), limits);
        expect(again.before.homeless).toBe(last.after.homeless);
        expect(again.before.spread).toBeCloseTo(last.after.spread);
        last = again;
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 15_000 },
  );
});
