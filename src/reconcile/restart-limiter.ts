import type { Plan, Step, StepKind } from '../core/step.ts';
import { withhold } from '../core/withhold.ts';

const WINDOW_MS = 10 * 60 * 1000;
const FREE_STARTS = 3;
const FIRST_WAIT_MS = 30_000;

/** By these git has a VM shut off: the start after it is not one of a VM that did not stay up. */
const ORDERED: readonly StepKind[] = ['stop', 'depart', 'remove'];

/** Keeps a VM that stops again and again from being started in a tight loop. Lives as long as the process. */
export interface RestartLimiter {
  /** Holds back starts of VMs that were started too often lately, and restarts that have not helped before. */
  limit(plan: Plan, now: Date): Plan;
  /** Remembers the starts and restarts that were made. */
  remember(steps: readonly Step[], now: Date): void;
}

/**
 * Three starts within ten minutes are free; then each waits twice as long as the one before, from 30 s. A restart is made
 * once: a VM that is still to be restarted for the same reason would be power-cycled in every pass.
 */
export function createRestartLimiter(): RestartLimiter {
  const starts = new Map<string, number[]>();
  /** Why VMs were restarted, as long as a plan would restart them. */
  const restarted = new Map<string, string>();
  const recent = (uuid: string, now: number) => (starts.get(uuid) ?? []).filter((at) => at > now - WINDOW_MS);

  const waitFor = (step: Step, now: number): string | undefined => {
    if (step.kind !== 'start') return undefined;
    const made = recent(step.uuid, now);
    if (made.length < FREE_STARTS) return undefined;
    const next = (made.at(-1) ?? 0) + FIRST_WAIT_MS * 2 ** (made.length - FREE_STARTS);
    if (next <= now) return undefined;
    const minutes = WINDOW_MS / 60_000;
    return `started ${made.length} times in ${minutes} minutes and did not stay up: next try at ${new Date(next).toISOString()}`;
  };

  const inVain = (step: Step): string | undefined =>
    step.kind === 'restart' && restarted.get(step.uuid) === step.reason
      ? `it was restarted for that and still shows ${step.reason}: look at its definition on ${step.host}`
      : undefined;

  return {
    limit(plan, now) {
      const pending = new Set(plan.steps.flatMap((step) => (step.kind === 'restart' ? [step.uuid] : [])));
      for (const uuid of restarted.keys()) if (!pending.has(uuid)) restarted.delete(uuid);
      return withhold(plan, (step) => {
        const reason = waitFor(step, now.getTime()) ?? inVain(step);
        return reason === undefined ? undefined : { because: 'restarts', reason };
      });
    },
    remember(steps, now) {
      for (const step of steps) {
        if (step.kind === 'restart') restarted.set(step.uuid, step.reason);
        if ('uuid' in step && ORDERED.includes(step.kind)) starts.delete(step.uuid);
        if (step.kind === 'start')
          starts.set(step.uuid, [...recent(step.uuid, now.getTime()), now.getTime()]);
      }
    },
  };
}
