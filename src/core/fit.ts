import { type HostCapacity, volumeBytes } from './capacity.ts';
import { type DesiredState, type DesiredVm, disksOf } from './desired.ts';
import type { KnownHost, ObservedState } from './observed.ts';

/** What a VM needs of the host that it is placed on. */
export interface Load {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Bytes by pool. */
  readonly disks: ReadonlyMap<string, number>;
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

/** What a VM of git takes, with its disks at their full size. */
export function loadOf(vm: DesiredVm, host: KnownHost | undefined): Load {
  const pools = disksOf(vm).map(({ pool }) => pool);
  return {
    name: vm.name,
    vcpus: vm.vcpus,
    memoryMiB: vm.memoryMiB,
    disks: new Map(pools.map((pool) => [pool, volumeBytes(pool, vm, host)])),
    antiAffinity: vm.antiAffinity,
  };
}

/** The room on every host that takes VMs, once git is applied. */
export function roomsOf(
  capacity: readonly HostCapacity[],
  desired: DesiredState,
  observed: ObservedState,
): Room[] {
  return capacity
    .filter(
      ({ host }) => desired.hosts.get(host)?.state === 'active' && observed.hosts.get(host)?.kind === 'known',
    )
    .map(({ host, vcpus, memoryMiB, pools }) => ({
      host,
      vcpus: vcpus.limit - vcpus.wanted,
      memoryMiB: memoryMiB.limit - memoryMiB.wanted,
      pools: new Map(pools.map(({ name, limit, wanted }) => [name, limit - wanted])),
      antiAffinity: new Set(
        [...desired.vms.values()].filter((vm) => vm.host === host).flatMap((vm) => vm.antiAffinity),
      ),
    }));
}

/** Whether the host can take the VM. */
export function fits(room: Room, load: Load): boolean {
  return (
    load.vcpus <= room.vcpus &&
    load.memoryMiB <= room.memoryMiB &&
    [...load.disks].every(([pool, bytes]) => bytes <= (room.pools.get(pool) ?? -1)) &&
    !load.antiAffinity.some((group) => room.antiAffinity.has(group))
  );
}

/**
 * Places VMs, the largest first, each on the host with the most memory left of those that can take it: so that the VMs of
 * one host spread over the others. Not the best packing there is, and the same for the same input.
 */
export function fit(loads: readonly Load[], rooms: readonly Room[]): Fit {
  let left = [...rooms];
  const placed = new Map<string, string>();
  const homeless: Load[] = [];
  for (const load of loads.toSorted(bySize)) {
    const room = left.filter((candidate) => fits(candidate, load)).toSorted(byFreeMemory)[0];
    if (room === undefined) {
      homeless.push(load);
      continue;
    }
    placed.set(load.name, room.host);
    left = left.map((other) => (other === room ? roomAfter(room, load) : other));
  }
  return { placed, left: homeless };
}

function roomAfter(room: Room, load: Load): Room {
  return {
    host: room.host,
    vcpus: room.vcpus - load.vcpus,
    memoryMiB: room.memoryMiB - load.memoryMiB,
    pools: new Map([...room.pools].map(([pool, bytes]) => [pool, bytes - (load.disks.get(pool) ?? 0)])),
    antiAffinity: new Set([...room.antiAffinity, ...load.antiAffinity]),
  };
}

function bySize(a: Load, b: Load): number {
  return b.memoryMiB - a.memoryMiB || b.vcpus - a.vcpus || (a.name < b.name ? -1 : 1);
}

function byFreeMemory(a: Room, b: Room): number {
  return b.memoryMiB - a.memoryMiB || (a.host < b.host ? -1 : 1);
}
