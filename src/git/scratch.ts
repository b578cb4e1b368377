import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OperatorError } from '../errors.ts';
import { createGit, type Git, type GitSettings } from './git.ts';

/** A repository whose objects are read, and that is left as it is. */
export interface Lender extends GitSettings {
  /** Its folders of objects. */
  readonly objects: readonly string[];
}

/**
 * An empty bare repository that sees the objects of another one, for as long as `use` runs. What is fetched and merged
 * there leaves the other as it is, and none of its config, hooks or drivers counts.
 */
export async function withScratch<T>(lender: Lender, use: (git: Git, dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'kvm-gitops-merge-'));
  try {
    const git = createGit({ ...lender, dir });
    await git.text(['init', '--bare', '--initial-branch=scratch']);
    await mkdir(join(dir, 'objects', 'info'), { recursive: true });
    await writeFile(
      join(dir, 'objects', 'info', 'alternates'),
      lender.objects.map((path) => `${path}\n`).join(''),
    );
    return await use(git, dir);
  } finally {
    // A fetch that was ended early may write a moment longer.
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Where the git folder of a clone, a work tree or a bare repository is. E_USAGE where there is none. */
export async function gitFolder(repository: string): Promise<string> {
  const inside = join(resolve(repository), '.git');
  const found = await stat(inside).catch(() => undefined);
  if (found?.isDirectory()) return inside;
  if (found?.isFile()) {
    // A linked work tree or a submodule: `gitdir: PATH`.
    const [, path] = /^gitdir: (.+)$/m.exec(await readFile(inside, 'utf8')) ?? [];
    if (path !== undefined) return resolve(repository, path);
  }
  if ((await stat(join(repository, 'HEAD')).catch(() => undefined)) !== undefined) return resolve(repository);
  throw new OperatorError('E_USAGE', `${repository} is no git repository`);
}
