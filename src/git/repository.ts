import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { GitVariables, RemoteAccess } from './environment.ts';
import { createGit, type Git, GitFailure } from './git.ts';

export interface RepositorySettings {
  /** The bare repository; made when it is not there, made again when it is broken. */
  readonly dir: string;
  readonly branch: string;
  readonly environment: (access: RemoteAccess) => GitVariables;
  readonly timeoutMs: number;
}

/** The commit in force. A ref, so that its objects stay when the branch is rewritten. */
export const ACCEPTED_REF = 'refs/kvm-gitops/accepted';

/** git holds a ref's lock for milliseconds; one this old was left behind by a git that was killed. */
const STALE_LOCK_MS = 10_000;
const MANY_PACKS = 50;
const MANY_LOOSE_OBJECTS = 5_000;
const PACK_TIMEOUT_MS = 300_000;

/** Opens the mirror; it appears in one rename, so it is never half made. */
export async function openRepository(settings: RepositorySettings): Promise<Git> {
  const git = createGit(settings);
  if (!(await opens(git, settings))) {
    await replace(settings);
    return git;
  }
  const head = `refs/heads/${settings.branch}`;
  const current = await git.text(['rev-parse', '--symbolic-full-name', '--quiet', 'HEAD']).catch(() => '');
  if (current.trim() !== head) await changeBranch(git, current.trim(), head);
  await packIfNeeded(git);
  return git;
}

/** The old branch goes: its name may stand in the way of the new one, as `live` of `live/a`. */
async function changeBranch(git: Git, from: string, to: string): Promise<void> {
  await git.text(['symbolic-ref', 'HEAD', to]);
  if (from.startsWith('refs/heads/')) await git.text(['update-ref', '-d', from]);
}

/** Puts an empty mirror in the place of a broken one, which is kept beside it once, and takes over what is in force. */
export async function rebuildRepository(
  settings: RepositorySettings,
): Promise<{ git: Git; accepted?: string }> {
  const git = createGit(settings);
  const accepted = await readAccepted(git).catch(() => undefined);
  await replace(settings);
  return { git, ...(accepted === undefined ? {} : { accepted }) };
}

/** The commit in force, as it was written down; its objects may be gone. */
export async function readAccepted(git: Git): Promise<string | undefined> {
  const output = await git.text(['for-each-ref', '--format=%(objectname)', ACCEPTED_REF]);
  return output.trim() || undefined;
}

/** Sets a ref; throws a GitFailure where the commit is not there. */
export async function updateRef(git: Git, ref: string, sha: string): Promise<void> {
  // By a transaction on stdin: it answers, and simple-git waits 50 ms for a command that says nothing.
  await git.text(['update-ref', '--stdin'], { input: `start\nupdate ${ref} ${sha}\ncommit\n` });
}

/** Whether every object that the refs need is there. Reads all of the mirror's trees. */
export async function isComplete(git: Git): Promise<boolean> {
  try {
    await git.text(['fsck', '--connectivity-only', '--no-dangling', '--no-progress']);
    return true;
  } catch (error) {
    if (error instanceof GitFailure && error.kind === 'exit') return false;
    throw error;
  }
}

/** Removes a lock that a killed git left in the mirror; true when one is gone and a second try makes sense. */
export async function clearStaleLock(failure: GitFailure, settings: RepositorySettings): Promise<boolean> {
  const [, path] = /unable to create '([^']+\.lock)': file exists/i.exec(failure.output) ?? [];
  if (path === undefined || !resolve(path).startsWith(resolve(settings.dir) + sep)) return false;
  const lock = await stat(path).catch(() => undefined);
  if (lock === undefined) return true;
  if (Date.now() - lock.mtimeMs < STALE_LOCK_MS) return false;
  await rm(path, { force: true });
  return true;
}

async function opens(git: Git, { dir }: RepositorySettings): Promise<boolean> {
  if ((await stat(join(dir, 'HEAD')).catch(() => undefined)) === undefined) return false;
  return git.text(['rev-parse', '--git-dir']).then(
    () => true,
    (error: unknown) => {
      if (error instanceof GitFailure && error.kind === 'exit') return false;
      throw error;
    },
  );
}

async function replace(settings: RepositorySettings): Promise<void> {
  const { dir, branch } = settings;
  const fresh = `${dir}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  await createGit({ ...settings, dir: fresh }).text(['init', '--bare', `--initial-branch=${branch}`]);
  if ((await stat(dir).catch(() => undefined)) !== undefined) {
    await rm(`${dir}.broken`, { recursive: true, force: true });
    await rename(dir, `${dir}.broken`);
  }
  await rename(fresh, dir);
}

/**
 * Rolls small packs and loose objects into larger packs. git's own upkeep is off, because it deletes what no ref holds;
 * and each fetch leaves a pack, each note some loose objects.
 */
export async function packIfNeeded(git: Git): Promise<void> {
  const counts = await git.text(['count-objects', '-v']);
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(counts)?.[1] ?? 0);
  if (count('packs') < MANY_PACKS && count('count') < MANY_LOOSE_OBJECTS) return;
  await git.text(['repack', '-d', '-q', '--geometric=2'], { timeoutMs: PACK_TIMEOUT_MS });
}
