import type { Asked } from '../core/asked.ts';
import { endsGuest, type Plan, type Step } from '../core/step.ts';

/**
 * Guests that were asked to shut down by a pass that a newer commit cut short. The next pass waits for them from where
 * that one stopped, so that `force` comes when it was due. Lives as long as the process.
 */
export interface AskedGuests {
  /** Tells the steps that end a guest what it was asked already, and forgets guests that nobody wants to end any more. */
  resume(plan: Plan): Plan;
  cutShort(step: Step, asked: Asked): void;
  /** The step came to its end, well or not: the next one asks anew. */
  over(step: Step): void;
}

export function createAskedGuests(): AskedGuests {
  const byUuid = new Map<string, Asked>();
  return {
    resume(plan) {
      const ending = new Set(plan.steps.flatMap((step) => (endsGuest(step) ? [step.uuid] : [])));
      for (const uuid of byUuid.keys()) if (!ending.has(uuid)) byUuid.delete(uuid);
      if (byUuid.size === 0) return plan;
      const steps = plan.steps.map((step): Step => {
        if (!endsGuest(step)) return step;
        const asked = byUuid.get(step.uuid);
        return asked === undefined ? step : { ...step, asked };
      });
      return { ...plan, steps };
    },
    cutShort(step, asked) {
      if (endsGuest(step)) byUuid.set(step.uuid, asked);
    },
    over(step) {
      if (endsGuest(step)) byUuid.delete(step.uuid);
    },
  };
}
