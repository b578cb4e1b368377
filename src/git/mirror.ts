import type { Revision } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import type { Snapshot, Source } from '../ports.ts';
import { listStrangers } from './ancestry.ts';
import { asGitFailure, mirrorError } from './failures.ts';
import type { Git, GitFailure } from './git.ts';
import type { Span } from './judge-commits.ts';
import { type Merge, mergeOfRemote, type RemoteNames } from './merge.ts';
import { fetchLatest } from './mirror-fetch.ts';
import {
  createState,
  explain,
  type MirrorSettings,
  type MirrorState,
  open,
  snapshotOf,
  unlock,
} from './mirror-state.ts';
import type { Remote } from './remote.ts';
import { ACCEPTED_REF, readAccepted, updateRef } from './repository.ts';
import { isSha, parseRevisions, REVISION_FORMAT, readRevision } from './revision.ts';
import type { Verifier } from './signatures.ts';

export type { MirrorSettings } from './mirror-state.ts';

/** The manifests repository, read from a bare mirror. */
export interface Mirror extends Source {
  readonly remote: Remote;
  /** The snapshot of a revision by name, as `git rev-parse` takes it. E_USAGE where there is none. */
  read(name: string, signal?: AbortSignal): Promise<Snapshot>;
  /** A branch merged with its base in memory, both as the remote has them now; the mirror stays as it is. */
  merge(names: RemoteNames, signal: AbortSignal): Promise<Merge>;
  /** How many keys commits are checked by, by file; undefined: they are not checked. E_GIT_SIGNATURE. */
  trustedKeys(): Promise<Awaited<ReturnType<Verifier['keys']>> | undefined>;
  /** The mirror itself, opened. */
  git(): Promise<Git>;
  /** E_GIT_REMOTE for what git said of the remote. */
  explain(failure: GitFailure): OperatorError;
  /** Removes a lock of git's that a killed git left behind; true when a second try makes sense. */
  unlock(failure: GitFailure): Promise<boolean>;
}

/** Longest answer of `between`; of more, the newest. */
const MAX_BETWEEN = 200;

/** Touches neither disk nor network until it is asked. Throws E_CONFIG_INVALID for settings that cannot work. */
export function createMirror(settings: MirrorSettings): Mirror {
  const state = createState(settings);
  const guarded = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw mirrorError(error, settings.dir);
    });
  return {
    remote: state.remote,
    git: () => guarded(open(state)),
    explain: (failure) => explain(state, failure),
    unlock: (failure) => unlock(state, failure),
    fetch: (signal) => guarded(fetchLatest(state, signal)),
    read: (name, signal) => guarded(readNamed(state, name, signal)),
    merge: (names, signal) => guarded(mergeOfRemote(state, names, signal)),
    accepted: () => guarded(readInForce(state)),
    accept: async (sha) => guarded(accept(state, checkSha(sha))),
    between: async (from, to) => guarded(listBetween(state, checkSha(from), checkSha(to))),
    distrust: async (sha, from, signal) => guarded(distrust(state, spanOf(checkSha(sha), from), signal)),
    trustedKeys: async () => state.verifier?.keys(),
    notIn: async (sha, commits) => guarded(listStrangers(await open(state), checkSha(sha), commits)),
  };
}

async function accept(state: MirrorState, sha: string): Promise<void> {
  const git = await open(state);
  await updateRef(git, ACCEPTED_REF, sha).catch(async (error: unknown) => {
    if (!(await unlock(state, asGitFailure(error)))) throw error;
    await updateRef(git, ACCEPTED_REF, sha);
  });
}

async function readNamed(state: MirrorState, name: string, signal?: AbortSignal): Promise<Snapshot> {
  const git = await open(state);
  const call = signal === undefined ? {} : { signal };
  const args = ['rev-parse', '--verify', '--end-of-options', `${name}^{commit}`];
  const sha = await git.text(args, call).catch((error: unknown) => {
    const cause = asGitFailure(error);
    if (cause.kind !== 'exit') throw cause;
    const message = `${JSON.stringify(name)} is no commit on branch ${state.settings.branch}`;
    throw new OperatorError('E_USAGE', message, { cause });
  });
  const revision = await readRevision(git, sha.trim(), call);
  return snapshotOf(state, revision, signal);
}

async function readInForce(state: MirrorState): Promise<Snapshot | undefined> {
  const git = await open(state);
  const sha = await readAccepted(git);
  if (sha === undefined) return undefined;
  const known = state.snapshots.get(sha);
  if (known !== undefined) return known;
  try {
    return await snapshotOf(state, await readRevision(git, sha));
  } catch (error) {
    const err = asGitFailure(error);
    if (err.kind !== 'exit' && err.kind !== 'corrupt') throw err;
    state.settings.log?.warn({ err, accepted: sha }, 'the commit in force cannot be read');
    return undefined;
  }
}

async function listBetween(state: MirrorState, from: string, to: string): Promise<readonly Revision[]> {
  const git = await open(state);
  try {
    const [missing, log] = await Promise.all([
      git.text(['rev-list', '--count', '--left-only', `${from}...${to}`]),
      git.text([
        'log',
        '--first-parent',
        '--no-notes',
        `--max-count=${MAX_BETWEEN + 1}`,
        `--format=${REVISION_FORMAT}`,
        `${from}..${to}`,
        '--',
      ]),
    ]);
    if (missing.trim() !== '0') return [];
    return parseRevisions(log).slice(1).toReversed();
  } catch (error) {
    // A commit that the mirror does not hold, or not any more, is nobody's ancestor.
    if (asGitFailure(error).kind === 'exit') return [];
    throw error;
  }
}

async function distrust(state: MirrorState, span: Span, signal?: AbortSignal): Promise<string | undefined> {
  await open(state);
  return state.verifier?.distrust(span, signal);
}

function spanOf(sha: string, from?: string): Span {
  return { sha, ...(from !== undefined && isSha(from) && { from }) };
}

function checkSha(sha: string): string {
  if (isSha(sha)) return sha;
  throw new OperatorError('E_USAGE', `${JSON.stringify(sha)} is not a full commit id`);
}
