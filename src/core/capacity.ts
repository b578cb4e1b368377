import { formatBytes } from './capacity-check.ts';
import { canBeMade, type DesiredState, type DesiredVm, type HostPolicy, type NewVm } from './desired.ts';
import { bootDiskBytes, comingImageBytes, unknownImages } from './image-room.ts';
import type { KnownHost, ObservedDisk, ObservedPool, ObservedState, ObservedVm } from './observed.ts';
import { volumeKey } from './observed.ts';
import { diskSizes, keptVolume } from './shrink.ts';
import type { MovedVolume, Plan, StepKind } from './step.ts';

const GIB = 1024 ** 3;

/** One resource of one host. Units: vCPUs, MiB or bytes. */
export interface Amount {
  /** What the host has. */
  readonly total: number;
  /** What may be promised: (total - reserve) x ratio. */
  readonly limit: number;
  /** Taken now by all that runs or will run there, ours or not. */
  readonly used: number;
  /** Taken once git is applied. */
  readonly wanted: number;
}

export interface HostCapacity {
  readonly host: string;
  readonly vcpus: Amount;
  readonly memoryMiB: Amount;
  /** If every guest grew to its maximum: shown, not enforced. */
  readonly maxMemoryMiB: { readonly used: number; readonly wanted: number };
  readonly pools: readonly (Amount & { readonly name: string })[];
  /** What nobody can tell yet, in sentences: pools that have yet to be set up, images that have yet to be fetched. */
  readonly unknown: readonly string[];
  /** Running or autostarted VMs that are not ours. */
  readonly strangers: readonly string[];
}

/** What one VM takes. */
interface Load {
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
}

/**
 * What each known host has, uses, and would use once the plan is carried out. What the plan leaves as it is counts on:
 * a removal that waits, a VM that git has under another host, one that is larger on the host than in git.
 */
export function measureCapacity(desired: DesiredState, observed: ObservedState, plan: Plan): HostCapacity[] {
  const byHost = groupByHost(desired);
  const leaving = new Set([...uuidsOf(plan, ['remove', 'purge', 'depart']), ...takenOver(plan)]);
  const joining = uuidsOf(plan, ['adopt']);
  const arriving = new Map(
    plan.steps.flatMap((step) =>
      step.kind === 'receive' || step.kind === 'migrate'
        ? [[`${step.host}/${step.uuid}`, step.volumes] as const]
        : [],
    ),
  );
  return [...observed.hosts.values()].flatMap((host) => {
    const policy = desired.hosts.get(host.name);
    if (host.kind === 'unknown' || policy === undefined) return [];
    const wanted = byHost.get(host.name) ?? [];
    const there = new Map(host.vms.map((vm) => [vm.name, vm]));
    const missing = wanted.filter(isMissing(there));
    return measureHost(host, policy, { desired, wanted, there, missing, arriving, leaving, joining });
  });
}

/** `HOST/UUID` of the VMs for which the plan has such steps. */
function uuidsOf({ steps }: Plan, kinds: readonly StepKind[]): ReadonlySet<string> {
  return new Set(
    steps.flatMap((step) => ('vm' in step && kinds.includes(step.kind) ? [`${step.host}/${step.uuid}`] : [])),
  );
}

/** `HOST/UUID` of the VMs that another host takes over while they run. */
function takenOver({ steps }: Plan): readonly string[] {
  return steps.flatMap((step) => (step.kind === 'migrate' ? [`${step.from.host}/${step.uuid}`] : []));
}

interface Wanted {
  readonly desired: DesiredState;
  readonly wanted: readonly DesiredVm[];
  /** What the host has, by name. */
  readonly there: ReadonlyMap<string, ObservedVm>;
  /** Of `wanted`, what the host has yet to get. */
  readonly missing: readonly NewVm[];
  /** `HOST/UUID` of what the plan takes away, and of what it adopts. */
  readonly leaving: ReadonlySet<string>;
  readonly joining: ReadonlySet<string>;
  /** What comes along with VMs that move to a host, by `HOST/UUID`. */
  readonly arriving: ReadonlyMap<string, readonly MovedVolume[]>;
}

function measureHost(host: KnownHost, policy: HostPolicy, context: Wanted): HostCapacity {
  const { cluster, vms } = context.desired;
  const isOurs = (vm: ObservedVm) =>
    vm.mark?.cluster === cluster || context.joining.has(`${host.name}/${vm.uuid}`);
  const isPromised = (vm: ObservedVm) => {
    const wanted = vms.get(vm.name);
    return isOurs(vm) && vm.mark?.state === 'ready' && wanted?.host === host.name && wanted.power !== 'off';
  };
  const running = host.vms.filter((vm) => countsNow(vm) || isPromised(vm));
  const strangers = running.filter((vm) => !isOurs(vm));
  const staying = running.filter(
    (vm) =>
      isOurs(vm) && vms.get(vm.name)?.host !== host.name && !context.leaving.has(`${host.name}/${vm.uuid}`),
  );
  const used = sumLoads(running);
  const wanted = sumLoads([
    ...strangers,
    ...staying,
    ...context.wanted.filter(({ power, autostart }) => power !== 'off' || autostart),
  ]);
  const limit = promisable(host, policy);
  return {
    host: host.name,
    vcpus: {
      total: host.cpus,
      limit: limit.vcpus,
      used: used.vcpus,
      wanted: wanted.vcpus,
    },
    memoryMiB: {
      total: host.memoryMiB,
      limit: limit.memoryMiB,
      used: used.memoryMiB,
      wanted: wanted.memoryMiB,
    },
    maxMemoryMiB: { used: used.maxMemoryMiB, wanted: wanted.maxMemoryMiB },
    pools: [...host.pools.values()]
      .filter(({ active }) => active)
      .map((pool) => measurePool(pool, host, policy, context)),
    unknown: [...unknownPools(host, context), ...unknownImages(context.missing, host)],
    strangers: strangers.map(({ name }) => name),
  };
}

/** What of a host may be promised to VMs that run. */
export function promisable(
  { cpus, memoryMiB }: KnownHost,
  { reserve, ratio }: HostPolicy,
): Pick<Load, 'vcpus' | 'memoryMiB'> {
  return {
    vcpus: Math.floor((cpus - reserve.vcpus) * ratio.vcpu),
    memoryMiB: Math.floor((memoryMiB - reserve.memoryMiB) * ratio.memory),
  };
}

/** VMs that are not there, or of which an earlier try was cut short. */
function isMissing(there: Wanted['there']): (vm: DesiredVm) => vm is NewVm {
  return (vm): vm is NewVm => {
    const found = there.get(vm.name);
    return canBeMade(vm) && (found === undefined || found.mark?.state === 'building');
  };
}

/** It takes its share now, or will when the host boots. */
function countsNow(vm: ObservedVm): boolean {
  return vm.power !== 'shutoff' || (vm.autostart && vm.mark?.state !== 'tombstone');
}

function sumLoads(loads: readonly Load[]): Load {
  const sum = { vcpus: 0, memoryMiB: 0, maxMemoryMiB: 0 };
  for (const load of loads) {
    sum.vcpus += load.vcpus;
    sum.memoryMiB += load.memoryMiB;
    sum.maxMemoryMiB += load.maxMemoryMiB;
  }
  return sum;
}

/** Thin disks count whole: what the files take now, what they may still grow, and what is to be made. */
function measurePool(
  pool: ObservedPool,
  host: KnownHost,
  policy: HostPolicy,
  context: Wanted,
): Amount & { name: string } {
  const growth = host.vms
    .flatMap(({ disks }) => disks)
    .filter(isIn(pool))
    .reduce((sum, disk) => sum + Math.max(0, (disk.capacity ?? 0) - (disk.physical ?? 0)), 0);
  const used = pool.capacity - pool.available + growth;
  return {
    name: pool.name,
    total: pool.capacity,
    limit: Math.floor((pool.capacity - policy.reserve.diskGiB * GIB) * policy.ratio.disk),
    used,
    wanted: used + addedTo(pool, host, context),
  };
}

type Folder = Pick<ObservedPool, 'name' | 'path'>;

/** What comes into a pool beyond what is there: disks that are made or grow, and the images for them, each once. */
function addedTo(pool: Folder, host: KnownHost, { wanted, there, missing, arriving }: Wanted): number {
  const disks = wanted.reduce((sum, vm) => {
    const found = there.get(vm.name);
    const volumes = arriving.get(`${host.name}/${vm.uuid}`);
    if (volumes !== undefined) return sum + arrivingBytes(pool, volumes, { found, host });
    if (found !== undefined && found.mark?.state !== 'building') return sum + growthIn(pool, vm, found, host);
    // What an earlier try made of it is counted already.
    const made = (found?.disks ?? []).filter(isIn(pool)).reduce((bytes, disk) => bytes + wholeSize(disk), 0);
    return sum + Math.max(0, volumeBytes(pool.name, vm, host) - made);
  }, 0);
  return disks + comingImageBytes(pool.name, missing, host);
}

function isIn({ path }: Folder): (disk: ObservedDisk) => boolean {
  return ({ file }) => path !== undefined && file?.startsWith(`${path}/`) === true;
}

/** Pools that something is to come into, and whose room shows only once they are set up or started. */
function unknownPools(host: KnownHost, context: Wanted): string[] {
  const { missing } = context;
  const attached = context.wanted.flatMap(({ dataDisks }) => dataDisks);
  const pools = [...missing.flatMap(({ bootDisk }) => [bootDisk, bootDisk.image]), ...attached];
  return [...new Set(pools.map(({ pool }) => pool))].toSorted().flatMap((name) => {
    const pool = host.pools.get(name);
    if (pool?.active === true) return [];
    const bytes = addedTo(pool ?? { name }, host, context);
    const isNew = missing.some(({ bootDisk }) => [bootDisk.pool, bootDisk.image.pool].includes(name));
    if (bytes === 0 && !isNew) return [];
    const state = pool === undefined ? 'is not there yet' : 'is not active';
    return [`pool ${name} ${state}: its room is not known, and git wants ${formatBytes(bytes)} of it`];
  });
}

/** What the disks of a VM that moves here will take, beyond what an earlier try, or an earlier move, has left of them. */
function arrivingBytes(
  pool: Folder,
  volumes: readonly MovedVolume[],
  { found, host }: { readonly found: ObservedVm | undefined; readonly host: KnownHost },
): number {
  const claimed = (found?.mark?.volumes ?? []).filter((volume) => volume.pool === pool.name);
  const there = claimed.reduce((sum, volume) => {
    const disk = found?.disks.find(({ target }) => target === volume.target);
    const alone = host.volumes.get(volumeKey(volume))?.allocation ?? 0;
    return sum + (disk === undefined ? alone : wholeSize(disk));
  }, 0);
  const coming = volumes
    .filter(({ to, isShared }) => to.pool === pool.name && !isShared)
    .reduce((sum, { bytes }) => sum + bytes, 0);
  return Math.max(0, coming - there);
}

/** What the disks of a VM that is there would take beyond what is counted of them. */
function growthIn(pool: Folder, vm: DesiredVm, found: ObservedVm, host: KnownHost): number {
  return diskSizes(vm, found, host).reduce((sum, { target, wanted }) => {
    const there = found.disks.find((disk) => disk.target === target);
    if (there !== undefined) {
      return isIn(pool)(there) && there.capacity !== undefined
        ? sum + Math.max(0, wanted - wholeSize(there))
        : sum;
    }
    const disk = vm.dataDisks.find((other) => other.target === target);
    if (disk === undefined || disk.pool !== pool.name) return sum;
    // A volume that is kept lies in the pool already, as far as it is filled.
    const kept = keptVolume(found, disk);
    const allocation = kept === undefined ? 0 : (host.volumes.get(volumeKey(kept))?.allocation ?? 0);
    return sum + Math.max(0, wanted - allocation);
  }, 0);
}

function wholeSize({ capacity = 0, physical = 0 }: ObservedDisk): number {
  return Math.max(capacity, physical);
}

/** Bytes of the VM's disks in that pool, at full size. `host`: where the size of its image is known. */
export function volumeBytes(pool: string, vm: DesiredVm, host: KnownHost | undefined): number {
  const { bootDisk, dataDisks } = vm;
  const boot = bootDisk?.pool === pool ? bootDiskBytes(bootDisk, host) : 0;
  return dataDisks.filter((disk) => disk.pool === pool).reduce((sum, disk) => sum + disk.sizeGiB * GIB, boot);
}

function groupByHost(desired: DesiredState): Map<string, DesiredVm[]> {
  const groups = new Map<string, DesiredVm[]>();
  for (const vm of desired.vms.values()) {
    const group = groups.get(vm.host);
    if (group === undefined) groups.set(vm.host, [vm]);
    else group.push(vm);
  }
  return groups;
}
