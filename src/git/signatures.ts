import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Revision } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import { type Environment, writeOwn } from './environment.ts';
import { asGitFailure } from './failures.ts';
import { createGit, type Git, GitFailure } from './git.ts';
import { type CommitTrust, countSigners, readKeyFile } from './key-files.ts';
import { countKeys, openKeyring } from './keyring.ts';
import { toRevision } from './revision.ts';

export interface VerifierSettings {
  readonly trust: CommitTrust;
  /** A folder of ours for keys and git's config. */
  readonly dir: string;
  /** The bare repository with the commits. */
  readonly repository: string;
  readonly env: Environment;
  readonly timeoutMs: number;
}

/** A commit, and the one that was in force before it. */
export interface Span {
  readonly sha: string;
  readonly from?: string;
}

/** Checks signatures of commits by the keys of operator.yaml and nothing else. */
export interface Verifier {
  /** What is wrong, in words for people; undefined: all are signed as they should be. */
  distrust(span: Span): Promise<string | undefined>;
  /** How many keys there are, by file. E_GIT_SIGNATURE where they or their programs cannot be used. */
  keys(): Promise<{ readonly allowedSigners?: number; readonly gpgKeys?: number }>;
}

interface Opened {
  readonly git: Git;
  /** Of what the key files hold now. */
  readonly hash: string;
  readonly home: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly signers: number;
}

const INHERITED = ['PATH', 'TMPDIR'] as const;
const BATCH = 200;
const SHOWN = 3;
/** A refused commit is met in every pass: its signatures are not counted anew each time. */
const REMEMBERED_MS = 60_000;
const FORMAT = '%H%x00%s%x00%an%x00%cI%x00%G?%x00%GK%x00';

export function createVerifier(settings: VerifierSettings): Verifier {
  let last: { readonly key: string; readonly atMs: number; readonly answer: string | undefined } | undefined;
  return {
    async distrust(span) {
      try {
        const opened = await openKeys(settings);
        const key = [span.from, span.sha, opened.hash].join(' ');
        if (last?.key !== key || performance.now() - last.atMs > REMEMBERED_MS) {
          const answer = await judge(opened.git, span, settings.trust);
          last = { key, atMs: performance.now(), answer };
        }
        return last.answer;
      } catch (error) {
        // Without keys nobody can be trusted, and what was trusted before stays in force.
        if (error instanceof OperatorError && error.code === 'E_GIT_SIGNATURE') return error.message;
        throw error;
      }
    },
    async keys() {
      const { home, variables, signers } = await openKeys(settings);
      const { allowedSigners, gpgKeys } = settings.trust;
      const gpg = { dir: folderOf(settings), env: variables };
      return {
        ...(allowedSigners !== undefined && { allowedSigners: signers }),
        ...(gpgKeys !== undefined && { gpgKeys: await countKeys(home, gpg) }),
      };
    },
  };
}

function folderOf({ dir }: VerifierSettings): string {
  return join(resolve(dir), 'trust');
}

/** Copies the keys as they are now to where git and gpg look for them, so that what was checked is what is used. */
async function openKeys(settings: VerifierSettings): Promise<Opened> {
  const { trust, env, repository, timeoutMs } = settings;
  const dir = folderOf(settings);
  const signers = trust.allowedSigners === undefined ? undefined : readKeyFile(trust.allowedSigners);
  const count = signers === undefined ? 0 : countSigners(trust.allowedSigners ?? '', signers.toString());
  const keys = trust.gpgKeys === undefined ? undefined : readKeyFile(trust.gpgKeys);
  const variables: Record<string, string> = { LC_ALL: 'C', HOME: dir };
  for (const name of INHERITED) {
    const value = env[name];
    if (value !== undefined) variables[name] = value;
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeOwn(join(dir, 'allowed_signers'), signers?.toString() ?? '');
  await writeOwn(join(dir, 'config'), gitConfig(dir));
  const keyHash = hashOf(keys);
  const home = await openKeyring({ dir, env: variables }, { hash: keyHash, ...(keys && { keys }) });
  const git = createGit({
    dir: repository,
    timeoutMs,
    environment: () => ({
      variables: {
        ...variables,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: join(dir, 'config'),
        GNUPGHOME: home,
      },
      secrets: [],
    }),
  });
  return { git, hash: `${hashOf(signers)} ${keyHash}`, home, variables, signers: count };
}

function hashOf(content: Buffer | undefined): string {
  return content === undefined ? 'none' : createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** X.509 is checked by nobody: `gpgsm` would ask the keyring of whoever runs the operator. */
function gitConfig(dir: string): string {
  return `[gpg "ssh"]\n\tallowedSignersFile = ${JSON.stringify(join(dir, 'allowed_signers'))}\n[gpg "x509"]\n\tprogram = false\n`;
}

async function judge(git: Git, span: Span, trust: CommitTrust): Promise<string | undefined> {
  const bad: string[] = [];
  const commits = await commitsOf(git, span, trust);
  for (let start = 0; start < commits.length; start += BATCH)
    for (const { revision, status, key } of await verify(git, commits.slice(start, start + BATCH)))
      if (status !== 'G')
        bad.push(
          `${revision.sha.slice(0, 12)} "${revision.subject}" by ${revision.author} ${reasonOf(status, key)}`,
        );
  if (bad.length === 0) return undefined;
  const more = bad.length > SHOWN ? `; and ${bad.length - SHOWN} more` : '';
  return `git.verify trusts ${trust.require === 'every' ? 'no commit' : 'no newest commit'} like this: ${bad.slice(0, SHOWN).join('; ')}${more}`;
}

/** Merges and what they bring are among them. What was in force and is not to be had any more bounds nothing. */
async function commitsOf(
  git: Git,
  { sha, from }: Span,
  { require }: CommitTrust,
): Promise<readonly string[]> {
  if (require === 'head' || from === undefined) return [sha];
  try {
    const output = await git.text(['rev-list', sha, `^${from}`, '--']);
    const commits = output.split('\n').filter((line) => line !== '');
    return commits.includes(sha) ? commits : [sha, ...commits];
  } catch (error) {
    if (asGitFailure(error).kind === 'exit') return [sha];
    throw error;
  }
}

interface Verified {
  readonly revision: Revision;
  /** As `git log` has it under `%G?`. */
  readonly status: string;
  readonly key: string;
}

async function verify(git: Git, commits: readonly string[]): Promise<readonly Verified[]> {
  const args = ['log', '--no-walk=unsorted', '--no-notes', '--stdin', `--format=${FORMAT}`];
  const output = await git.text(args, { input: commits.map((sha) => `${sha}\n`).join('') });
  const records = output.split('\0\n').filter((record) => record !== '');
  const found = records.map((record): Verified => {
    const [sha, subject, author, date, status = '', key = ''] = record.split('\0');
    return { revision: toRevision([sha, subject, author, date]), status, key };
  });
  const isComplete = found.every(({ revision }, index) => revision.sha === commits[index]);
  if (!isComplete || found.length !== commits.length)
    throw new GitFailure('corrupt', 'log', 'not every commit was told of');
  return found;
}

function reasonOf(status: string, key: string): string {
  const by = key === '' ? '' : ` (${key})`;
  switch (status) {
    case 'B':
      return 'has a signature that does not hold';
    case 'U':
    case 'E':
      return `is signed by a key that is not among ours, or was not at its time${by}`;
    case 'X':
      return `has a signature that has expired${by}`;
    case 'Y':
      return `is signed by a key that has expired${by}`;
    case 'R':
      return `is signed by a key that was revoked${by}`;
    default:
      return 'is not signed';
  }
}
