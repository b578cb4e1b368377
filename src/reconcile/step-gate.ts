import type { DesiredState } from '../core/desired.ts';
import { frozenAt } from '../core/freeze.ts';
import type { ObservedState } from '../core/observed.ts';
import { pauseFinder } from '../core/pause.ts';
import { repairsIn } from '../core/repairs.ts';
import { laneOf, type Step } from '../core/step.ts';
import { pausesOf } from '../core/suspension.ts';
import type { Clock, Control } from '../ports.ts';

export interface GateContext {
  readonly desired: DesiredState;
  readonly observed: ObservedState;
  readonly control: Control;
  readonly clock: Clock;
}

/**
 * Asked right before each step of a pass: whether it is left alone by now. A person who suspends something means at once.
 * A freeze that begins meanwhile, and has `overrun: stop`, keeps VMs from being begun; what is begun is finished, so that
 * none stays off, or half changed, until its end.
 */
export function createStepGate(
  steps: readonly Step[],
  { desired, observed, control, clock }: GateContext,
): (step: Step) => Promise<boolean> {
  const stopping = (desired.policy.freezes ?? []).filter(({ overrun }) => overrun === 'stop');
  const repairs = stopping.length === 0 ? undefined : repairsIn(steps, desired, observed);
  const find = pauseFinder(steps, repairs);
  const begun = new Set<string>();
  const keyOf = (step: Step) => ('vm' in step ? step.uuid : laneOf(step));
  return async (step) => {
    if (find(step, pausesOf(await control.suspensions())) !== undefined) return true;
    const isBegun = stopping.length === 0 || begun.has(keyOf(step));
    if (!isBegun && find(step, frozenAt(stopping, clock.now())) !== undefined) return true;
    begun.add(keyOf(step));
    return false;
  };
}
