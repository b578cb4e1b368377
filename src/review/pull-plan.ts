import type { CommitState } from '../core/commit-state.ts';
import { planState } from '../core/review/headline.ts';
import { planMarkdown } from '../core/review/plan-markdown.ts';
import type { PlanResult } from '../core/review/plan-result.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { PullRequest } from '../forge/pulls/pull-request.ts';
import type { Merge, MergeNames } from '../git/merge.ts';
import type { Clock, Hosts, Snapshot } from '../ports.ts';
import type { Builder } from '../reconcile/builder.ts';
import { byLastLook, type Look } from './last-look.ts';
import { planMerge } from './plan-merge.ts';

/** What plans a pull request. */
export interface Planner {
  /** The branch that they go to, by its name in the remote. */
  readonly branch: string;
  /** Folder of the manifests in the repository, for links. */
  readonly folder: string;
  /** The line that our comments begin with. */
  readonly marker: string;
  readonly canConfirmHere: boolean;
  readonly merge: (names: MergeNames, signal: AbortSignal) => Promise<Merge>;
  readonly build: Builder;
  /** The commit that the hosts are held to. */
  readonly inForce: () => Promise<Snapshot | undefined>;
  /** Asks the hosts for what no pass asked for, and has no pass see it. */
  readonly ask: Hosts['observe'];
  readonly clock: Clock;
}

/** What the passes know now. */
export interface Sight {
  /** The newest commit of the branch. */
  readonly base: string;
  /** Another one, by identity, is another look. */
  readonly look: Look;
}

/** A plan as it is shown. */
export interface PulledPlan {
  /** The commit of the branch that it was planned with. */
  readonly base: string;
  readonly state: CommitState;
  readonly text: string;
  /** The base has steps of its own that wait: once they are made this plan is another. */
  readonly isPassing: boolean;
}

export type PlanPull = (pull: PullRequest, sight: Sight, signal: AbortSignal) => Promise<PulledPlan>;

/** Comments of GitHub take 65,536 characters. */
const MAX_BYTES = 60_000;
const KEPT_MERGES = 8;
const KEPT_REFUSALS = 100;
/** The forge may have shown a commit before git had it. */
const REFUSAL_MS = 3_600_000;
/** Of manifests that differ from the base: reading them holds up everything else for as long as it takes. */
const MAX_CHANGED = 256 * 1024;

/** Plans pull requests, and keeps their newest merges: what moves on the hosts needs no git. */
export function createPullPlanner(planner: Planner): PlanPull {
  const mergeOf = keepRefusals(planner.clock, keepMerges(planner));
  return async (pull, sight, signal) => {
    const shown = (result: PlanResult, base: string): PulledPlan => ({
      base,
      state: planState(result),
      text: textOf(planner, pull, result),
      isPassing: result.merge !== undefined && result.merge.pending.size > 0,
    });
    try {
      const merge = await mergeOf(pull, sight.base, signal);
      const names = { base: planner.branch, head: pull.branch };
      const live = { observe: byLastLook(sight.look, planner.ask), clock: planner.clock };
      const inForce = await planner.inForce();
      const result = await planMerge({ names, merge, build: planner.build, live, inForce }, signal);
      return shown(result, merge.base.revision.sha);
    } catch (error) {
      const issue = unreadable(error);
      if (issue === undefined) throw error;
      return shown({ title: pull.branch, issues: [issue] }, sight.base);
    }
  };
}

function textOf(
  { folder, marker, canConfirmHere }: Planner,
  { files }: PullRequest,
  result: PlanResult,
): string {
  return planMarkdown(result, {
    linkBase: files,
    folder,
    marker,
    canConfirmHere,
    maxBytes: MAX_BYTES,
    isPublic: true,
  });
}

type MergeOf = (pull: PullRequest, base: string, signal: AbortSignal) => Promise<Merge>;

/** What was too large is not fetched again to be found too large. */
function keepRefusals(clock: Clock, make: MergeOf): MergeOf {
  const refusals = new Map<string, { readonly error: unknown; readonly at: number }>();
  return async (pull, base, signal) => {
    const key = `${pull.head} ${base}`;
    const refusal = refusals.get(key);
    const now = clock.now().getTime();
    if (refusal !== undefined && now - refusal.at < REFUSAL_MS) throw refusal.error;
    try {
      return await make(pull, base, signal);
    } catch (error) {
      refusals.delete(key);
      if (unreadable(error) !== undefined) refusals.set(key, { error, at: now });
      for (const old of [...refusals.keys()].slice(0, -KEPT_REFUSALS)) refusals.delete(old);
      throw error;
    }
  };
}

function keepMerges({ branch, merge: make }: Planner): MergeOf {
  const merges = new Map<string, Merge>();
  return async ({ head, ref }, base, signal) => {
    const key = `${head} ${base}`;
    const merge = merges.get(key) ?? (await make({ base: branch, head: ref }, signal));
    if (merge.head.sha !== head)
      throw new OperatorError('E_GIT_REMOTE', `the remote does not have ${head} as ${ref} yet, or no longer`);
    requireModest(merge);
    merges.delete(key);
    // The branch may have moved on since the last pass.
    if (merge.base.revision.sha === base) merges.set(key, merge);
    for (const old of [...merges.keys()].slice(0, -KEPT_MERGES)) merges.delete(old);
    return merge;
  };
}

/** Throws E_GIT_LIMIT: anybody may open a pull request, and the passes are not to wait until that one was read. */
function requireModest({ base, merged }: Merge): void {
  const before = new Map(base.files.map(({ path, content }) => [path, content]));
  const changed = (merged?.files ?? []).filter(({ path, content }) => before.get(path) !== content);
  const size = changed.reduce((sum, { content }) => sum + content.length, 0);
  if (size <= MAX_CHANGED) return;
  throw new OperatorError(
    'E_GIT_LIMIT',
    `it changes manifests of ${size} characters, and more than ${MAX_CHANGED} are not planned here: use kvm-gitops plan --base --head`,
  );
}

/** A commit that is there, and is too large or no text: that is for who wrote it. */
function unreadable(error: unknown): PlanResult['issues'][number] | undefined {
  const isTheirs =
    error instanceof OperatorError && (error.code === 'E_GIT_LIMIT' || error.code === 'E_GIT_CONTENT');
  return isTheirs ? { file: '.', message: errorMessage(error) } : undefined;
}
