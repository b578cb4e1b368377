import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Revision } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import type { Snapshot, Source } from '../ports.ts';
import { type Credentials, type Environment, prepareEnvironment } from './environment.ts';
import { asGitFailure, remoteError, remoteProblem } from './failures.ts';
import { type Git, GitFailure } from './git.ts';
import { checkBranch, checkFolder, parseRemote, type Remote } from './remote.ts';
import {
  ACCEPTED_REF,
  clearStaleLock,
  isComplete,
  openRepository,
  packIfNeeded,
  type RepositorySettings,
  readAccepted,
  rebuildRepository,
  updateRef,
} from './repository.ts';
import { DEFAULT_LIMITS, type Limits } from './selection.ts';
import { REVISION_FORMAT, readRevision, readSnapshot, type Scope, toRevision } from './snapshot.ts';

export type GitLog = Pick<Logger, 'debug' | 'info' | 'warn'>;

export interface MirrorSettings {
  /** A folder of the mirror's own in the state folder. */
  readonly dir: string;
  readonly remote: string;
  readonly branch: string;
  /** Folder of the manifests in the repository; default: its root. */
  readonly path?: string;
  readonly credentials?: Credentials;
  /** The operator's environment: PATH, HOME, proxies and the token's variable are taken from it. */
  readonly env: Environment;
  readonly limits?: Partial<Limits>;
  /** For each git command. Default 60 s. */
  readonly timeoutMs?: number;
  /** Author of the notes. */
  readonly identity?: { readonly name: string; readonly email: string };
  readonly log?: GitLog;
}

/** The manifests repository, read from a bare mirror. */
export interface Mirror extends Source {
  readonly remote: Remote;
  /** The snapshot of a revision by name, as `git rev-parse` takes it. E_USAGE where there is none. */
  read(name: string, signal?: AbortSignal): Promise<Snapshot>;
  /** The mirror itself, opened. */
  git(): Promise<Git>;
  /** E_GIT_REMOTE for what git said of the remote. */
  explain(failure: GitFailure): OperatorError;
}

/** Longest answer of `between`; of more, the newest. */
const MAX_BETWEEN = 200;
const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Touches neither disk nor network until it is asked. Throws E_CONFIG_INVALID for settings that cannot work. */
export function createMirror(settings: MirrorSettings): Mirror {
  const state = createState(settings);
  return {
    remote: state.remote,
    git: () => open(state),
    explain: (failure) => explain(state, failure),
    fetch: (signal) => fetchLatest(state, signal),
    read: (name, signal) => readNamed(state, name, signal),
    accepted: () => readInForce(state),
    accept: async (sha) => updateRef(await open(state), ACCEPTED_REF, checkSha(sha)),
    between: async (from, to) => listBetween(await open(state), checkSha(from), checkSha(to)),
  };
}

interface MirrorState {
  readonly settings: MirrorSettings;
  readonly remote: Remote;
  readonly ref: string;
  readonly scope: Scope;
  repository?: RepositorySettings;
  opening?: Promise<Git>;
  /** The newest snapshots by commit: what stands still is not read twice. */
  readonly snapshots: Map<string, Snapshot>;
  /** Fetches that brought something, since the mirror was last packed. */
  moves: number;
}

const KEPT_SNAPSHOTS = 2;
const MOVES_PER_PACKING = 50;

function createState(settings: MirrorSettings): MirrorState {
  return {
    settings,
    remote: parseRemote(settings.remote),
    ref: `refs/heads/${checkBranch(settings.branch)}`,
    scope: { folder: checkFolder(settings.path ?? ''), limits: { ...DEFAULT_LIMITS, ...settings.limits } },
    snapshots: new Map(),
    moves: 0,
  };
}

function open(state: MirrorState): Promise<Git> {
  state.opening ??= prepare(state)
    .then(openRepository)
    .catch((error: unknown) => {
      delete state.opening;
      throw error;
    });
  return state.opening;
}

async function prepare(state: MirrorState): Promise<RepositorySettings> {
  const { dir, env, branch, timeoutMs = 60_000 } = state.settings;
  const environment = await prepareEnvironment({
    dir,
    env,
    remote: state.remote,
    credentials: state.settings.credentials ?? {},
    identity: state.settings.identity ?? { name: 'kvm-gitops', email: 'kvm-gitops@localhost' },
  });
  state.repository = { dir: resolve(join(dir, 'mirror.git')), branch, environment, timeoutMs };
  return state.repository;
}

async function fetchLatest(state: MirrorState, signal: AbortSignal): Promise<Snapshot> {
  await fetchBranch(state, signal);
  try {
    return await readTip(state, signal);
  } catch (error) {
    // The objects were fetched and checked, so it is the mirror that has lost them.
    if (!(error instanceof GitFailure) || error.kind === 'timeout') throw error;
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

async function snapshotOf(state: MirrorState, revision: Revision, signal?: AbortSignal): Promise<Snapshot> {
  const known = state.snapshots.get(revision.sha);
  const call = signal === undefined ? {} : { signal };
  const snapshot = known ?? (await readSnapshot(await open(state), revision, state.scope, call));
  state.snapshots.delete(revision.sha);
  state.snapshots.set(revision.sha, snapshot);
  for (const sha of [...state.snapshots.keys()].slice(0, -KEPT_SNAPSHOTS)) state.snapshots.delete(sha);
  return snapshot;
}

async function fetchBranch(state: MirrorState, signal: AbortSignal): Promise<void> {
  const failure = await tryFetch(state, signal);
  if (failure === undefined) return;
  if (state.repository !== undefined && (await clearStaleLock(failure, state.repository))) {
    const second = await tryFetch(state, signal);
    if (second === undefined) return;
    throw explain(state, second);
  }
  if (await isMirrorBroken(state, failure)) return rebuild(state, failure, signal);
  throw explain(state, failure);
}

async function tryFetch(state: MirrorState, signal: AbortSignal): Promise<GitFailure | undefined> {
  const git = await open(state);
  const options = [
    '-v',
    '--no-tags',
    '--no-write-fetch-head',
    '--no-recurse-submodules',
    '--no-auto-maintenance',
  ];
  // Forced, into our own ref: where the branch is rewritten, we follow.
  const what = [state.remote.url, `+${state.ref}:${state.ref}`];
  return git.text(['fetch', ...options, '--end-of-options', ...what], { access: 'read', signal }).then(
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
    if (err.kind === 'timeout') throw err;
    state.settings.log?.warn({ err, accepted: sha }, 'the commit in force cannot be read');
    return undefined;
  }
}

async function listBetween(git: Git, from: string, to: string): Promise<readonly Revision[]> {
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
    const records = log.split('\0\n').filter((record) => record !== '');
    return records
      .slice(1)
      .map((record) => toRevision(record.split('\0')))
      .toReversed();
  } catch (error) {
    // A commit that the mirror does not hold, or not any more, is nobody's ancestor.
    if (asGitFailure(error).kind === 'exit') return [];
    throw error;
  }
}

function checkSha(sha: string): string {
  if (SHA.test(sha)) return sha;
  throw new OperatorError('E_USAGE', `${JSON.stringify(sha)} is not a full commit id`);
}

function explain(state: MirrorState, failure: GitFailure): OperatorError {
  const { credentials, branch } = state.settings;
  const hosts = credentials?.knownHostsFile;
  return remoteError(failure, {
    remote: state.remote,
    branch,
    ...(hosts === undefined ? {} : { knownHostsFile: hosts }),
  });
}
