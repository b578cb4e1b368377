import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { git, type RemoteFixture } from './fixture.ts';

/** Somebody who signs commits by SSH. */
export interface SshSigner {
  /** For git, before the command. */
  readonly options: readonly string[];
  /** `ssh-ed25519 AAAA...` */
  readonly publicKey: string;
}

export function createSshSigner(dir: string, name: string): SshSigner {
  const key = join(dir, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', key]);
  const [type, body] = readFileSync(`${key}.pub`, 'utf8').split(' ');
  return {
    options: ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`, '-c', 'commit.gpgsign=true'],
    publicKey: `${type} ${body}`,
  };
}

/** A file of allowed signers, mode 0644. */
export function writeSigners(path: string, ...lines: readonly string[]): string {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''), { mode: 0o644 });
  return path;
}

/** Commits, signed or not, at the tip of the work tree; the commit's id. Nothing is pushed. */
export function commit({ work }: RemoteFixture, subject: string, options: readonly string[] = []): string {
  git(work, ...options, 'commit', '--quiet', '--allow-empty', '--message', subject);
  return git(work, 'rev-parse', 'HEAD');
}

export function push({ work }: RemoteFixture): void {
  git(work, 'push', '--quiet', '--force', 'origin', 'HEAD:main');
}

/** A home of gpg with a key in it, whose agent ends with the test. */
export class GpgSigner {
  readonly options = ['-c', 'commit.gpgsign=true', '-c', 'user.signingkey=ada@example.org'];
  readonly #home: string;

  constructor(dir: string, expires = 'never') {
    // The agent's socket has to fit into 108 characters.
    this.#home = join(dir, 'g');
    mkdirSync(this.#home, { mode: 0o700 });
    onTestFinished(() => void this.#run('gpgconf', '--kill', 'all'));
    const made = ['--quick-gen-key', 'Ada <ada@example.org>', 'ed25519', 'sign', expires];
    this.#run('gpg', '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...made);
  }

  commit({ work }: RemoteFixture, subject: string): string {
    this.#run('git', '-C', work, ...this.options, 'commit', '--quiet', '--allow-empty', '--message', subject);
    return git(work, 'rev-parse', 'HEAD');
  }

  export(path: string, kind: '--export' | '--export-secret-keys' = '--export'): string {
    const secret = ['--pinentry-mode', 'loopback', '--passphrase', ''];
    writeFileSync(path, this.#run('gpg', '--batch', ...secret, '--armor', kind), { mode: 0o644 });
    return path;
  }

  #run(program: string, ...args: readonly string[]): string {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        GNUPGHOME: this.#home,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_AUTHOR_NAME: 'Ada',
        GIT_AUTHOR_EMAIL: 'ada@example.org',
        GIT_COMMITTER_NAME: 'Ada',
        GIT_COMMITTER_EMAIL: 'ada@example.org',
      },
    });
  }
}
