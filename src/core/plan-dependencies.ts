import type { DesiredState, DesiredVm } from './desired.ts';
import type { Fleet } from './fleet.ts';
import type { ObservedVm } from './observed.ts';
import {
  type DepartStep,
  type Plan,
  type RemoveStep,
  type RestartStep,
  type StartStep,
  type Step,
  type StopStep,
  stepId,
} from './step.ts';
import { withhold } from './withhold.ts';

type StartLike = StartStep | RestartStep;
type StopLike = StopStep | RemoveStep | DepartStep;

/**
 * Puts starts after those of what a VM depends on, and stops before. A start whose dependency is to run, does not, and is
 * not started in this plan is held. A dependency that git wants off, or leaves to people, orders nothing.
 */
export function orderByDependencies(plan: Plan, desired: DesiredState, fleet: Fleet): Plan {
  const starts = byVm(plan.steps.filter(isStart));
  const stops = byVm(plan.steps.filter(isStop));
  const after = new Map([...startOrder(starts, desired), ...stopOrder(stops, desired)]);
  const steps = plan.steps.map((step) => withOrder(step, after.get(step)));
  return withhold({ ...plan, steps }, (step) => {
    const reason = isStart(step) ? missingDependency(step, { starts, desired, fleet, plan }) : undefined;
    return reason === undefined ? undefined : { because: 'dependency', reason };
  });
}

function startOrder(starts: ReadonlyMap<string, StartLike[]>, { vms }: DesiredState): [Step, string[]][] {
  return [...starts].flatMap(([name, own]) => {
    const ids = (vms.get(name)?.dependsOn ?? []).flatMap((other) => starts.get(other) ?? []).map(stepId);
    return ids.length === 0 ? [] : own.map((step): [Step, string[]] => [step, ids]);
  });
}

/**
 * Of a VM that is gone from git, its mark knows what it depended on. Marks may be of different commits, so together they
 * may wait for each other in a circle: what would close one is left out.
 */
function stopOrder(stops: ReadonlyMap<string, StopLike[]>, { vms }: DesiredState): Map<Step, string[]> {
  const waitsFor = new Map<string, Set<string>>();
  for (const name of [...stops.keys()].toSorted()) {
    const marked = (stops.get(name) ?? []).flatMap((step) =>
      step.kind === 'remove' ? (step.mark.dependsOn ?? []) : [],
    );
    for (const other of vms.get(name)?.dependsOn ?? marked.toSorted()) {
      if (!stops.has(other) || other === name || reaches(waitsFor, name, other)) continue;
      waitsFor.set(other, (waitsFor.get(other) ?? new Set()).add(name));
    }
  }
  const after = new Map<Step, string[]>();
  for (const [name, dependants] of waitsFor) {
    const ids = [...dependants]
      .flatMap((dependant) => stops.get(dependant) ?? [])
      .map(stepId)
      .toSorted();
    for (const step of stops.get(name) ?? []) after.set(step, ids);
  }
  return after;
}

function reaches(waitsFor: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  const seen = new Set([from]);
  for (const name of seen) for (const next of waitsFor.get(name) ?? []) seen.add(next);
  return seen.has(to);
}

function withOrder(step: Step, ids: readonly string[] | undefined): Step {
  return ids === undefined ? step : { ...step, after: [...(step.after ?? []), ...ids] };
}

interface Situation {
  readonly starts: ReadonlyMap<string, StartLike[]>;
  readonly desired: DesiredState;
  readonly fleet: Fleet;
  readonly plan: Plan;
}

/** Why a start cannot be now. */
function missingDependency({ vm }: StartLike, situation: Situation): string | undefined {
  const { starts, desired, fleet, plan } = situation;
  const missing = desired.vms
    .get(vm)
    ?.dependsOn.map((name) => desired.vms.get(name))
    .find((other) => other?.power === 'on' && !starts.has(other.name) && !runs(other, situation));
  if (missing === undefined) return undefined;
  const held = plan.held.find(({ host, subject }) => host === missing.host && subject === missing.name);
  const why = fleet.unknown.has(missing.host)
    ? `${missing.host} does not answer, so nobody knows whether it runs`
    : `it does not run and is not started now${held === undefined ? '' : `: its ${held.kind} is held (${held.because})`}`;
  return `depends on ${missing.name} on ${missing.host}: ${why}`;
}

/** One that is adopted in this plan runs as it is. */
function runs(vm: DesiredVm, { fleet, plan }: Situation): boolean {
  const isRunning = ({ power }: ObservedVm) => power === 'running';
  if (fleet.copiesOf(vm).some(({ host, vm: found }) => host === vm.host && isRunning(found))) return true;
  const isAdopted = plan.steps.some((step) => step.kind === 'adopt' && step.uuid === vm.uuid);
  const there = fleet.known.get(vm.host)?.vms ?? [];
  return isAdopted && there.some((found) => found.uuid === vm.uuid && isRunning(found));
}

function isStart(step: Step): step is StartLike {
  return step.kind === 'start' || step.kind === 'restart';
}

function isStop(step: Step): step is StopLike {
  return step.kind === 'stop' || step.kind === 'remove' || step.kind === 'depart';
}

function byVm<S extends StartLike | StopLike>(steps: readonly S[]): Map<string, S[]> {
  const groups = new Map<string, S[]>();
  for (const step of steps) groups.set(step.vm, [...(groups.get(step.vm) ?? []), step]);
  return groups;
}
