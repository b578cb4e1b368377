import type { StepResult } from '../core/report.ts';
import { type Plan, type StepKind, subjectOf } from '../core/step.ts';
import { withhold } from '../core/withhold.ts';

const FIRST_WAIT_MS = 5_000;
const LAST_WAIT_MS = 5 * 60_000;
/** Kinds that wait alone: a guest that takes no name, or whose secret is missing, is started all the same. */
const ASIDE: readonly StepKind[] = ['hostname', 'seed'];

/**
 * Keeps a step that fails from being tried in a tight loop: each try changes something on the host, the host tells, and
 * that asks for the next pass. Other VMs are not held up. Lives as long as the process.
 */
export interface RetryPacer {
  /** Holds back the steps of VMs whose last try failed a moment ago. A new commit is tried at once. */
  limit(plan: Plan, commit: string, now: Date): Plan;
  /** Remembers which VMs failed, and forgets those that no longer do. */
  remember(commit: string, results: readonly StepResult[], now: Date): void;
}

interface Failure {
  readonly commit: string;
  readonly count: number;
  readonly nextTry: number;
  readonly message: string;
}

/** Waits 5 s after the first failure of a VM, then twice as long after each, up to 5 minutes. */
export function createRetryPacer(): RetryPacer {
  const failures = new Map<string, Failure>();
  const keyOf = (host: string, subject: string, kind: StepKind) =>
    `${host}/${subject}${ASIDE.includes(kind) ? `/${kind}` : ''}`;
  const key = ({ host, subject, kind }: StepResult) => keyOf(host, subject, kind);

  return {
    limit(plan, commit, now) {
      return withhold(plan, (step) => {
        const failure = failures.get(keyOf(step.host, subjectOf(step), step.kind));
        const pausing = failure?.commit === commit && failure.nextTry > now.getTime();
        return pausing ? { because: 'retry', reason: reasonOf(failure) } : undefined;
      });
    },

    remember(commit, results, now) {
      for (const result of results) {
        if (result.outcome === 'done') failures.delete(key(result));
      }
      for (const result of results) {
        if (result.outcome !== 'failed') continue;
        const earlier = failures.get(key(result));
        const count = earlier?.commit === commit ? earlier.count + 1 : 1;
        const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (count - 1), LAST_WAIT_MS);
        const message = result.error?.message ?? '';
        failures.set(key(result), { commit, count, nextTry: now.getTime() + waitMs, message });
      }
    },
  };
}

function reasonOf({ count, nextTry, message }: Failure): string {
  const times = count === 1 ? 'once' : `${count} times in a row`;
  return `failed ${times}, next try at ${new Date(nextTry).toISOString()}: ${message}`;
}
