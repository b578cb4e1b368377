import { formatBytes, formatMiB } from '../capacity-check.ts';
import type { DesiredState } from '../desired.ts';
import type { ObservedState } from '../observed.ts';
import { bySize, fits, type Load, type Room, roomAfter, roomiest } from './fit.ts';
import type { Mover } from './movers.ts';

/** VMs with the hosts that they would go to, and those that have to stay. */
export interface Placement {
  readonly moves: readonly Move[];
  readonly left: readonly Left[];
}

export interface Move {
  readonly vm: string;
  readonly from: string;
  readonly to: string;
}

export interface Left {
  readonly vm: string;
  /** One for each host that was looked at, or the one why it has to stay. */
  readonly reasons: readonly string[];
}

/**
 * Finds each VM a host, the largest first, on the one with the most memory left. VMs that depend on each other stay together
 * where one host can take them all. Room that a move would free is not counted: whatever comes first, there is room for it.
 */
export function placeMovers(
  movers: readonly Mover[],
  rooms: readonly Room[],
  world: { readonly desired: DesiredState; readonly observed: ObservedState },
): Placement {
  const left: Left[] = [];
  const moves: Move[] = [];
  const rest = [...rooms];
  const put = (mover: Mover, at: number) => {
    const room = rest[at];
    if (room === undefined) return false;
    rest[at] = roomAfter(room, mover.load);
    moves.push({ vm: mover.vm.name, from: mover.vm.host, to: room.host });
    return true;
  };
  for (const { vm, stays } of movers) if (stays !== undefined) left.push({ vm: vm.name, reasons: [stays] });
  const groups = tiedTogether(movers.filter(({ stays }) => stays === undefined));
  for (const group of groups) {
    const together = roomiest(rest, (room) => takesAll(room, group));
    for (const mover of group) {
      const at = together >= 0 ? together : roomiest(rest, (room) => takes(room, mover));
      if (!put(mover, at)) left.push({ vm: mover.vm.name, reasons: whyNowhere(mover, rest, world) });
    }
  }
  return { moves: moves.toSorted(byVm), left: left.toSorted(byVm) };
}

/** Whether the host has room for the VM, and all that it needs beside room. */
export function takes(room: Room, { load, unfit }: Mover): boolean {
  return fits(room, load) && unfit(room.host) === undefined;
}

function takesAll(room: Room, group: readonly Mover[]): boolean {
  let left = room;
  return group.every((mover) => {
    if (!takes(left, mover)) return false;
    left = roomAfter(left, mover.load);
    return true;
  });
}

/** Groups of VMs that depend on each other, the largest group first, and in each the largest VM. */
function tiedTogether(movers: readonly Mover[]): Mover[][] {
  const byName = new Map(movers.map((mover) => [mover.vm.name, mover]));
  const groupOf = new Map(movers.map((mover) => [mover.vm.name, [mover]]));
  for (const { vm } of movers) {
    for (const other of vm.dependsOn) {
      const [a, b] = [groupOf.get(vm.name), groupOf.get(other)];
      if (a === undefined || b === undefined || a === b || !byName.has(other)) continue;
      a.push(...b);
      for (const mover of b) groupOf.set(mover.vm.name, a);
    }
  }
  const groups = [...new Set(groupOf.values())].map((group) =>
    group.toSorted((a, b) => bySize(a.load, b.load)),
  );
  const size = (group: readonly Mover[]) => ({
    name: group[0]?.vm.name ?? '',
    memoryMiB: group.reduce((sum, { load }) => sum + load.memoryMiB, 0),
    vcpus: group.reduce((sum, { load }) => sum + load.vcpus, 0),
  });
  return groups.toSorted((a, b) => bySize(size(a), size(b)));
}

function whyNowhere(
  mover: Mover,
  rooms: readonly Room[],
  { desired, observed }: { readonly desired: DesiredState; readonly observed: ObservedState },
): string[] {
  const others = [...desired.hosts.values()].filter(({ name }) => name !== mover.vm.host);
  if (others.length === 0) return ['there is no other host'];
  return others.map(({ name, state }) => {
    const room = rooms.find(({ host }) => host === name);
    if (state !== 'active') return `${name}: it is ${state}`;
    if (room === undefined || observed.hosts.get(name)?.kind !== 'known')
      return `${name}: it does not answer`;
    return `${name}: ${mover.unfit(name) ?? shortOf(room, mover.load)}`;
  });
}

function shortOf(room: Room, load: Load): string {
  const group = load.antiAffinity.find((one) => room.antiAffinity.has(one));
  if (group !== undefined) return `another VM of antiAffinity group ${group} is there`;
  const short = [
    ...(load.vcpus > room.vcpus ? [`${load.vcpus} vCPUs needed, ${Math.max(0, room.vcpus)} free`] : []),
    ...(load.memoryMiB > room.memoryMiB
      ? [`${formatMiB(load.memoryMiB)} of memory needed, ${formatMiB(Math.max(0, room.memoryMiB))} free`]
      : []),
    ...[...load.disksOn(room.host)].flatMap(([pool, bytes]) => {
      const free = room.pools.get(pool) ?? 0;
      return bytes > free
        ? [`${formatBytes(bytes)} of pool ${pool} needed, ${formatBytes(Math.max(0, free))} free`]
        : [];
    }),
  ];
  return short.join(', ');
}

function byVm(a: { readonly vm: string }, b: { readonly vm: string }): number {
  return a.vm < b.vm ? -1 : 1;
}
