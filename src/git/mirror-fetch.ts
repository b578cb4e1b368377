import type { Snapshot } from '../ports.ts';
import { asGitFailure, remoteProblem } from './failures.ts';
import { FETCH_OPTIONS, type Git, GitFailure } from './git.ts';
import { explain, type MirrorState, open, snapshotOf, unlock } from './mirror-state.ts';
import { ACCEPTED_REF, isComplete, packIfNeeded, rebuildRepository, updateRef } from './repository.ts';
import { readRevision } from './revision.ts';

const MOVES_PER_PACKING = 50;

/**
 * Brings the branch up to date and reads it; a mirror that turns out to be broken is made anew once. Waits for a fetch
 * that is under way and then fetches itself: that one may have begun before what is asked for was there.
 */
export function fetchLatest(state: MirrorState, signal: AbortSignal): Promise<Snapshot> {
  return state.fetchInTurn(() => fetchNow(state, signal));
}

async function fetchNow(state: MirrorState, signal: AbortSignal): Promise<Snapshot> {
  await fetchBranch(state, signal);
  try {
    return await readTip(state, signal);
  } catch (error) {
    // The objects were fetched and checked, so it is the mirror that has lost them.
    if (!(error instanceof GitFailure) || (error.kind !== 'exit' && error.kind !== 'corrupt')) throw error;
    await rebuild(state, error, signal);
    return readTip(state, signal);
  }
}

async function readTip(state: MirrorState, signal: AbortSignal): Promise<Snapshot> {
  const git = await open(state);
  const revision = await readRevision(git, state.ref, { signal });
  if (!state.snapshots.has(revision.sha)) state.moves += 1;
  else if (state.moves >= MOVES_PER_PACKING) await packWhenIdle(state, git);
  return snapshotOf(state, revision, signal);
}

/** In a fetch that brought nothing, so that no commit waits for it. */
async function packWhenIdle(state: MirrorState, git: Git): Promise<void> {
  state.moves = 0;
  await packIfNeeded(git).catch((error: unknown) => {
    state.settings.log?.warn({ err: asGitFailure(error) }, 'the git mirror could not be packed');
  });
}

async function fetchBranch(state: MirrorState, signal: AbortSignal): Promise<void> {
  const failure = await tryFetch(state, signal);
  if (failure === undefined) return;
  if (await unlock(state, failure)) {
    const second = await tryFetch(state, signal);
    if (second === undefined) return;
    throw explain(state, second);
  }
  if (await isMirrorBroken(state, failure)) return rebuild(state, failure, signal);
  throw explain(state, failure);
}

async function tryFetch(state: MirrorState, signal: AbortSignal): Promise<GitFailure | undefined> {
  const git = await open(state);
  // Forced, into our own ref: where the branch is rewritten, we follow.
  const what = [state.remote.url, `+${state.ref}:${state.ref}`];
  return git.text(['fetch', ...FETCH_OPTIONS, '--end-of-options', ...what], { access: 'read', signal }).then(
    () => undefined,
    (error: unknown) => asGitFailure(error),
  );
}

async function isMirrorBroken(state: MirrorState, failure: GitFailure): Promise<boolean> {
  const git = await open(state);
  if (remoteProblem(failure) === undefined) return !(await isComplete(git));
  return git.text(['rev-parse', '--git-dir']).then(
    () => false,
    () => true,
  );
}

async function rebuild(state: MirrorState, why: GitFailure, signal: AbortSignal): Promise<void> {
  const settings = state.repository;
  if (settings === undefined) throw why;
  state.settings.log?.warn({ err: why, mirror: settings.dir }, 'the git mirror is broken and is made anew');
  const { git, accepted } = await rebuildRepository(settings);
  state.opening = Promise.resolve(git);
  state.snapshots.clear();
  const failure = await tryFetch(state, signal);
  if (failure !== undefined) throw explain(state, failure);
  if (accepted === undefined) return;
  await updateRef(git, ACCEPTED_REF, accepted).catch((error: unknown) => {
    state.settings.log?.warn(
      { err: asGitFailure(error), accepted },
      'the commit in force is no longer on the branch',
    );
  });
}
