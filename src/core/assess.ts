import { type HostCapacity, measureCapacity } from './capacity.ts';
import {
  drainedShortages,
  findShortages,
  holdForCapacity,
  type Shortage,
  shortageIssues,
} from './capacity-check.ts';
import type { DesiredState } from './desired.ts';
import { freezeWarnings } from './freeze.ts';
import { guard } from './guard.ts';
import { hostWarnings } from './host-warnings.ts';
import type { Issue } from './issue.ts';
import { withMoveAdvice } from './move-advice.ts';
import { newLosses } from './n-plus-one.ts';
import { clashIssues, type NameClash } from './name-clashes.ts';
import type { ObservedState } from './observed.ts';
import { holdPaused, type Pause } from './pause.ts';
import { pendingAddresses } from './pending-addresses.ts';
import { type PlanContext, plan } from './plan.ts';
import { planNames } from './plan-names.ts';
import { repairsIn } from './repairs.ts';
import { shrinkIssues } from './shrink.ts';
import { type PendingRestart, pendingRestarts } from './size.ts';
import { endsRun, laneOf, type Plan } from './step.ts';

export interface AssessContext extends PlanContext {
  /** The plan's `confirmation`, where a person has given it. */
  readonly confirmed?: string;
  /** What is left alone now; absent: nothing. */
  readonly pauses?: readonly Pause[];
}

/** All that follows from a revision and the state of the hosts, before anything is done. */
export interface Assessment {
  readonly plan: Plan;
  readonly capacity: readonly HostCapacity[];
  readonly shortages: readonly Shortage[];
  /** What a person should know, and that stops nothing. */
  readonly warnings: readonly string[];
  /** VMs that will show a change only from their next start on, and that the plan does not restart. */
  readonly pendingRestart: readonly PendingRestart[];
  /** Names and addresses that somebody else has. */
  readonly clashes: readonly NameClash[];
}

/** A state of git, and the judgement on it. */
export interface Refusing {
  readonly desired: DesiredState;
  readonly assessment: Pick<Assessment, 'shortages' | 'clashes'>;
}

/** What of it refuses a commit that is not in force yet. */
export function refusals(
  { shortages, clashes }: Pick<Assessment, 'shortages' | 'clashes'>,
  desired: DesiredState,
  observed: ObservedState,
): Issue[] {
  return [
    ...shortageIssues(shortages, desired, observed),
    ...clashIssues(clashes, desired),
    ...shrinkIssues(desired, observed),
  ];
}

/** What refuses a change and would not refuse what it changes. A shortage that is there has other numbers afterwards. */
export function newRefusals(before: Refusing, after: Refusing, observed: ObservedState): Issue[] {
  const key = ({ host, resource }: Shortage) => `${host} ${resource}`;
  const short = new Set(before.assessment.shortages.map(key));
  const shortages = after.assessment.shortages.filter((shortage) => !short.has(key(shortage)));
  const old = new Set(refusals(before.assessment, before.desired, observed).map(({ message }) => message));
  return refusals({ ...after.assessment, shortages }, after.desired, observed).filter(
    ({ message }) => !old.has(message),
  );
}

/** The one judgement behind `plan` on the command line, drift and apply. Pure. */
export function assess(desired: DesiredState, observed: ObservedState, context: AssessContext): Assessment {
  const unguarded = plan(desired, observed, context);
  const guarded = guard(unguarded, desired);
  const isConfirmed = guarded.confirmation !== undefined && guarded.confirmation === context.confirmed;
  const decided = isConfirmed ? unguarded : guarded;
  const { pauses = [] } = context;
  const isFrozen = pauses.some(({ because }) => because === 'frozen');
  const pause = (todo: Plan) =>
    holdPaused(todo, pauses, isFrozen ? repairsIn(todo.steps, desired, observed) : undefined);
  const held = pause(decided);
  // A commit is judged by what it asks for: it is not refused for what it may do only later.
  const capacity = measureCapacity(desired, observed, decided);
  const lost = desired.policy.nPlusOne === 'ignore' ? [] : newLosses(desired, observed, capacity);
  const named = planNames(desired, observed, { plan: held, now: context.now, pauses });
  const whole = pause(named.plan);
  return {
    plan:
      held === decided
        ? whole
        : holdForCapacity(whole, findShortages(measureCapacity(desired, observed, held))),
    clashes: named.clashes,
    capacity,
    shortages: [
      ...withMoveAdvice(findShortages(capacity), decided),
      ...drainedShortages(decided, desired),
      ...(desired.policy.nPlusOne === 'error' ? lost : []),
    ],
    warnings: [
      ...(desired.policy.nPlusOne === 'warn' ? lost.map(({ message }) => message) : []),
      ...hostWarnings(desired, observed),
      ...freezeWarnings(desired),
    ],
    pendingRestart: leftPending(whole, desired, observed),
  };
}

function leftPending({ steps }: Plan, { vms }: DesiredState, observed: ObservedState): PendingRestart[] {
  const ending = new Set(steps.filter(endsRun).map(laneOf));
  return [...pendingRestarts(vms, observed), ...pendingAddresses(vms, observed)].filter(
    ({ host, vm }) => !ending.has(`${host}/${vm}`),
  );
}
