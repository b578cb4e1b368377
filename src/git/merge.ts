import { join } from 'node:path';
import type { Revision } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import type { Snapshot } from '../ports.ts';
import { type Bounds, requireShortList, withinGrowth } from './bounds.ts';
import { asGitFailure, ownWords } from './failures.ts';
import { FETCH_OPTIONS, type Git } from './git.ts';
import { type LocalRepository, noCommit, withRepository } from './local-repository.ts';
import { explain, type MirrorState, open } from './mirror-state.ts';
import { checkBranch } from './remote.ts';
import { isSha, readRevision } from './revision.ts';
import { withScratch } from './scratch.ts';
import { readSnapshot, type Scope } from './snapshot.ts';

/** What a branch would be once it is merged. */
export interface Merge {
  readonly base: Snapshot;
  readonly head: Revision;
  /** The head's revision with the id of the merged tree, and the files of both. Absent: the two are in each other's way. */
  readonly merged?: Snapshot;
  /** Files that both have changed, where git cannot tell what is right. */
  readonly conflicts: readonly string[];
}

export interface MergeNames {
  readonly base: string;
  readonly head: string;
}

export interface RemoteNames extends MergeNames {
  /** Of the head, where anybody may have written it: what is larger is E_GIT_LIMIT. */
  readonly bounds?: Bounds;
}

const BASE = 'refs/plan/base';
const HEAD = 'refs/plan/head';

/** Fetches two branches of the remote (or refs, or commits by their full id) and merges them in memory. */
export async function mergeOfRemote(
  state: MirrorState,
  { base, head, bounds }: RemoteNames,
  signal: AbortSignal,
): Promise<Merge> {
  await open(state);
  const { repository } = state;
  if (repository === undefined) throw new Error('a mirror that is open has a repository');
  const lender = { ...repository, objects: [join(repository.dir, 'objects')] };
  return withScratch(lender, async (git, dir) => {
    const fetchHead = (until: AbortSignal) => fetchInto(git, state, { name: head, ref: HEAD, signal: until });
    await fetchInto(git, state, { name: base, ref: BASE, signal });
    if (bounds === undefined) await fetchHead(signal);
    else {
      await withinGrowth(dir, { maxBytes: bounds.fetchBytes, signal }, fetchHead);
      await requireShortList(git, HEAD, { maxBytes: bounds.listBytes, signal });
    }
    return mergeIn(git, { base: BASE, head: HEAD }, state.scope, signal);
  });
}

async function fetchInto(
  git: Git,
  state: MirrorState,
  { name, ref, signal }: { readonly name: string; readonly ref: string; readonly signal: AbortSignal },
): Promise<void> {
  const what = ['--end-of-options', state.remote.url, `+${remoteRef(name)}:${ref}`];
  await git.text(['fetch', ...FETCH_OPTIONS, ...what], { access: 'read', signal }).catch((error: unknown) => {
    const failure = asGitFailure(error);
    if (!/couldn't find remote ref|not our ref/i.test(failure.output)) throw explain(state, failure);
    throw noCommit(name, 'the remote', failure);
  });
}

/** Merges two commits of a repository on this machine in memory; names are as `git rev-parse` takes them. */
export function mergeOfRepository(
  repository: LocalRepository,
  names: MergeNames,
  signal: AbortSignal,
): Promise<Merge> {
  return withRepository(repository, async ({ lender, isShallow, resolve }) => {
    const base = await resolve(names.base);
    const head = await resolve(names.head);
    if (isShallow) {
      throw new OperatorError(
        'E_USAGE',
        `${repository.dir} is a shallow clone: fetch its whole history first`,
      );
    }
    return withScratch(lender, (git) => mergeIn(git, { base, head }, repository.scope, signal));
  });
}

async function mergeIn(git: Git, names: MergeNames, scope: Scope, signal: AbortSignal): Promise<Merge> {
  const [base, head] = await Promise.all([
    readRevision(git, names.base, { signal }),
    readRevision(git, names.head, { signal }),
  ]);
  const before = await readSnapshot(git, base, scope, { signal });
  const { tree, conflicts } = await mergeTrees(git, base.sha, head.sha, signal);
  if (conflicts.length > 0) return { base: before, head, conflicts };
  const merged = await readSnapshot(git, { ...head, sha: tree }, scope, { signal });
  return { base: before, head, merged, conflicts };
}

async function mergeTrees(git: Git, base: string, head: string, signal: AbortSignal) {
  const args = ['merge-tree', '--write-tree', '--no-messages', '--name-only', '-z', base, head];
  const output = await git.text(args, { signal }).catch((error: unknown) => {
    const failure = asGitFailure(error);
    // Exit code 1: a tree with marks of conflict in it, then the names of the files.
    if (failure.kind === 'exit' && /^[0-9a-f]{40,64}\0/.test(failure.output)) return failure.output;
    const hint = /usage: git merge-tree/.test(failure.output)
      ? 'git 2.38 or newer is needed'
      : ownWords(failure);
    throw new OperatorError(
      'E_USAGE',
      `${base.slice(0, 12)} and ${head.slice(0, 12)} cannot be merged: ${hint}`,
      {
        cause: failure,
      },
    );
  });
  const [tree = '', ...names] = output.split('\0');
  return {
    tree: tree.trim(),
    conflicts: [...new Set(names.map((name) => name.trim()))].filter((name) => name !== ''),
  };
}

/** A branch by its name, any other ref by its full name, a commit by its id. */
function remoteRef(name: string): string {
  if (isSha(name)) return name;
  if (name.startsWith('refs/')) return `refs/${checkBranch(name.slice('refs/'.length))}`;
  try {
    return `refs/heads/${checkBranch(name)}`;
  } catch (cause) {
    throw new OperatorError('E_USAGE', `${JSON.stringify(name)} is no name of a branch`, { cause });
  }
}
