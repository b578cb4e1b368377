import { type HostCapacity, volumeBytes } from '../capacity.ts';
import { type DesiredState, type DesiredVm, disksOf } from '../desired.ts';
import type { ObservedState } from '../observed.ts';
import { underHost } from './under-host.ts';

/** What a VM needs of the host that it is placed on. */
export interface Load {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Bytes by pool, on that host. */
  readonly disksOn: (host: string) => ReadonlyMap<string, number>;
  readonly antiAffinity: readonly string[];
}

/** What a host has left to give. */
export interface Room {
  readonly host: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Bytes by pool; a pool that is not there or not active is missing. */
  readonly pools: ReadonlyMap<string, number>;
  /** Groups of VMs that must not share a host, of the VMs that are there. */
  readonly antiAffinity: ReadonlySet<string>;
}

export interface Fit {
  /** Host by VM. */
  readonly placed: ReadonlyMap<string, string>;
  /** What fits nowhere. */
  readonly left: readonly Load[];
}

/** What a VM of git takes on each host, with its disks at their full size. */
export function loadOf(vm: DesiredVm, { hosts }: DesiredState, observed: ObservedState): Load {
  const known = new Map<string, ReadonlyMap<string, number>>();
  const measure = (host: string) => {
    const policy = hosts.get(host);
    const there = policy === undefined ? vm : underHost(vm, policy);
    const found = observed.hosts.get(host);
    const target = found?.kind === 'known' ? found : undefined;
    const pools = new Set(disksOf(there).map(({ pool }) => pool));
    return new Map([...pools].map((pool) => [pool, volumeBytes(pool, there, target)]));
  };
  return {
    name: vm.name,
    vcpus: vm.vcpus,
    memoryMiB: vm.memoryMiB,
    disksOn: (host) => known.get(host) ?? remembered(known, host, measure(host)),
    antiAffinity: vm.antiAffinity,
  };
}

/** The room on every host that takes VMs, once git is applied. */
export function roomsOf(
  capacity: readonly HostCapacity[],
  desired: DesiredState,
  observed: ObservedState,
): Room[] {
  const groups = new Map<string, Set<string>>();
  for (const { host, antiAffinity } of desired.vms.values()) {
    if (antiAffinity.length === 0) continue;
    groups.set(host, new Set([...(groups.get(host) ?? []), ...antiAffinity]));
  }
  return capacity
    .filter(
      ({ host }) => desired.hosts.get(host)?.state === 'active' && observed.hosts.get(host)?.kind === 'known',
    )
    .map(({ host, vcpus, memoryMiB, pools }) => ({
      host,
      vcpus: vcpus.limit - vcpus.wanted,
      memoryMiB: memoryMiB.limit - memoryMiB.wanted,
      pools: new Map(pools.map(({ name, limit, wanted }) => [name, limit - wanted])),
      antiAffinity: groups.get(host) ?? new Set(),
    }));
}

/** Whether the host can take the VM. */
export function fits(room: Room, load: Load): boolean {
  return (
    load.vcpus <= room.vcpus &&
    load.memoryMiB <= room.memoryMiB &&
    !load.antiAffinity.some((group) => room.antiAffinity.has(group)) &&
    [...load.disksOn(room.host)].every(([pool, bytes]) => bytes <= (room.pools.get(pool) ?? -1))
  );
}

/**
 * Places VMs, the largest first, each on the host with the most memory left of those that can take it: so that the VMs of
 * one host spread over the others. Not the best packing there is, and the same for the same input.
 */
export function fit(loads: readonly Load[], rooms: readonly Room[]): Fit {
  const left = [...rooms];
  const placed = new Map<string, string>();
  const homeless: Load[] = [];
  for (const load of loads.toSorted(bySize)) {
    const at = roomiest(left, (candidate) => fits(candidate, load));
    const room = left[at];
    if (room === undefined) {
      homeless.push(load);
      continue;
    }
    placed.set(load.name, room.host);
    left[at] = roomAfter(room, load);
  }
  return { placed, left: homeless };
}

/** Which of the rooms that can take it has the most memory left; -1: none can. */
export function roomiest(rooms: readonly Room[], canTake: (room: Room) => boolean): number {
  let best = -1;
  for (const [index, room] of rooms.entries()) {
    const other = rooms[best];
    if ((other === undefined || byFreeMemory(room, other) < 0) && canTake(room)) best = index;
  }
  return best;
}

/** The room once the VM is there too. */
export function roomAfter(room: Room, load: Load): Room {
  const disks = load.disksOn(room.host);
  return {
    host: room.host,
    vcpus: room.vcpus - load.vcpus,
    memoryMiB: room.memoryMiB - load.memoryMiB,
    pools: new Map([...room.pools].map(([pool, bytes]) => [pool, bytes - (disks.get(pool) ?? 0)])),
    antiAffinity: new Set([...room.antiAffinity, ...load.antiAffinity]),
  };
}

/** The largest first. */
export function bySize(a: Size, b: Size): number {
  return b.memoryMiB - a.memoryMiB || b.vcpus - a.vcpus || (a.name < b.name ? -1 : 1);
}

type Size = Pick<Load, 'name' | 'memoryMiB' | 'vcpus'>;

function byFreeMemory(a: Room, b: Room): number {
  return b.memoryMiB - a.memoryMiB || (a.host < b.host ? -1 : 1);
}

function remembered<T>(memory: Map<string, T>, key: string, value: T): T {
  memory.set(key, value);
  return value;
}
