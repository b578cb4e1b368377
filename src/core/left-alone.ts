import type { DesiredState } from './desired.ts';
import { freezeChange, frozenAt } from './freeze.ts';
import type { Pause } from './pause.ts';
import { firstEnd, pausesOf, type Suspension } from './suspension.ts';

/** All that is left alone at an instant: what people have suspended, then what cluster.yaml freezes. */
export function leftAlone(
  { policy: { freezes = [] } }: DesiredState,
  suspensions: readonly Suspension[],
  now: Date,
): Pause[] {
  return [...pausesOf(suspensions), ...frozenAt(freezes, now)];
}

/** When that changes by itself. */
export function nextChange(
  { policy: { freezes = [] } }: DesiredState,
  suspensions: readonly Suspension[],
  now: Date,
): Date | undefined {
  const [first, ...others] = [firstEnd(suspensions), freezeChange(freezes, now)].filter(
    (change) => change !== undefined,
  );
  return others.reduce((soonest, one) => (soonest === undefined || one < soonest ? one : soonest), first);
}

/** `freeze "weekend" until Mon 2026-11-30 06:00 Europe/Berlin`, once for each that is open. */
export function openFreezes({ policy: { freezes = [] } }: DesiredState, now: Date): string[] {
  return [...new Set(frozenAt(freezes, now).map(({ reason }) => reason))];
}
