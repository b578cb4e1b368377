import { join, resolve } from 'node:path';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Logger } from 'pino';
import type { Revision } from '../core/report.ts';
import type { OperatorError } from '../errors.ts';
import type { Snapshot } from '../ports.ts';
import { type Credentials, type Environment, prepareEnvironment } from './environment.ts';
import { remoteError } from './failures.ts';
import type { Git, GitFailure } from './git.ts';
import type { CommitTrust } from './key-files.ts';
import { checkBranch, checkFolder, parseRemote, type Remote } from './remote.ts';
import { clearStaleLock, openRepository, type RepositorySettings } from './repository.ts';
import { DEFAULT_LIMITS, type Limits } from './selection.ts';
import { createVerifier, type Verifier } from './signatures.ts';
import { readSnapshot, type Scope } from './snapshot.ts';

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
  /** Whose commits count; absent: everybody's who may push. */
  readonly trust?: CommitTrust;
  /** For each git command. Default 60 s. */
  readonly timeoutMs?: number;
  /** Author of the notes. */
  readonly identity?: { readonly name: string; readonly email: string };
  readonly log?: GitLog;
}

/** What the parts of a mirror share. */
export interface MirrorState {
  readonly settings: MirrorSettings;
  readonly remote: Remote;
  readonly ref: string;
  readonly scope: Scope;
  repository?: RepositorySettings;
  opening?: Promise<Git>;
  /** The newest snapshots by commit: what stands still is not read twice. */
  readonly snapshots: Map<string, Snapshot>;
  /** One fetch at a time: of two that move the same ref, git fails one. */
  readonly fetchInTurn: LimitFunction;
  /** Fetches that brought something, since the mirror was last packed. */
  moves: number;
  /** Absent: signatures do not count. */
  readonly verifier?: Verifier;
}

const KEPT_SNAPSHOTS = 2;
const TIMEOUT_MS = 60_000;

/** Checks the settings; throws E_CONFIG_INVALID. */
export function createState(settings: MirrorSettings): MirrorState {
  const { dir, env, trust, timeoutMs = TIMEOUT_MS } = settings;
  const verifier = trust && createVerifier({ trust, dir, repository: mirrorDir(dir), env, timeoutMs });
  return {
    settings,
    ...(verifier !== undefined && { verifier }),
    remote: parseRemote(settings.remote),
    ref: `refs/heads/${checkBranch(settings.branch)}`,
    scope: { folder: checkFolder(settings.path ?? ''), limits: { ...DEFAULT_LIMITS, ...settings.limits } },
    snapshots: new Map(),
    fetchInTurn: pLimit(1),
    moves: 0,
  };
}

/** The mirror, made or opened once. */
export function open(state: MirrorState): Promise<Git> {
  state.opening ??= prepare(state)
    .then(openRepository)
    .catch((error: unknown) => {
      delete state.opening;
      throw error;
    });
  return state.opening;
}

function mirrorDir(dir: string): string {
  return resolve(join(dir, 'mirror.git'));
}

async function prepare(state: MirrorState): Promise<RepositorySettings> {
  const { dir, env, branch, timeoutMs = TIMEOUT_MS } = state.settings;
  const environment = await prepareEnvironment({
    dir,
    env,
    remote: state.remote,
    credentials: state.settings.credentials ?? {},
    identity: state.settings.identity ?? { name: 'kvm-gitops', email: 'kvm-gitops@localhost' },
  });
  state.repository = { dir: mirrorDir(dir), branch, environment, timeoutMs };
  return state.repository;
}

/** What is in a commit, read only once while it is one of the newest. */
export async function snapshotOf(
  state: MirrorState,
  revision: Revision,
  signal?: AbortSignal,
): Promise<Snapshot> {
  const known = state.snapshots.get(revision.sha);
  const call = signal === undefined ? {} : { signal };
  const snapshot = known ?? (await readSnapshot(await open(state), revision, state.scope, call));
  state.snapshots.delete(revision.sha);
  state.snapshots.set(revision.sha, snapshot);
  for (const sha of [...state.snapshots.keys()].slice(0, -KEPT_SNAPSHOTS)) state.snapshots.delete(sha);
  return snapshot;
}

/** Whether a lock of a killed git is gone. */
export async function unlock({ repository }: MirrorState, failure: GitFailure): Promise<boolean> {
  return repository !== undefined && clearStaleLock(failure, repository);
}

/** E_GIT_REMOTE for what git said of the remote. */
export function explain(state: MirrorState, failure: GitFailure): OperatorError {
  const { credentials, branch } = state.settings;
  const hosts = credentials?.knownHostsFile;
  return remoteError(failure, {
    remote: state.remote,
    branch,
    ...(hosts === undefined ? {} : { knownHostsFile: hosts }),
  });
}
