import { stateLine } from '../core/state-line.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { ForgeFailure, type PullClient } from '../forge/pulls/client.ts';
import type { PullRequest } from '../forge/pulls/pull-request.ts';
import type { StatusSender } from '../forge/statuses/sender.ts';
import type { Look } from './last-look.ts';
import { createPullComment } from './pull-comment.ts';
import type { PlanPull, PulledPlan, Sight } from './pull-plan.ts';

export interface ReviewDeps {
  readonly client: PullClient;
  readonly plan: PlanPull;
  readonly statuses: Pick<StatusSender, 'put' | 'stop'>;
  readonly marker: string;
  readonly log: { warn(facts: object, message: string): void };
  /** How long what moved on the hosts alone may wait to be shown. */
  readonly driftMs: number;
  /** Wait after the first failure; it doubles up to ten minutes. Default 1 s. */
  readonly firstDelayMs?: number;
}

/** One pull request that is open, for as long as it is. */
export interface PullReview {
  /** Failures in a row. */
  readonly failures: number;
  /** When there is something to be done again after a failure, by `performance.now()`. */
  readonly retryAt: number | undefined;
  /**
   * Plans it if anything has moved, and shows that. True: something was written. What fails is tried again later; it
   * throws only where the forge itself fails.
   */
  look(pull: PullRequest, sight: Sight, signal: AbortSignal): Promise<boolean>;
}

const MAX_DELAY_MS = 600_000;
/** A forge may need a moment until git shows a commit that was just pushed. */
const TRIES_IN_SILENCE = 3;

export function createPullReview(deps: ReviewDeps, number: number): PullReview {
  const comment = createPullComment(deps.client, number, deps.marker);
  let last: (PulledPlan & { readonly head: string; readonly look: Look; readonly at: number }) | undefined;
  let announced: string | undefined;
  let [failures, isShown] = [0, false];
  let problem: string | undefined;
  let retryAt: number | undefined;

  /** Whether the plan that is there still holds. */
  function isCurrent(pull: PullRequest, { base, look }: Sight, now: number): boolean {
    if (last === undefined || last.head !== pull.head || last.base !== base) return false;
    return last.look === look || (!last.isPassing && now - last.at < deps.driftMs);
  }

  /** A commit that is new gets a state at once; one that was planned before this process began has its own. */
  async function announce({ head }: PullRequest, signal: AbortSignal): Promise<void> {
    if (announced === head) return;
    const before = await comment.body(signal);
    if (!before?.includes(head.slice(0, 12)))
      deps.statuses.put(head, { state: 'pending', description: 'the plan is being made' });
    announced = head;
  }

  async function review(pull: PullRequest, sight: Sight, signal: AbortSignal): Promise<boolean> {
    await announce(pull, signal);
    const now = performance.now();
    if (!isCurrent(pull, sight, now)) {
      const plan = await deps.plan(pull, sight, signal);
      last = { ...plan, head: pull.head, look: sight.look, at: now };
      isShown = false;
    }
    if (last === undefined || isShown) return false;
    deps.statuses.put(last.head, last.state);
    const wrote = await comment.say(last.text, signal);
    isShown = true;
    return wrote;
  }

  function failed(pull: PullRequest, error: unknown): void {
    failures += 1;
    const { firstDelayMs = 1000 } = deps;
    const isDenied = error instanceof ForgeFailure && error.verdict.kind === 'denied';
    const delayMs = isDenied ? MAX_DELAY_MS : Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** (failures - 1));
    retryAt = performance.now() + delayMs;
    if (failures < TRIES_IN_SILENCE && !isDenied) return;
    const why = errorMessage(error);
    if (why !== problem) deps.log.warn({ pull: number, err: error }, 'a pull request cannot be planned');
    problem = why;
    // It must not look for ever as if it were being planned.
    if (!(error instanceof ForgeFailure) || error.isOfOne)
      deps.statuses.put(pull.head, {
        state: 'failure',
        description: stateLine(['cannot be planned', publicly(error)]),
      });
  }

  return {
    get failures() {
      return failures;
    },
    get retryAt() {
      return retryAt;
    },
    async look(pull, sight, signal) {
      const isNew = announced !== pull.head;
      if (!isNew && retryAt !== undefined && performance.now() < retryAt) return false;
      try {
        const wrote = await review(pull, sight, signal);
        [failures, problem, retryAt] = [0, undefined, undefined];
        return wrote;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof ForgeFailure && error.verdict.kind === 'again' && !error.isOfOne) throw error;
        failed(pull, error);
        return false;
      }
    },
  };
}

/** Anybody may read it: only what is about the branch itself, and nothing of our machines. */
function publicly(error: unknown): string {
  const isTheirs = error instanceof OperatorError && error.code === 'E_USAGE';
  return isTheirs ? error.message : "the operator's log says why";
}
