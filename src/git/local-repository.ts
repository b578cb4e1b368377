import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OperatorError } from '../errors.ts';
import type { Snapshot } from '../ports.ts';
import { type Environment, prepareEnvironment } from './environment.ts';
import { asGitFailure } from './failures.ts';
import { createGit, type Git } from './git.ts';
import { isSha, readRevision } from './revision.ts';
import { gitFolder, type Lender, withScratch } from './scratch.ts';
import { readSnapshot, type Scope } from './snapshot.ts';

/** A repository on this machine that is only read: a clone, a work tree, a bare repository. */
export interface LocalRepository {
  readonly dir: string;
  readonly env: Environment;
  /** What of it is ours. */
  readonly scope: Scope;
}

export interface OpenRepository {
  readonly lender: Lender;
  readonly isShallow: boolean;
  /** The id of a commit by name, as `git rev-parse` takes it. E_USAGE where there is none. */
  readonly resolve: (name: string) => Promise<string>;
}

/** Opens it, with a git that knows none of the user's own config, for as long as `use` runs. */
export async function withRepository<T>(
  repository: Pick<LocalRepository, 'dir' | 'env'>,
  use: (open: OpenRepository) => Promise<T>,
): Promise<T> {
  const dir = await gitFolder(repository.dir);
  const own = await mkdtemp(join(tmpdir(), 'kvm-gitops-git-'));
  try {
    const environment = await prepareEnvironment({
      dir: own,
      env: repository.env,
      remote: { kind: 'local', url: dir, path: dir },
      credentials: {},
      identity: { name: 'kvm-gitops', email: 'kvm-gitops@localhost' },
    });
    // `read`: git is to trust the folder whoever owns it; nothing but names is read by its config.
    const settings = { dir, environment: () => environment('read'), timeoutMs: 60_000 };
    const git = createGit(settings);
    const pathOf = async (name: string) =>
      resolve(dir, (await git.text(['rev-parse', '--git-path', name])).trim());
    const objects = await pathOf('objects');
    const isShallow = (await stat(await pathOf('shallow')).catch(() => undefined)) !== undefined;
    const lender = { ...settings, objects: [objects, ...(await quarantine(objects, repository.env))] };
    return await use({ lender, isShallow, resolve: (name) => resolveIn(git, name) });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Reads a commit of a repository on this machine; in a `pre-receive` hook also one that is not in it yet. */
export function readCommit(
  repository: LocalRepository,
  name: string,
  signal: AbortSignal,
): Promise<Snapshot> {
  return withRepository(repository, async (open) => {
    const sha = isSha(name) ? name : await open.resolve(name);
    return withScratch(open.lender, async (git) => {
      const revision = await readRevision(git, `${sha}^{commit}`, { signal }).catch((error: unknown) => {
        throw noCommit(name, 'the repository', asGitFailure(error));
      });
      return readSnapshot(git, revision, repository.scope, { signal });
    });
  });
}

/** Where git keeps what is being pushed until a hook has let it through; only inside the repository's own objects. */
async function quarantine(objects: string, env: Environment): Promise<string[]> {
  const path = env['GIT_QUARANTINE_PATH'];
  if (path === undefined || path === '') return [];
  const real = await realpath(path).catch(() => '');
  return real.startsWith(`${await realpath(objects)}/`) ? [real] : [];
}

async function resolveIn(git: Git, name: string): Promise<string> {
  const output = await git
    .text(['rev-parse', '--verify', '--end-of-options', `${name}^{commit}`])
    .catch((error: unknown) => {
      throw noCommit(name, 'the repository', asGitFailure(error));
    });
  return output.trim();
}

/** E_USAGE. */
export function noCommit(name: string, where: string, cause: Error): OperatorError {
  return new OperatorError('E_USAGE', `${JSON.stringify(name)} is no commit of ${where}`, { cause });
}
