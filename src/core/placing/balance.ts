import type { HostCapacity } from '../capacity.ts';
import type { DesiredState } from '../desired.ts';
import { fit, type Load, type Room, roomAfter } from './fit.ts';

/** How far a fleet is from being balanced: less is better, and `homeless` comes first. */
export interface Score {
  /** VMs that would find no place if their host were lost, over all hosts. */
  readonly homeless: number;
  /**
   * How unevenly the hosts are used, in percentage points: the standard deviation of the shares of their memory that are
   * promised, and that of their vCPUs, added up.
   */
  readonly spread: number;
}

/** What is promised of one host. */
export interface Use {
  readonly host: string;
  readonly vcpus: number;
  readonly vcpuLimit: number;
  readonly memoryMiB: number;
  readonly memoryLimitMiB: number;
}

/** A VM that goes from one host to another. */
export interface Shift {
  readonly load: Load;
  readonly from: string;
  readonly to: string;
}

/** Who is where, and what that leaves. */
export interface Layout {
  /** Of hosts that take VMs. */
  readonly use: readonly Use[];
  readonly rooms: readonly Room[];
  /** The VMs that have to find another place if that host is lost. */
  readonly vms: ReadonlyMap<string, readonly Load[]>;
}

/** The layout that git asks for. `loads`: of every VM, by name. */
export function layoutOf(
  desired: DesiredState,
  capacity: readonly HostCapacity[],
  { rooms, loads }: { readonly rooms: readonly Room[]; readonly loads: ReadonlyMap<string, Load> },
): Layout {
  const active = new Set(rooms.map(({ host }) => host));
  const vms = new Map<string, Load[]>();
  for (const { name, host, power } of desired.vms.values()) {
    const load = loads.get(name);
    if (power === 'off' || load === undefined) continue;
    const others = vms.get(host);
    if (others === undefined) vms.set(host, [load]);
    else others.push(load);
  }
  const use = capacity
    .filter(({ host }) => active.has(host))
    .map(({ host, vcpus, memoryMiB }) => ({
      host,
      vcpus: vcpus.wanted,
      vcpuLimit: vcpus.limit,
      memoryMiB: memoryMiB.wanted,
      memoryLimitMiB: memoryMiB.limit,
    }));
  return { use, rooms, vms };
}

/** Both parts of the score. */
export function scoreOf(layout: Layout): Score {
  return { homeless: homelessIn(layout), spread: spreadOf(layout.use) };
}

/** Whether one score is better than another: by fewer VMs without a place, or by that many points of spread. */
export function isBetter(score: Score, than: Score, minGain: number): boolean {
  if (score.homeless !== than.homeless) return score.homeless < than.homeless;
  return than.spread - score.spread >= Math.max(minGain, LEAST_GAIN);
}

/** What is less comes from rounding. */
const LEAST_GAIN = 1e-6;

/** How unevenly hosts are used, or would be once a VM has gone elsewhere. */
export function spreadOf(use: readonly Use[], shift?: Shift): number {
  const change = ({ host }: Use) => (host === shift?.from ? -1 : host === shift?.to ? 1 : 0);
  const { memoryMiB = 0, vcpus = 0 } = shift?.load ?? {};
  const memory = use.map((one) => share(one.memoryMiB + change(one) * memoryMiB, one.memoryLimitMiB));
  const cpu = use.map((one) => share(one.vcpus + change(one) * vcpus, one.vcpuLimit));
  return deviation(memory) + deviation(cpu);
}

/** The layout once a VM has gone elsewhere. */
export function layoutAfter(layout: Layout, { load, from, to }: Shift): Layout {
  const staying = (layout.vms.get(from) ?? []).filter(({ name }) => name !== load.name);
  const runs = staying.length < (layout.vms.get(from)?.length ?? 0);
  const joined = [...(layout.vms.get(to) ?? []), ...(runs ? [load] : [])];
  const moved = (one: Use, sign: 1 | -1) => ({
    ...one,
    vcpus: one.vcpus + sign * load.vcpus,
    memoryMiB: one.memoryMiB + sign * load.memoryMiB,
  });
  return {
    use: layout.use.map((one) =>
      one.host === from ? moved(one, -1) : one.host === to ? moved(one, 1) : one,
    ),
    rooms: layout.rooms.map((room) => {
      if (room.host === to) return roomAfter(room, load);
      return room.host === from ? roomWithout(room, load) : room;
    }),
    vms: new Map(layout.vms).set(from, staying).set(to, joined),
  };
}

/** How many VMs would find no place if their host were lost. */
function homelessIn({ vms, rooms }: Layout): number {
  let count = 0;
  for (const [host, loads] of vms) {
    const others = rooms.filter((room) => room.host !== host);
    count += fit(loads, others).left.length;
  }
  return count;
}

/** No two VMs of a group share a host: with the VM its groups are gone. */
function roomWithout(room: Room, load: Load): Room {
  const disks = load.disksOn(room.host);
  return {
    host: room.host,
    vcpus: room.vcpus + load.vcpus,
    memoryMiB: room.memoryMiB + load.memoryMiB,
    pools: new Map([...room.pools].map(([pool, bytes]) => [pool, bytes + (disks.get(pool) ?? 0)])),
    antiAffinity: new Set([...room.antiAffinity].filter((group) => !load.antiAffinity.includes(group))),
  };
}

function share(part: number, whole: number): number {
  return whole <= 0 ? 0 : (100 * part) / whole;
}

function deviation(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
