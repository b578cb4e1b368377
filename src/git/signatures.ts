import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OperatorError } from '../errors.ts';
import { type Environment, writeOwn } from './environment.ts';
import { ownWords } from './failures.ts';
import { createGit, type Git, GitFailure } from './git.ts';
import { judgeCommits, type Span } from './judge-commits.ts';
import { type CommitTrust, countSigners, readKeyFile } from './key-files.ts';
import { countKeys, openKeyring } from './keyring.ts';

export interface VerifierSettings {
  readonly trust: CommitTrust;
  /** A folder of ours for keys and git's config. */
  readonly dir: string;
  /** The bare repository with the commits. */
  readonly repository: string;
  readonly env: Environment;
  readonly timeoutMs: number;
}

/** Checks signatures of commits by the keys of operator.yaml and nothing else. */
export interface Verifier {
  /** What is wrong, in words for people; undefined: all are signed as they should be. What cannot be checked is wrong. */
  distrust(span: Span, signal?: AbortSignal): Promise<string | undefined>;
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
/** A refused commit is met in every pass: its signatures are not counted anew each time. */
const REMEMBERED_MS = 60_000;

export function createVerifier(settings: VerifierSettings): Verifier {
  let last: { readonly key: string; readonly atMs: number; readonly answer: string | undefined } | undefined;
  return {
    async distrust(span, signal) {
      try {
        const opened = await openKeys(settings);
        const key = [span.from, span.sha, opened.hash].join(' ');
        if (last?.key !== key || performance.now() - last.atMs > REMEMBERED_MS) {
          const answer = await judgeCommits(opened.git, span, { require: settings.trust.require, signal });
          last = { key, atMs: performance.now(), answer };
        }
        return last.answer;
      } catch (error) {
        signal?.throwIfAborted();
        return whyUnchecked(error);
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

/** What cannot be checked is trusted by nobody, and what was trusted before stays in force. A bug goes on. */
function whyUnchecked(error: unknown): string {
  if (error instanceof OperatorError && error.code === 'E_GIT_SIGNATURE') return error.message;
  if (error instanceof GitFailure) return `the signatures cannot be checked: ${ownWords(error)}`;
  if (error instanceof Error && 'syscall' in error)
    return `the signatures cannot be checked: ${error.message}`;
  throw error;
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
