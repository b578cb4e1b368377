import type { DomainDefinition } from '../core/domain-definition.ts';
import type { VolumeRef } from '../core/mark.ts';
import type { KnownHost, ObservedDisk, ObservedVm, ObservedVolume, PowerState } from '../core/observed.ts';
import { volumeKey } from '../core/observed.ts';
import type { LiveSize } from '../core/size.ts';
import { type DomainState, domainStateName } from '../libvirt/domains.ts';
import { isLibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { TypedParams } from '../libvirt/typed-params.ts';
import type { WantedVolume } from '../ports.ts';
import type { DefinitionCache } from './definition-cache.ts';
import type { HostFacts } from './host-facts.ts';
import type { CheckedVolumes } from './images/checked-volumes.ts';
import { observePools } from './observe-pools.ts';
import { refreshPool } from './refresh-pool.ts';

export interface ObserveOptions {
  readonly name: string;
  readonly facts: HostFacts;
  readonly definitions: DefinitionCache;
  /** Volumes to look for: the base images. */
  readonly volumes: readonly WantedVolume[];
  readonly checked: CheckedVolumes;
  /** Pools are looked at anew, not as libvirt last saw them. */
  readonly refreshPools: boolean;
  readonly signal: AbortSignal;
}

/** Reads one host whole, in a few round trips whatever the number of its VMs. Throws where a read failed. */
export async function observeHost(client: Libvirt, options: ObserveOptions): Promise<KnownHost> {
  const [vms, pools] = await Promise.all([observeVms(client, options), observePools(client, options)]);
  const { name, facts } = options;
  const { cpus, memoryMiB, arch, virtType, machines } = facts;
  const volumes = await observeVolumes(client, {
    ...options,
    volumes: [...options.volumes, ...detached(vms)],
  });
  const known = machines.size > 0 && { machines };
  return { kind: 'known', name, cpus, memoryMiB, arch, virtType, ...known, pools, vms, volumes };
}

async function observeVms(client: Libvirt, { definitions, signal }: ObserveOptions): Promise<ObservedVm[]> {
  const { domains } = client;
  const [all, autostarted, transient, saved, snapshotted, stats] = await Promise.all([
    domains.list({ signal }),
    domains.list({ autostart: true, signal }),
    domains.list({ persistent: false, signal }),
    domains.list({ managedSave: true, signal }),
    domains.list({ snapshot: true, signal }),
    domains.stats({ state: true, balloon: true, vcpu: true, block: true }, { nowait: true, signal }),
  ]);
  const params = new Map(stats.map((record) => [record.domain.uuid, record.params]));
  const found = await Promise.all(
    all.map(async (domain) => {
      const definition = await definitions.read(client, domain, signal);
      const now = params.get(domain.uuid);
      if (definition?.mark === undefined || domain.id < 0 || now === undefined) return { definition };
      const question = { definition, targets: targetsIn(now), signal };
      return { definition, liveDevices: await definitions.readLive(client, domain, question) };
    }),
  );
  const autostart = new Set(autostarted.map(({ uuid }) => uuid));
  const passing = new Set(transient.map(({ uuid }) => uuid));
  const asleep = new Set(saved.map(({ uuid }) => uuid));
  const runs = new Map(all.map(({ uuid, id }) => [uuid, id]));
  const byHand = await snapshotsByHand(client, snapshotted, signal);
  const foreign = (uuid: string) => {
    const foreignSnapshots = byHand.get(uuid);
    return foreignSnapshots && { foreignSnapshots };
  };
  definitions.keepOnly(all);
  return found.flatMap(({ definition, liveDevices }) => {
    if (definition === undefined) return [];
    const vm = {
      ...definition,
      ...(liveDevices !== undefined && { liveDevices }),
      disks: withSizes(definition.disks, params.get(definition.uuid) ?? {}),
      ...foreign(definition.uuid),
      ...liveSize(params.get(definition.uuid) ?? {}),
      power: powerOf(params.get(definition.uuid)),
      ...runOf(runs.get(definition.uuid)),
      managedSave: asleep.has(definition.uuid),
      persistent: !passing.has(definition.uuid),
      autostart: autostart.has(definition.uuid),
    };
    return [vm];
  });
}

/** `vda vdb`: which disks a running VM has; empty while a busy one does not tell. */
function targetsIn(params: TypedParams): string {
  const count = Number(params['block.count'] ?? 0);
  return Array.from({ length: count }, (_, index) => params[`block.${index}.name`]).join(' ');
}

/** Volumes of our marks that are no disk of their VM now: nothing else tells their size. */
function detached(vms: readonly ObservedVm[]): VolumeRef[] {
  return vms.flatMap(({ mark, disks }) =>
    (mark?.volumes ?? []).filter(
      ({ retained, target }) => retained !== undefined || !disks.some((disk) => disk.target === target),
    ),
  );
}

/** Ours leave no record with libvirt: what is there, people made. */
async function snapshotsByHand(
  { chains }: Libvirt,
  domains: Awaited<ReturnType<Libvirt['domains']['list']>>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = await Promise.all(
    domains.map(async (domain) => {
      try {
        return [domain.uuid, await chains.snapshotNames(domain, { signal })] as const;
      } catch (error) {
        if (isLibvirtError(error, 'NO_DOMAIN')) return [domain.uuid, []] as const;
        throw error;
      }
    }),
  );
  return new Map(names);
}

const POWER: Readonly<Partial<Record<DomainState, PowerState>>> = {
  running: 'running',
  blocked: 'running',
  // On its way down: libvirt tells when it is off.
  shutdown: 'running',
  paused: 'paused',
  shutoff: 'shutoff',
};

function runOf(id = -1): { run?: number } {
  return id === -1 ? {} : { run: id };
}

function powerOf(params: TypedParams | undefined): PowerState {
  return POWER[domainStateName(Number(params?.['state.state'] ?? 0))] ?? 'other';
}

/** Of a running VM; a busy one may not tell, and then nothing is known to differ. */
function liveSize(params: TypedParams): { live?: LiveSize } {
  const { 'vcpu.current': vcpus, 'balloon.current': memory, 'balloon.maximum': maximum } = params;
  if (powerOf(params) !== 'running' || vcpus === undefined || memory === undefined || maximum === undefined)
    return {};
  return {
    live: {
      vcpus: Number(vcpus),
      maxVcpus: Number(params['vcpu.maximum'] ?? vcpus),
      memoryMiB: Math.round(Number(memory) / 1024),
      maxMemoryMiB: Math.round(Number(maximum) / 1024),
    },
  };
}

function withSizes(disks: DomainDefinition['disks'], params: TypedParams): ObservedDisk[] {
  const index = new Map<unknown, number>();
  const count = Number(params['block.count'] ?? 0);
  for (let i = 0; i < count; i++) index.set(params[`block.${i}.name`], i);
  return disks.map((disk) => {
    const i = index.get(disk.target);
    const capacity = params[`block.${i}.capacity`];
    const physical = params[`block.${i}.physical`];
    return {
      ...disk,
      ...(capacity !== undefined && { capacity: Number(capacity) }),
      ...(physical !== undefined && { physical: Number(physical) }),
    };
  });
}

async function observeVolumes(
  client: Libvirt,
  options: ObserveOptions,
): Promise<Map<string, ObservedVolume>> {
  const refreshes = new Map<string, Promise<void>>();
  // A refresh reads the whole pool: one for all that were missing there.
  const refresh = (pool: PoolRef): Promise<void> => {
    const begun = refreshes.get(pool.name) ?? refreshPool(client, pool, options);
    refreshes.set(pool.name, begun);
    return begun;
  };
  const search = { ...options, refresh };
  const found = await Promise.all(
    options.volumes.map(async (ref) => [volumeKey(ref), await findVolume(client, ref, search)] as const),
  );
  return new Map(found.flatMap(([key, volume]) => (volume === undefined ? [] : [[key, volume]])));
}

type PoolRef = Parameters<typeof refreshPool>[1];

interface Search extends Pick<ObserveOptions, 'name' | 'checked' | 'signal'> {
  readonly refresh: (pool: PoolRef) => Promise<void>;
}

/** A file that was copied into the pool by hand shows only after a refresh: absent means looked at twice. */
async function findVolume(
  client: Libvirt,
  ref: WantedVolume,
  { name, checked, signal, refresh }: Search,
): Promise<ObservedVolume | undefined> {
  for (const isSecond of [false, true]) {
    try {
      const pool = await client.pools.byName(ref.pool, { signal });
      if (isSecond) await refresh(pool);
      const volume = await client.volumes.byName(pool, ref.name, { signal });
      const info = await client.volumes.info(volume, { signal });
      const size = { capacity: info.capacityBytes, allocation: info.allocationBytes };
      if (ref.isBrought !== true) return size;
      return { ...size, verified: checked.has(name, ref, await client.volumes.xml(volume, { signal })) };
    } catch (error) {
      if (isLibvirtError(error, 'NO_STORAGE_VOL')) continue;
      // No such pool, or an inactive one: the pools that were read say so.
      if (isLibvirtError(error, 'NO_STORAGE_POOL', 'OPERATION_INVALID')) return undefined;
      throw error;
    }
  }
  return undefined;
}
