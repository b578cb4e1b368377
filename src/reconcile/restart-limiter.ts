import type { Plan, Step } from '../core/step.ts';
import { withhold } from '../core/withhold.ts';

const WINDOW_MS = 10 * 60 * 1000;
const FREE_STARTS = 3;
const FIRST_WAIT_MS = 30_000;

/** Keeps a VM that stops again and again from being started in a tight loop. Lives as long as the process. */
export interface RestartLimiter {
  /** Holds back starts of VMs that were started too often lately. */
  limit(plan: Plan, now: Date): Plan;
  /** Remembers the starts that were made. */
  remember(steps: readonly Step[], now: Date): void;
}

/** Three starts within ten minutes are free; then each waits twice as long as the one before, from 30 s. */
export function createRestartLimiter(): RestartLimiter {
  const starts = new Map<string, number[]>();
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

  return {
    limit(plan, now) {
      return withhold(plan, (step) => {
        const reason = waitFor(step, now.getTime());
        return reason === undefined ? undefined : { because: 'restarts', reason };
      });
    },
    remember(steps, now) {
      for (const step of steps) {
        if (step.kind === 'start')
          starts.set(step.uuid, [...recent(step.uuid, now.getTime()), now.getTime()]);
      }
    },
  };
}
