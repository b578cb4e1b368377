import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './command.ts';

const TEMPLATE = fileURLToPath(new URL('../../manifests-repo-template', import.meta.url));
const NOTES_REF = 'refs/notes/kvm-gitops';

/** The line for programs that a note ends with. */
export interface NoteSummary {
  readonly v: 1;
  readonly commit: string;
  readonly status: 'applied' | 'partial' | 'refused' | 'superseded' | 'failed';
  readonly passes: number;
  readonly done: Readonly<Partial<Record<string, number>>>;
  readonly failed: number;
  readonly held: number;
  readonly issues: number;
  readonly pendingRestart: number;
  readonly unknownHosts: readonly string[];
  readonly confirmation?: string;
  readonly supersededBy?: string;
  readonly inForce?: string;
}

export interface CommitNote {
  readonly text: string;
  readonly summary: NoteSummary;
}

/** A bare repository, as a forge has it, and the clone of somebody who commits and pushes. */
export interface ManifestsRemote {
  readonly path: string;
  /** Work tree of the clone. */
  readonly clone: string;
  read(file: string): string;
  write(file: string, content: string): void;
  /** Replaces a piece of a file; throws where it is not there. */
  replace(file: string, piece: string, by: string): void;
  remove(file: string): void;
  /** Commits all that was changed and pushes it; returns the commit's id. */
  push(message: string): Promise<string>;
  /** Commits without pushing. */
  commit(message: string): Promise<string>;
  /** Commits and pushes the opposite of a commit. */
  revert(sha: string): Promise<string>;
  /** The note of a commit as the remote has it. */
  note(sha: string): Promise<CommitNote | undefined>;
  /** Every commit of the branch, oldest first. */
  commits(): Promise<readonly string[]>;
  /** What a person sees: `git log --notes=kvm-gitops` in the clone, with the notes fetched. */
  log(): Promise<string>;
  /** From now on the remote takes commits and refuses notes, or takes both again. */
  setNotesRefused(refused: boolean): Promise<void>;
}

/** Makes both in a folder, with `manifests-repo-template` in the clone and nothing committed yet. */
export async function createManifestsRemote(dir: string): Promise<ManifestsRemote> {
  const path = join(dir, 'manifests.git');
  const clone = join(dir, 'manifests');
  const git = (...args: readonly string[]) => run(['git', '-C', clone, ...args]);
  await run(['git', 'init', '--quiet', '--bare', '--initial-branch=main', path]);
  await run(['git', 'init', '--quiet', '--initial-branch=main', clone]);
  cpSync(TEMPLATE, clone, { recursive: true });
  await git('config', 'user.name', 'Ada');
  await git('config', 'user.email', 'ada@example.invalid');
  await git('remote', 'add', 'origin', path);

  const write = (file: string, content: string) => {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    writeFileSync(join(clone, file), content);
  };
  const read = (file: string) => readFileSync(join(clone, file), 'utf8');
  const head = async () => (await git('rev-parse', 'HEAD')).trim();
  const commit = async (message: string) => {
    await git('add', '--all');
    await git('commit', '--quiet', '--message', message);
    return head();
  };
  const pushed = async (sha: string) => {
    await git('push', '--quiet', 'origin', 'main');
    return sha;
  };
  return {
    path,
    clone,
    read,
    write,
    replace(file, piece, by) {
      const content = read(file);
      if (!content.includes(piece)) throw new Error(`${file} has no ${JSON.stringify(piece)}`);
      write(file, content.replace(piece, by));
    },
    remove: (file) => rmSync(join(clone, file), { recursive: true }),
    commit,
    push: async (message) => pushed(await commit(message)),
    async revert(sha) {
      await git('revert', '--no-edit', sha);
      return pushed(await head());
    },
    note: (sha) => readNote(path, sha),
    commits: async () =>
      (await run(['git', '-C', path, 'log', '--reverse', '--format=%H', 'main'])).trim().split('\n'),
    async log() {
      await git('fetch', '--quiet', 'origin', `+${NOTES_REF}:${NOTES_REF}`);
      return git('log', '--notes=kvm-gitops', 'origin/main');
    },
    async setNotesRefused(refused) {
      // A hook would not do: the operator runs none of a local remote.
      const setting = ['receive.hideRefs', ...(refused ? ['refs/notes'] : [])];
      await run(['git', '-C', path, 'config', ...(refused ? [] : ['--unset']), ...setting]);
    },
  };
}

async function readNote(path: string, sha: string): Promise<CommitNote | undefined> {
  let text: string;
  try {
    text = await run(['git', '-C', path, 'notes', `--ref=${NOTES_REF}`, 'show', sha]);
  } catch (error) {
    if (String(error).includes('no note found')) return undefined;
    throw error;
  }
  return { text, summary: JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') };
}
