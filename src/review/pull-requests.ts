import { setTimeout as sleep } from 'node:timers/promises';
import type { Verdict } from '../forge/answer.ts';
import { ForgeFailure } from '../forge/pulls/client.ts';
import type { PullRequest } from '../forge/pulls/pull-request.ts';
import type { Commands } from './commands.ts';
import type { Sight } from './pull-plan.ts';
import { createPullReview, type PullReview, type ReviewDeps } from './review-pull.ts';

export interface PullRequestsDeps extends Omit<ReviewDeps, 'log'> {
  /** What the passes have seen; undefined until one has asked the hosts. */
  readonly sight: () => Sight | undefined;
  /** Whether those whose branch is in another repository are planned. */
  readonly forks: boolean;
  readonly commands: Commands;
  /** How often the forge is asked though nothing was heard of. */
  readonly pollMs: number;
  readonly log: ReviewDeps['log'] & { info(facts: object, message: string): void };
  /** Least time between two rounds, and after each comment: forges ask for that. Default 1 s. */
  readonly pauseMs?: number;
  /** Wait after the forge has denied our token. Default 10 min. */
  readonly deniedDelayMs?: number;
}

/** Plans all pull requests that are open, one at a time. No pass waits for it, or fails by it. */
export interface PullRequests {
  /** Something may have happened to one. */
  ask(): void;
  /** There is a comment that may be a command. */
  hear(pull: number, comment: number): void;
  /** A pass has ended: where the branch has moved, all are planned anew. */
  passEnded(): void;
  start(): void;
  stop(): Promise<void>;
  state(): PullRequestsState;
}

export interface PullRequestsState {
  /** Those that are planned. */
  readonly open: number;
  /** Why the forge cannot be asked. */
  readonly problem?: string;
}

const MAX_DELAY_MS = 600_000;

export function createPullRequests(deps: PullRequestsDeps): PullRequests {
  return new Rounds(deps);
}

class Rounds implements PullRequests {
  readonly #deps: PullRequestsDeps;
  readonly #reviews = new Map<number, PullReview>();
  readonly #stopping = new AbortController();
  #asked = false;
  #wake: () => void = () => {};
  #seen: Sight | undefined;
  #failures = 0;
  #problem: string | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(deps: PullRequestsDeps) {
    this.#deps = deps;
  }

  ask(): void {
    this.#asked = true;
    this.#wake();
  }

  hear(pull: number, comment: number): void {
    this.#deps.commands.hear(pull, comment);
    this.ask();
  }

  passEnded(): void {
    if (this.#deps.sight()?.base !== this.#seen?.base) this.ask();
  }

  start(): void {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the operator is stopping'));
    await this.#ended;
    await this.#deps.statuses.stop();
  }

  state(): PullRequestsState {
    return {
      open: this.#reviews.size,
      ...(this.#problem !== undefined && { problem: this.#problem }),
    };
  }

  async #run(): Promise<void> {
    const { pauseMs = 1000 } = this.#deps;
    while (!this.#stopping.signal.aborted) {
      const delayMs = await this.#tryRound();
      await this.#pause(Math.max(pauseMs, delayMs));
      if (!this.#asked && !this.#stopping.signal.aborted) await this.#idle();
    }
  }

  /** Gives the milliseconds that the forge is to be left alone for. */
  async #tryRound(): Promise<number> {
    this.#asked = false;
    try {
      await this.#round();
      this.#recovered();
      return 0;
    } catch (error) {
      if (this.#stopping.signal.aborted) return 0;
      return this.#failed(error);
    }
  }

  async #round(): Promise<void> {
    await this.#deps.commands.work(this.#stopping.signal);
    const sight = this.#deps.sight();
    if (sight === undefined) return;
    this.#seen = sight;
    const pulls = await this.#list();
    // Those that fail come last: they keep none waiting.
    const reviews = pulls
      .map((pull) => ({ pull, review: this.#reviewOf(pull) }))
      .toSorted((a, b) => a.review.failures - b.review.failures);
    for (const { pull, review } of reviews) {
      const wrote = await review.look(pull, this.#deps.sight() ?? sight, this.#stopping.signal);
      if (wrote) await this.#pause(this.#deps.pauseMs ?? 1000);
    }
  }

  async #list(): Promise<readonly PullRequest[]> {
    const { client, forks } = this.#deps;
    const all = await client.openPulls(this.#stopping.signal);
    const pulls = all.filter(({ isFork }) => forks || !isFork);
    const open = new Set(pulls.map(({ number }) => number));
    for (const number of this.#reviews.keys()) if (!open.has(number)) this.#reviews.delete(number);
    return pulls;
  }

  #reviewOf({ number }: PullRequest): PullReview {
    const review = this.#reviews.get(number) ?? createPullReview(this.#deps, number);
    this.#reviews.set(number, review);
    return review;
  }

  #failed(error: unknown): number {
    this.#failures += 1;
    // Again after that, whoever asks or not.
    this.#asked = true;
    const { firstDelayMs = 1000, deniedDelayMs = MAX_DELAY_MS, log } = this.#deps;
    const delayMs = Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** Math.min(this.#failures - 1, 20));
    const verdict: Verdict = error instanceof ForgeFailure ? error.verdict : { kind: 'done' };
    const why = error instanceof Error ? error.message : String(error);
    const facts = error instanceof ForgeFailure ? { why } : { err: error };
    // Said once, not for each try.
    if (this.#problem !== why) log.warn(facts, MESSAGES[verdict.kind]);
    this.#problem = why;
    if (verdict.kind === 'denied' || verdict.kind === 'absent') return deniedDelayMs;
    return Math.max(delayMs, (verdict.kind === 'again' ? verdict.afterMs : undefined) ?? 0);
  }

  #recovered(): void {
    if (this.#problem !== undefined) this.#deps.log.info({}, 'pull requests are looked at again');
    this.#failures = 0;
    this.#problem = undefined;
  }

  /** Until somebody asks, it is time to look again, or one that failed is to be tried again. */
  async #idle(): Promise<void> {
    const retries = [this.#deps.commands, ...this.#reviews.values()].flatMap(({ retryAt }) => retryAt ?? []);
    const untilRetry = Math.min(...retries) - performance.now();
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const ms = Math.max(0, Math.min(this.#deps.pollMs, untilRetry));
    await this.#pause(ms, woken.signal);
    this.#wake = () => {};
  }

  async #pause(ms: number, cut?: AbortSignal): Promise<void> {
    const { signal } = this.#stopping;
    // It only ever ends early because somebody asks, or the program ends.
    await sleep(ms, undefined, { signal: cut ? AbortSignal.any([signal, cut]) : signal }).catch(
      () => undefined,
    );
  }
}

const MESSAGES: Readonly<Record<Verdict['kind'], string>> = {
  again: 'the forge cannot be asked for pull requests, trying on',
  denied: 'the forge denies our token the pull requests: see which rights it needs',
  absent: 'the forge does not have the repository of the pull requests, or our token may not see it',
  done: 'pull requests cannot be looked at, trying on',
};
