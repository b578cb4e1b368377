import { promisable } from './capacity.ts';
import type { DesiredState } from './desired.ts';
import type { Fleet } from './fleet.ts';
import {
  endsRun,
  laneOf,
  type MigrateStep,
  type Plan,
  type StartStep,
  type Step,
  type StepKind,
  stepId,
} from './step.ts';
import { withhold } from './withhold.ts';

/**
 * What comes to a host and has no room beside what is to stop there starts once that has stopped: so VMs change places
 * between hosts that could not run both. One that moves is not stopped before its place is free either, but where each
 * waits for the other's place: then both are stopped first. One that moves live is not stopped, and waits in that case.
 */
export function orderByRoom(plan: Plan, desired: DesiredState, fleet: Fleet): Plan {
  const endings = runsEnding(plan.steps, fleet);
  if (endings.size === 0) return plan;
  const starts = startsOn(plan.steps);
  const waiting = [...endings].flatMap(([host, ids]) =>
    withoutRoom(host, starts.get(host), { desired, fleet }).map((start) => ({ start, ids })),
  );
  if (waiting.length === 0) return plan;
  const departs = new Map(
    plan.steps.flatMap((step) => (step.kind === 'depart' ? [[step.uuid, stepId(step)] as const] : [])),
  );
  const order = createOrder(plan.steps);
  const stuck = new Set<string>();
  for (const { start, ids } of waiting) {
    const isFree = order.add(stepId(start), ids);
    if (start.kind === 'migrate' && !isFree) stuck.add(stepId(start));
    const depart = departs.get(start.uuid);
    if (depart !== undefined) order.add(depart, ids);
  }
  const ordered = { ...plan, steps: plan.steps.map((step) => order.applied(step)) };
  return withhold(ordered, (step) =>
    stuck.has(stepId(step)) ? { because: 'capacity', reason: noRoomFor(step) } : undefined,
  );
}

function noRoomFor({ host }: Step): string {
  return `${host} has no room for it beside what runs there, which waits for its place in turn: have one of them move offline`;
}

/** By host, the ids of the steps that end what runs there. */
function runsEnding(steps: readonly Step[], { known }: Fleet): ReadonlyMap<string, readonly string[]> {
  const running = new Map(
    [...known].map(([host, { vms }]) => [
      host,
      new Set(vms.flatMap(({ power, uuid }) => (power === 'shutoff' ? [] : [uuid]))),
    ]),
  );
  const endings = new Map<string, string[]>();
  for (const step of steps) {
    if (!('uuid' in step) || step.kind === 'restart' || !(endsRun(step) || step.kind === 'migrate')) continue;
    const host = step.kind === 'migrate' ? step.from.host : step.host;
    if (running.get(host)?.has(step.uuid)) endings.set(host, [...(endings.get(host) ?? []), stepId(step)]);
  }
  return endings;
}

interface Starts {
  /** Of VMs that come to the host in this plan, or have just come; those that come while they run start with that. */
  readonly coming: (StartStep | MigrateStep)[];
  /** Of those that were there all the time. */
  readonly returning: StartStep[];
}

const BRINGS: readonly StepKind[] = ['create', 'receive', 'restore'];

function startsOn(steps: readonly Step[]): ReadonlyMap<string, Starts> {
  const brought = new Set(steps.filter(({ kind }) => BRINGS.includes(kind)).map(laneOf));
  const starts = new Map<string, Starts>();
  for (const step of steps) {
    if (step.kind !== 'start' && step.kind !== 'migrate') continue;
    const there = starts.get(step.host) ?? { coming: [], returning: [] };
    starts.set(step.host, there);
    const isComing = step.kind === 'migrate' || brought.has(laneOf(step)) || step.leftOn !== undefined;
    if (isComing) there.coming.push(step);
    else there.returning.push(step);
  }
  return starts;
}

/** Of the starts of VMs that come to a host, those for which it has no room yet. What was there all the time has its share. */
function withoutRoom(
  name: string,
  starts: Starts | undefined,
  { desired, fleet }: { readonly desired: DesiredState; readonly fleet: Fleet },
): Starts['coming'] {
  const host = fleet.known.get(name);
  const policy = desired.hosts.get(name);
  if (starts === undefined || host === undefined || policy === undefined) return [];
  const left = { ...promisable(host, policy) };
  const fits = ({ vcpus, memoryMiB }: { readonly vcpus: number; readonly memoryMiB: number }) => {
    left.vcpus -= vcpus;
    left.memoryMiB -= memoryMiB;
    return left.vcpus >= 0 && left.memoryMiB >= 0;
  };
  for (const vm of host.vms) if (vm.power !== 'shutoff') fits(vm);
  for (const { vm } of starts.returning) fits(desired.vms.get(vm) ?? NOTHING);
  return starts.coming.filter(({ vm }) => !fits(desired.vms.get(vm) ?? NOTHING));
}

const NOTHING = { vcpus: 0, memoryMiB: 0 };

/** Takes up orders, but those that would close a circle. */
function createOrder(steps: readonly Step[]) {
  const given = new Map(steps.map((step) => [stepId(step), step.after ?? []]));
  const added = new Map<string, string[]>();
  const earlierThan = (id: string) => [...(given.get(id) ?? []), ...(added.get(id) ?? [])];
  const waitsFor = (id: string, other: string): boolean => {
    const seen = new Set([id]);
    for (const next of seen) for (const earlier of earlierThan(next)) seen.add(earlier);
    return seen.has(other);
  };
  return {
    /** False: not all of it, as that would close a circle. */
    add(id: string, before: readonly string[]): boolean {
      const possible = before.filter((other) => !waitsFor(other, id) && !earlierThan(id).includes(other));
      added.set(id, [...(added.get(id) ?? []), ...possible]);
      return before.every((other) => earlierThan(id).includes(other));
    },
    applied(step: Step): Step {
      const more = added.get(stepId(step)) ?? [];
      return more.length === 0 ? step : { ...step, after: [...(step.after ?? []), ...more] };
    },
  };
}
