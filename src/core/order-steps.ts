import { laneOf, type Step, stepId } from './step.ts';

/** A step with those that must be done before it. */
export interface OrderedStep {
  readonly step: Step;
  readonly before: readonly Step[];
}

/**
 * The steps of a plan, each after those that must be done before it: the one before it for the same subject, and those
 * that it names in `after`. Throws where steps wait for each other: such a plan is a bug.
 */
export function orderSteps(steps: readonly Step[]): OrderedStep[] {
  const before = predecessors(steps);
  const followers = new Map<Step, Step[]>();
  const open = new Map<Step, number>();
  for (const [step, others] of before) {
    open.set(step, others.length);
    for (const other of others) followers.set(other, [...(followers.get(other) ?? []), step]);
  }
  const ordered = steps.filter((step) => open.get(step) === 0);
  // Grows while it is gone through.
  for (const step of ordered) {
    for (const follower of followers.get(step) ?? []) {
      const left = (open.get(follower) ?? 0) - 1;
      open.set(follower, left);
      if (left === 0) ordered.push(follower);
    }
  }
  if (ordered.length < steps.length) {
    const stuck = steps.filter((step) => (open.get(step) ?? 0) > 0);
    throw new Error(`steps of a plan wait for each other: ${stuck.map(stepId).join(', ')}`);
  }
  return ordered.map((step) => ({ step, before: before.get(step) ?? [] }));
}

function predecessors(steps: readonly Step[]): Map<Step, readonly Step[]> {
  const byId = new Map<string, Step[]>();
  for (const step of steps) byId.set(stepId(step), [...(byId.get(stepId(step)) ?? []), step]);
  const last = new Map<string, Step>();
  const before = new Map<Step, readonly Step[]>();
  for (const step of steps) {
    const lane = laneOf(step);
    const earlier = last.get(lane);
    const named = (step.after ?? []).flatMap((id) => byId.get(id) ?? []);
    before.set(step, [...new Set([...(earlier === undefined ? [] : [earlier]), ...named])]);
    last.set(lane, step);
  }
  return before;
}
