import type { DesiredState, DesiredVm, HostPolicy, NewVm, Policy } from '../src/core/desired.ts';
import { vmUuid } from '../src/core/identity.ts';
import type { Mark } from '../src/core/mark.ts';
import type {
  KnownHost,
  ObservedHost,
  ObservedPool,
  ObservedState,
  ObservedVm,
  UnknownHost,
} from '../src/core/observed.ts';
import type { Report, Revision, StepResult } from '../src/core/report.ts';
import { Secret } from '../src/core/secret.ts';
import type { DesiredSeed } from '../src/core/seed.ts';
import { type Held, type RemoveStep, type Step, subjectOf, type VmStep } from '../src/core/step.ts';

export const GIB = 1024 ** 3;
export const CLUSTER = 'lab';
export const NOW = new Date('2026-03-01T12:00:00.000Z');
const STRANGER_UUID = '11111111-2222-4333-8444-555555555555';
/** The one that marks name: at the root of every branch of the fakes. */
export const MARK_COMMIT = 'c0ffee0000000000000000000000000000000000';
export const COMMIT = 'c0ffee0000000000000000000000000000000001';

/** A sound VM `web` on host `a`, with no data disk. */
export function desiredVm(overrides: Partial<NewVm> = {}): NewVm {
  const name = overrides.name ?? 'web';
  return {
    name,
    host: 'a',
    uuid: vmUuid(CLUSTER, name),
    hostname: `${name}.lab.internal`,
    ipaddress: '10.0.0.11',
    vcpus: 2,
    memoryMiB: 2048,
    maxMemoryMiB: 4096,
    bootDisk: {
      target: 'vda',
      pool: 'default',
      volume: `${name}-vda.qcow2`,
      image: { name: 'debian', pool: 'default', volume: 'debian.qcow2' },
      clone: 'overlay',
    },
    dataDisks: [],
    nics: [{ bridge: 'br0' }],
    power: 'on',
    autostart: true,
    antiAffinity: [],
    restart: 'never',
    dependsOn: [],
    hostnameVia: 'dhcp',
    protect: false,
    drift: 'heal',
    migration: 'offline',
    source: { file: 'manifests/web.yaml', line: 4 },
    ...overrides,
  };
}

/** `web` as a person declares it who had it before: by the uuid of `stranger`, with all its disks. */
export function adoptedVm(overrides: Partial<DesiredVm> = {}): DesiredVm {
  const { bootDisk: _, ...rest } = desiredVm();
  const disk = { target: 'vda', pool: 'default', volume: 'web-vda.qcow2', sizeGiB: 2 };
  return { ...rest, uuid: STRANGER_UUID, dataDisks: [disk], nics: [], ...overrides };
}

/** The seed of `web`, with that user data. */
export function desiredSeed(userData: Record<string, unknown> = {}, name = 'web'): DesiredSeed {
  return {
    pool: 'default',
    volume: `${name}-seed.img`,
    hostname: `${name}.lab.internal`,
    content: new Secret({ sshKeys: [], userData }),
    explicit: true,
  };
}

export function hostPolicy(name: string, overrides: Partial<HostPolicy> = {}): HostPolicy {
  return {
    name,
    state: 'active',
    pool: 'default',
    reserve: { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
    ratio: { vcpu: 4, memory: 1, disk: 1 },
    pools: [],
    images: [],
    ...overrides,
  };
}

/** Hosts `a`, `b` and `c`, and the VMs. */
export function desiredState(
  vms: readonly DesiredVm[] = [],
  { policy, hosts = [] }: { policy?: Partial<Policy>; hosts?: readonly HostPolicy[] } = {},
): DesiredState {
  const all = [hostPolicy('a'), hostPolicy('b'), hostPolicy('c'), ...hosts];
  return {
    cluster: CLUSTER,
    vms: new Map(vms.map((vm) => [vm.name, vm])),
    hosts: new Map(all.map((host) => [host.name, host])),
    policy: { maxRemovals: 5, tombstoneDays: 7, nPlusOne: 'ignore', migration: { maxPerHost: 1 }, ...policy },
  };
}

/** Those of a plan's steps that are about VMs. */
export function vmSteps(steps: readonly Step[]): VmStep[] {
  return steps.filter((step) => 'vm' in step);
}

/** Our mark on `web`, complete. */
export function mark(overrides: Partial<Mark> = {}, name = 'web'): Mark {
  const state = overrides.state ?? 'ready';
  return {
    cluster: CLUSTER,
    uuid: vmUuid(CLUSTER, name),
    state,
    file: 'manifests/web.yaml',
    commit: MARK_COMMIT,
    protect: false,
    volumes: [{ target: 'vda', pool: 'default', name: `${name}-vda.qcow2`, made: true }],
    ...(state === 'tombstone' && {
      removed: {
        at: '2026-02-20T12:00:00.000Z',
        purgeAfter: '2026-02-27T12:00:00.000Z',
        commit: 'dead',
        complete: true,
      },
    }),
    ...overrides,
  };
}

/** The VM that `desiredVm` asks for, as it is once it runs; `unmarked` makes it a stranger. */
export function observedVm(overrides: Partial<ObservedVm> = {}): ObservedVm {
  const name = overrides.name ?? 'web';
  return {
    name,
    uuid: vmUuid(CLUSTER, name),
    power: 'running',
    managedSave: false,
    persistent: true,
    autostart: true,
    vcpus: 2,
    memoryMiB: 2048,
    maxMemoryMiB: 4096,
    macs: ['52:54:00:00:00:01'],
    nics: [{ mac: '52:54:00:00:00:01', bridge: 'br0' }],
    disks: [{ target: 'vda', file: `/pool/${name}-vda.qcow2`, capacity: 2 * GIB, physical: GIB }],
    mark: mark({}, name),
    ...overrides,
  };
}

/** The same VM without our mark. */
export function stranger(overrides: Partial<ObservedVm> = {}): ObservedVm {
  const { mark: _, ...rest } = observedVm({ name: 'theirs', ...overrides });
  return { ...rest, uuid: overrides.uuid ?? STRANGER_UUID };
}

export function pool(overrides: Partial<ObservedPool> = {}): ObservedPool {
  return {
    name: 'default',
    active: true,
    capacity: 100 * GIB,
    available: 80 * GIB,
    path: '/pool',
    type: 'dir',
    autostart: true,
    ...overrides,
  };
}

/** Host with 8 CPUs, 32 GiB, a pool `default` and the image `debian` of 2 GiB in it. */
export function knownHost(
  name: string,
  vms: readonly ObservedVm[] = [],
  overrides: Partial<KnownHost> = {},
): KnownHost {
  return {
    kind: 'known',
    name,
    cpus: 8,
    memoryMiB: 32 * 1024,
    virtType: 'kvm',
    arch: 'x86_64',
    pools: new Map([['default', pool()]]),
    volumes: new Map([['default/debian.qcow2', { capacity: 2 * GIB, allocation: GIB }]]),
    vms,
    ...overrides,
  };
}

export function unknownHost(name: string, lastSeen?: readonly string[]): UnknownHost {
  return { kind: 'unknown', name, reason: 'SSH timed out', ...(lastSeen && { lastSeen }) };
}

export function observedState(...hosts: readonly ObservedHost[]): ObservedState {
  return { hosts: new Map(hosts.map((host) => [host.name, host])) };
}

/** `create web on a`: a plan in words, for assertions. */
export function inWords(changes: readonly (Step | Held)[]): string[] {
  return changes.map((change) => {
    const subject = 'subject' in change ? change.subject : subjectOf(change);
    return `${change.kind} ${subject} on ${change.host}`;
  });
}

export function removeStep(vm: string, overrides: Partial<RemoveStep> = {}): RemoveStep {
  const at = NOW.toISOString();
  return {
    kind: 'remove',
    host: 'a',
    vm,
    uuid: vmUuid(CLUSTER, vm),
    cluster: CLUSTER,
    reason: 'gone from git',
    mark: mark({ state: 'tombstone', removed: { at, purgeAfter: at, commit: COMMIT, complete: true } }, vm),
    ...overrides,
  };
}

export function revision(sha: string, overrides: Partial<Revision> = {}): Revision {
  return { sha, subject: `change ${sha}`, author: 'Ann <ann@lab>', date: NOW.toISOString(), ...overrides };
}

export function stepResult(overrides: Partial<StepResult> = {}): StepResult {
  return {
    host: 'a',
    subject: 'web',
    kind: 'create',
    reason: 'in git, not on the host',
    outcome: 'done',
    durationMs: 10,
    ...overrides,
  };
}

export function report(overrides: Partial<Report> = {}): Report {
  return {
    v: 1,
    revision: revision('aaaa'),
    status: 'applied',
    startedAt: NOW.toISOString(),
    durationMs: 1500,
    trigger: 'poll',
    steps: [],
    held: [],
    issues: [],
    unknownHosts: [],
    ...overrides,
  };
}
