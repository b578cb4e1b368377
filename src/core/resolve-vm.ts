import type { Cluster } from './cluster.ts';
import type { BootDisk, DataDisk, DesiredVm, HostPolicy, Image, Nic, Policy } from './desired.ts';
import { vmUuid } from './identity.ts';
import { resolveImage } from './images.ts';
import type { VmSpec } from './manifest.ts';
import { poolsOf } from './pools.ts';
import { resolveFreezes } from './resolve-freezes.ts';
import { resolveGuest, type SeedContext } from './resolve-seed.ts';

const MIB_PER_GIB = 1024;

/** Where a VM is declared, and for which host. */
export interface Declaration {
  readonly host: string;
  readonly source: DesiredVm['source'];
  /** Absent: the VM was there before, and says its uuid. */
  readonly image?: Image;
  /** The content of a file of the repository. */
  readonly readFile: SeedContext['readFile'];
}

/** Fills in what a manifest leaves out: from the host, else from the defaults, else from here. */
export function resolveVm(
  spec: VmSpec,
  { host, source, image, readFile }: Declaration,
  cluster: Cluster,
): DesiredVm {
  const { defaults = {} } = cluster;
  const ofHost = hostSettings(cluster, host);
  const pool = spec.pool ?? diskPool(host, cluster);
  const power = spec.power ?? defaults.power ?? 'on';
  const force = spec.force ?? defaults.force;
  const bridge = ofHost.bridge ?? defaults.bridge;
  const hostname = hostnameOf(spec);
  return {
    name: spec.name,
    host,
    uuid: spec.uuid?.toLowerCase() ?? vmUuid(cluster.cluster, spec.name),
    hostname,
    // An adopted VM keeps the title that somebody gave it.
    ...(spec.hostname !== undefined && spec.uuid === undefined && { title: hostname }),
    ipaddress: spec.ipaddress,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryGb * MIB_PER_GIB,
    maxMemoryMiB: (spec.maxMemoryGb ?? spec.memoryGb) * MIB_PER_GIB,
    ...(image && { bootDisk: bootDisk(spec, pool, image, defaults) }),
    dataDisks: dataDisks(spec, pool),
    nics: nicsOf(spec).map((nic) => resolveNic(nic, bridge)),
    power,
    autostart: spec.autostart ?? (power !== 'off' && (defaults.autostart ?? true)),
    antiAffinity: spec.antiAffinity ?? [],
    restart: spec.restart ?? defaults.restart ?? 'never',
    ...(force === undefined ? {} : { force }),
    dependsOn: [...new Set(spec.dependsOn)].toSorted(),
    ...resolveGuest(spec, { cluster, pool, hostname, hasCloudInit: image?.cloudInit, readFile }),
    ...(spec.snapshots !== undefined && { snapshots: spec.snapshots }),
    protect: spec.protect ?? false,
    drift: spec.drift ?? defaults.drift ?? 'heal',
    migration: spec.migration ?? defaults.migration ?? 'offline',
    source,
  };
}

/** The network cards as a manifest gives them; what was there before has those that are declared, and no others. */
export function nicsOf({ networks, bridge, mac, uuid }: Partial<VmSpec>): readonly DeclaredNic[] {
  if (networks !== undefined) return networks;
  return uuid !== undefined && bridge === undefined && mac === undefined ? [] : [{ bridge, mac }];
}

type DeclaredNic = NonNullable<VmSpec['networks']>[number];

function resolveNic({ bridge, mac }: DeclaredNic, ofHost: string | undefined): Nic {
  const bridgeFrom = bridge !== undefined ? 'vm' : ofHost === undefined ? undefined : 'cluster';
  return {
    bridge: bridge ?? ofHost ?? 'br0',
    ...(bridgeFrom && { bridgeFrom }),
    ...(mac !== undefined && { mac: mac.toLowerCase() }),
  };
}

/** Host names know no case. */
export function hostnameOf({ name, hostname }: Pick<VmSpec, 'name' | 'hostname'>): string {
  return (hostname ?? name).toLowerCase();
}

/** The volumes of a VM, by name: `NAME-vda.qcow2` to boot from, then `NAME-vdb.qcow2` and so on. */
export function volumeName(vm: string, disk: number): string {
  return `${vm}-${diskTarget(disk)}.qcow2`;
}

/** What holds for a host, with every default filled in. */
export function resolveHost(name: string, cluster: Cluster): HostPolicy {
  const { state = 'active', reserve, ratio } = hostSettings(cluster, name);
  const { defaults = {} } = cluster;
  const kept = { ...defaults.reserve, ...reserve };
  const promised = { ...defaults.ratio, ...ratio };
  return {
    name,
    state,
    pool: diskPool(name, cluster),
    reserve: {
      vcpus: kept.vcpus ?? 0,
      memoryMiB: Math.ceil((kept.memoryGb ?? 0) * MIB_PER_GIB),
      diskGiB: kept.diskGb ?? 0,
    },
    ratio: { vcpu: promised.vcpu ?? 4, memory: promised.memory ?? 1, disk: promised.disk ?? 1 },
    pools: poolsOf(name, cluster),
    images: Object.entries(cluster.images ?? {}).map(([image, written]) =>
      resolveImage(image, written, { host: name, diskPool: diskPool(name, cluster) }),
    ),
  };
}

/** Where disks are on a host, unless a VM says otherwise. */
export function diskPool(host: string, cluster: Cluster): string {
  return hostSettings(cluster, host).pool ?? cluster.defaults?.pool ?? 'default';
}

/** The policy of the cluster, with every default filled in. */
export function resolvePolicy(cluster: Cluster): Policy {
  const { policy = {}, migration = {} } = cluster;
  const freezes = resolveFreezes(cluster);
  return {
    maxRemovals: policy.maxRemovals ?? 5,
    tombstoneDays: policy.tombstoneDays ?? 7,
    nPlusOne: policy.nPlusOne ?? 'ignore',
    migration: {
      maxPerHost: migration.maxPerHost ?? 1,
      ...(migration.bandwidthMiBs !== undefined && { bandwidthMiBs: migration.bandwidthMiBs }),
    },
    ...(freezes.length > 0 && { freezes }),
  };
}

function hostSettings({ hosts = {} }: Cluster, name: string) {
  return (Object.hasOwn(hosts, name) ? hosts[name] : undefined) ?? {};
}

function bootDisk(
  spec: VmSpec,
  pool: string,
  image: Image,
  defaults: NonNullable<Cluster['defaults']>,
): BootDisk {
  const sizeGiB = spec.bootDiskGb ?? defaults.bootDiskGb;
  return {
    target: diskTarget(0),
    pool,
    volume: volumeName(spec.name, 0),
    image,
    clone: spec.clone ?? defaults.clone ?? 'overlay',
    ...(sizeGiB === undefined ? {} : { sizeGiB }),
    ...(sizeGiB !== undefined && spec.bootDiskGb === undefined && { sizeIsDefault: true }),
    ...(spec.pool !== undefined && { poolIsDeclared: true }),
  };
}

function dataDisks(spec: VmSpec, pool: string): DataDisk[] {
  const { name, disks, numDisks = 0, diskSize = 0 } = spec;
  const declared: Disks = disks ?? Array.from({ length: numDisks }, () => ({ sizeGb: diskSize }));
  const named = new Set(declared.flatMap(({ target }) => target ?? []));
  const free = Array.from({ length: 25 }, (_, index) => diskTarget(index + 1)).filter(
    (one) => !named.has(one),
  );
  return declared.map((disk) => {
    const target = disk.target ?? free.shift() ?? '';
    return {
      target,
      pool: disk.pool ?? pool,
      volume: `${name}-${target}.qcow2`,
      sizeGiB: disk.sizeGb,
      ...((disk.pool ?? spec.pool) !== undefined && { poolIsDeclared: true }),
    };
  });
}

type Disks = NonNullable<VmSpec['disks']>;

/** `vda`, `vdb`, ...: the schema allows as many disks as there are letters. */
function diskTarget(disk: number): string {
  return `vd${String.fromCharCode('a'.charCodeAt(0) + disk)}`;
}
