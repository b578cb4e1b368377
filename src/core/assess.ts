import { type HostCapacity, measureCapacity } from './capacity.ts';
import { findShortages, type Shortage } from './capacity-check.ts';
import type { DesiredState } from './desired.ts';
import { guard } from './guard.ts';
import type { ObservedState } from './observed.ts';
import { type PlanContext, plan } from './plan.ts';
import type { Plan } from './step.ts';

export interface AssessContext extends PlanContext {
  /** The plan's `confirmation`, where a person has given it. */
  readonly confirmed?: string;
}

/** All that follows from a revision and the state of the hosts, before anything is done. */
export interface Assessment {
  readonly plan: Plan;
  readonly capacity: readonly HostCapacity[];
  readonly shortages: readonly Shortage[];
}

/** The one judgement behind `plan` on the command line, drift and apply. Pure. */
export function assess(desired: DesiredState, observed: ObservedState, context: AssessContext): Assessment {
  const unguarded = plan(desired, observed, context);
  const guarded = guard(unguarded, desired);
  const isConfirmed = guarded.confirmation !== undefined && guarded.confirmation === context.confirmed;
  const decided = isConfirmed ? unguarded : guarded;
  const capacity = measureCapacity(desired, observed, decided);
  return { plan: decided, capacity, shortages: findShortages(capacity) };
}
