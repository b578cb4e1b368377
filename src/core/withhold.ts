import {
  type Held,
  holdBack,
  laneOf,
  type Plan,
  type Step,
  type StepKind,
  stepId,
  subjectOf,
} from './step.ts';

/** Without these a VM is not there, and nothing else can be done to it. */
const BRINGS: readonly StepKind[] = ['create', 'receive', 'migrate', 'restore', 'recall'];

/** Why a step is not made now; undefined: it is. */
export type Objection = (step: Step) => Pick<Held, 'because' | 'reason'> | undefined;

/**
 * Takes steps out of a plan and says why in `held`. What comes after one of them waits with it, for the same cause: a
 * step that names it in `after`, what is done to a VM that it would bring, and those that wait for these in turn. What is
 * left of its VM does not complete the VM.
 */
export function withhold(plan: Plan, objection: Objection): Plan {
  const held = new Map<Step, Pick<Held, 'because' | 'reason'>>();
  for (const step of plan.steps) {
    const why = objection(step);
    if (why !== undefined) held.set(step, why);
  }
  if (held.size === 0) return plan;
  spread(plan.steps, held);
  return {
    ...plan,
    steps: unsettled(
      plan.steps.filter((step) => !held.has(step)),
      new Set([...held.keys()].map(laneOf)),
    ),
    held: [
      ...plan.held,
      ...plan.steps.flatMap((step) => {
        const why = held.get(step);
        return why === undefined ? [] : [holdBack(step, why.because, why.reason)];
      }),
    ],
  };
}

/** What is left of a VM's steps does not complete it: none may write into the mark that all is applied. */
function unsettled(steps: readonly Step[], lanes: ReadonlySet<string>): Step[] {
  return steps.map((step) => {
    if (!('settles' in step) || !lanes.has(laneOf(step))) return step;
    const { settles: _, ...rest } = step;
    return rest;
  });
}

/** Goes through the steps until no further one waits for a held one. */
function spread(steps: readonly Step[], held: Map<Step, Pick<Held, 'because' | 'reason'>>): void {
  const brings = new Map(
    steps.filter(({ kind }) => BRINGS.includes(kind)).map((step) => [laneOf(step), stepId(step)]),
  );
  const waiting = steps.flatMap((step) => {
    const first = brings.get(laneOf(step));
    const ids = [...(step.after ?? []), ...(first === undefined || first === stepId(step) ? [] : [first])];
    return ids.length === 0 ? [] : [{ step, ids }];
  });
  if (waiting.length === 0) return;
  const byId = new Map([...held.keys()].map((step) => [stepId(step), step]));
  for (let before = -1; before !== held.size; ) {
    before = held.size;
    for (const { step, ids } of waiting) {
      if (held.has(step)) continue;
      const first = ids.map((id) => byId.get(id)).find((other) => other !== undefined);
      const why = first && held.get(first);
      if (first === undefined || why === undefined) continue;
      const reason = `waits for the ${first.kind} of ${subjectOf(first)} on ${first.host}, which is held`;
      held.set(step, { because: why.because, reason });
      byId.set(stepId(step), step);
    }
  }
}
