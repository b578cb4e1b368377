import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished, vi } from 'vitest';
import { createMirror, type Mirror, type MirrorSettings } from '../../src/git/mirror.ts';

// Every test here starts dozens of processes, on whatever machine it is.
vi.setConfig({ testTimeout: 60_000 });

const ENV = {
  PATH: process.env.PATH,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

/** A folder that is gone after the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-git-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs git as a person would; standard output, trimmed. */
export function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', args, {
    cwd,
    env: ENV,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

/** The same, while this process goes on: a server in it can answer. */
export async function gitLater(cwd: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)('git', args, { cwd, env: ENV })).stdout.trim();
}

/** A bare remote on branch main, and a person's clone of it. */
export function createRemote(): RemoteFixture {
  const dir = tempDir();
  const bare = join(dir, 'infra.git');
  const work = join(dir, 'work');
  git(dir, 'init', '--quiet', '--bare', '--initial-branch=main', bare);
  git(dir, 'clone', '--quiet', bare, work);
  git(work, 'checkout', '--quiet', '-B', 'main');
  const write = (files: Readonly<Record<string, string | Buffer>>): void => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(work, path)), { recursive: true });
      writeFileSync(join(work, path), content);
    }
  };
  const push = (subject = 'change'): string => {
    git(work, 'add', '--all');
    git(work, 'commit', '--quiet', '--allow-empty', '--message', subject);
    git(work, 'push', '--quiet', '--force', 'origin', 'main');
    return git(work, 'rev-parse', 'HEAD');
  };
  const commit = (files: Readonly<Record<string, string | Buffer>>, subject?: string): string => {
    write(files);
    return push(subject);
  };
  return { dir, bare, work, write, push, commit };
}

export interface RemoteFixture {
  readonly dir: string;
  readonly bare: string;
  readonly work: string;
  write(files: Readonly<Record<string, string | Buffer>>): void;
  /** Commits all that is in the work tree and pushes; the commit's id. */
  push(subject?: string): string;
  commit(files: Readonly<Record<string, string | Buffer>>, subject?: string): string;
}

/** A mirror of `remote` in its own state folder. */
export function mirrorOf(
  remote: string,
  settings: Partial<MirrorSettings> = {},
): Mirror & { readonly dir: string } {
  const dir = settings.dir ?? join(tempDir(), 'git');
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  return { ...createMirror({ remote, branch: 'main', env, ...settings, dir }), dir };
}

/** A signal that nobody aborts. */
export const never: AbortSignal = new AbortController().signal;
