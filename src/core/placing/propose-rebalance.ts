import {
  isBetter,
  type Layout,
  layoutAfter,
  layoutOf,
  type Score,
  type Shift,
  scoreOf,
  spreadOf,
} from './balance.ts';
import { type Room, roomAfter, roomsOf } from './fit.ts';
import { type Mover, moversOf } from './movers.ts';
import { type Move, takes } from './place-movers.ts';
import type { World } from './propose-drain.ts';

/** Moves in the order in which they were found, each with what it gains. */
export interface Rebalance {
  readonly before: Score;
  readonly after: Score;
  readonly moves: readonly ScoredMove[];
}

export interface ScoredMove extends Move {
  /** The score once this move and those before it are made. */
  readonly score: Score;
}

export interface RebalanceLimits {
  readonly maxMoves: number;
  /** A move has to lower the spread by as many percentage points, or leave fewer VMs without a place. */
  readonly minGain: number;
}

/** So many of the fullest hosts, and of the emptiest ones, are looked at for each move. */
const HOSTS_AT_EACH_END = 16;
/** So many moves, those with the least spread, are judged by what the loss of each host would mean, which is dear. */
const JUDGED = 100;

/**
 * The moves, one best one after the other, that even out how much of each host is promised: first those after which fewer VMs
 * would be without a place if a host were lost. A VM moves once, and away from no VM that it depends on or that depends on it.
 * Room that a move would free is not counted: they may be made in any order. The same input gives the same moves.
 */
export function proposeRebalance(world: World, { maxMoves, minGain }: RebalanceLimits): Rebalance {
  const { desired, observed, capacity } = world;
  const movers = moversOf(desired.vms.values(), desired, observed);
  const rooms = roomsOf(capacity, desired, observed);
  const loads = new Map(movers.map(({ vm, load }) => [vm.name, load]));
  const start = layoutOf(desired, capacity, { rooms, loads });
  const open = new Map(rooms.map((room) => [room.host, room]));
  const tied = tiedToHost(desired);
  let candidates = movers
    .filter(({ vm, stays }) => stays === undefined && !tied.has(vm.name))
    .toSorted(byName);
  let layout = start;
  const shifts: Shift[] = [];
  while (shifts.length < maxMoves) {
    const shift = bestShift(candidates, open, layout, minGain);
    const room = shift && open.get(shift.to);
    if (shift === undefined || room === undefined) break;
    shifts.push(shift);
    open.set(room.host, roomAfter(room, shift.load));
    layout = layoutAfter(layout, shift);
    candidates = candidates.filter(({ load }) => load !== shift.load);
  }
  return scored(start, withoutDetours(start, shifts, minGain));
}

/** Names of VMs that share their host with one that they depend on, or that depends on them. */
function tiedToHost({ vms }: World['desired']): ReadonlySet<string> {
  const pairs = [...vms.values()].flatMap((vm) =>
    vm.dependsOn.filter((other) => vms.get(other)?.host === vm.host).map((other) => [vm.name, other]),
  );
  return new Set(pairs.flat());
}

function bestShift(
  candidates: readonly Mover[],
  open: ReadonlyMap<string, Room>,
  layout: Layout,
  minGain: number,
): Shift | undefined {
  const now = scoreOf(layout);
  let best: { readonly shift: Shift; readonly score: Score } | undefined;
  let judged = 0;
  for (const { mover, shift, spread } of options(candidates, layout)) {
    const room = open.get(shift.to);
    if (room === undefined || !takes(room, mover)) continue;
    const isEven = isBetter({ ...now, spread }, now, minGain);
    if (judged++ >= JUDGED || (now.homeless === 0 && !isEven)) break;
    const score = { ...scoreOf(layoutAfter(layout, shift)), spread };
    if (isBetter(score, now, minGain) && (best === undefined || isBetter(score, best.score, 0)))
      best = { shift, score };
    if (best?.score.homeless === 0) break;
  }
  return best?.shift;
}

/** Every move between a full host and an empty one, the one that leaves the least spread first. */
function options(candidates: readonly Mover[], { use }: Layout) {
  const byFill = use
    .toSorted((a, b) => fill(b) - fill(a) || (a.host < b.host ? -1 : 1))
    .map(({ host }) => host);
  const full = new Set(byFill.slice(0, HOSTS_AT_EACH_END));
  const empty = byFill.slice(-HOSTS_AT_EACH_END);
  return candidates
    .filter(({ vm }) => full.has(vm.host))
    .flatMap((mover) => empty.filter((to) => to !== mover.vm.host).map((to) => ({ mover, to })))
    .map(({ mover, to }) => {
      const shift = { load: mover.load, from: mover.vm.host, to };
      return { mover, shift, spread: spreadOf(use, shift) };
    })
    .toSorted((a, b) => a.spread - b.spread);
}

function fill({ vcpus, vcpuLimit, memoryMiB, memoryLimitMiB }: Layout['use'][number]): number {
  return Math.max(vcpus / Math.max(1, vcpuLimit), memoryMiB / Math.max(1, memoryLimitMiB));
}

/** Without moves that later ones have made worse than staying: else the next proposal would take them back. */
function withoutDetours(start: Layout, shifts: readonly Shift[], minGain: number): readonly Shift[] {
  const all = scoreOf(shifts.reduce(layoutAfter, start));
  const detour = shifts.find((shift) => {
    const without = shifts.filter((other) => other !== shift).reduce(layoutAfter, start);
    return isBetter(scoreOf(without), all, minGain);
  });
  if (detour === undefined) return shifts;
  return withoutDetours(
    start,
    shifts.filter((shift) => shift !== detour),
    minGain,
  );
}

function scored(start: Layout, shifts: readonly Shift[]): Rebalance {
  const before = scoreOf(start);
  let layout = start;
  const moves = shifts.map((shift): ScoredMove => {
    layout = layoutAfter(layout, shift);
    return { vm: shift.load.name, from: shift.from, to: shift.to, score: scoreOf(layout) };
  });
  return { before, after: moves.at(-1)?.score ?? before, moves };
}

function byName(a: Mover, b: Mover): number {
  return a.vm.name < b.vm.name ? -1 : 1;
}
