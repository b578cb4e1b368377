import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommitTrust } from '../../src/git/key-files.ts';
import { createVerifier } from '../../src/git/signatures.ts';
import { createRemote, git, mirrorOf, never, type RemoteFixture, tempDir } from './fixture.ts';
import { commit, createSshSigner, GpgSigner, push, writeSigners } from './signing.ts';

const UNSIGNED = /is not signed$/;

/** Puts another text of the newest commit in its place, whatever that does to its signature. */
function forge({ work }: RemoteFixture, change: (text: string) => string): string {
  const forged = execFileSync('git', ['hash-object', '-t', 'commit', '-w', '--stdin'], {
    cwd: work,
    input: `${change(git(work, 'cat-file', 'commit', 'HEAD'))}\n`,
    encoding: 'utf8',
  }).trim();
  git(work, 'reset', '--quiet', '--hard', forged);
  return forged;
}

const malformed = (text: string) => text.replace(/^committer .*$/m, '$&\ngpgsig @everyone');

/** Ada may sign; somebody else signs too. */
function sshSite(require: CommitTrust['require'] = 'every') {
  const remote = createRemote();
  const ada = createSshSigner(remote.dir, 'ada');
  const other = createSshSigner(remote.dir, 'other');
  const allowedSigners = writeSigners(join(remote.dir, 'allowed'), `ada@example.org ${ada.publicKey}`);
  const mirror = mirrorOf(remote.bare, { trust: { allowedSigners, require } });
  const judge = async (sha: string, from?: string) => {
    push(remote);
    await mirror.fetch(never);
    return mirror.distrust(sha, from);
  };
  return { remote, ada, other, allowedSigners, mirror, judge };
}

describe('a commit by SSH', () => {
  it('of a signer that is allowed is trusted', async () => {
    const { remote, ada, judge } = sshSite();
    expect(await judge(commit(remote, 'good', ada.options))).toBeUndefined();
  });

  it('is refused unsigned, by another key, and when its text was changed after', async () => {
    const { remote, ada, other, judge } = sshSite();
    expect(await judge(commit(remote, 'bare'))).toMatch(/[0-9a-f]{12} "bare" by Ada is not signed$/);
    expect(await judge(commit(remote, 'foreign', other.options))).toMatch(
      /"foreign" by Ada is signed by a key that is not among ours.* \(SHA256:/,
    );
    commit(remote, 'good', ada.options);
    const forged = forge(remote, (text) => text.replace(/\ngood$/, '\nevil'));
    expect(await judge(forged)).toMatch(/"evil" by Ada has a signature that does not hold$/);
  });

  it.each([
    ['for another purpose', 'namespaces="file"', '"any" by Ada has a signature that does not hold'],
    ['before its time', 'valid-after="20990101"', 'or was not at its time'],
    ['after its time', 'valid-before="20200101"', 'or was not at its time'],
    ['in its time, for git', 'namespaces="git",valid-after="20200101"', 'trusted'],
  ])('of a signer %s', async (_, options, reason) => {
    const { remote, ada, allowedSigners, judge } = sshSite();
    writeSigners(allowedSigners, `ada@example.org ${options} ${ada.publicKey}`);
    const distrust = await judge(commit(remote, 'any', ada.options));
    expect(distrust ?? 'trusted').toContain(reason);
  });

  it('is judged by the keys as they are now', async () => {
    const { remote, ada, other, allowedSigners, mirror, judge } = sshSite();
    const sha = commit(remote, 'rotated', other.options);
    expect(await judge(sha)).toContain('not among ours');
    writeSigners(allowedSigners, `ada@example.org ${ada.publicKey}`, `ben@example.org ${other.publicKey}`);
    expect(await mirror.distrust(sha)).toBeUndefined();
    writeSigners(allowedSigners, `ada@example.org ${ada.publicKey}`);
    expect(await mirror.distrust(sha)).toContain('not among ours');
  });

  it.each([
    { name: 'is missing', spoil: (path: string) => rmSync(path), says: 'cannot be read: ENOENT' },
    {
      name: 'can be written by others',
      spoil: (path: string) => chmodSync(path, 0o666),
      says: 'can be written by others: chmod go-w',
    },
    {
      name: 'has a line that is none',
      spoil: (path: string) => writeSigners(path, '# ours', 'ada@example.org AAAA'),
      says: 'allowed:2: expected PRINCIPALS',
    },
    { name: 'is empty', spoil: (path: string) => writeSigners(path, '# none'), says: 'has no key in it' },
  ])('is refused while the file of signers $name', async ({ spoil, says }) => {
    const { remote, ada, allowedSigners, mirror, judge } = sshSite();
    spoil(allowedSigners);
    expect(await judge(commit(remote, 'good', ada.options))).toContain(says);
    await expect(mirror.trustedKeys()).rejects.toMatchObject({ code: 'E_GIT_SIGNATURE' });
  });

  it('takes no setting of the repository', async () => {
    const { remote, other, mirror, judge } = sshSite();
    const sha = commit(remote, 'foreign', other.options);
    const trap = join(remote.dir, 'trap');
    writeFileSync(trap, `#!/bin/sh\ntouch ${trap}.ran\nexit 0\n`, { mode: 0o755 });
    for (const key of ['gpg.program', 'gpg.ssh.program', 'gpg.x509.program'])
      git(remote.bare, 'config', key, trap);
    const theirs = writeSigners(join(remote.dir, 'theirs'), `x@example.org ${other.publicKey}`);
    git(remote.bare, 'config', 'gpg.ssh.allowedSignersFile', theirs);
    expect(await judge(sha)).toContain('not among ours');
    expect(await mirror.distrust(sha)).toContain('not among ours');
    expect(readdirSync(remote.dir)).not.toContain('trap.ran');
  });
});

describe('what cannot be checked', () => {
  it('is refused where a header for the signature has something else in it, which is not repeated', async () => {
    const { remote, ada, mirror, judge } = sshSite();
    const from = commit(remote, 'base', ada.options);
    commit(remote, 'garbage');
    const garbage = forge(remote, malformed);
    const answer = await judge(garbage, from);
    expect(answer).toMatch(/"garbage" by Ada has a malformed signature$/);
    expect(answer).not.toContain('everyone');
    commit(remote, 'bare');
    expect(await judge(commit(remote, 'top', ada.options), from)).toMatch(
      /like this \(find out who made it before you sign it\): [0-9a-f]{12} "bare" by Ada is not signed; [0-9a-f]{12} "garbage" by Ada has a malformed/,
    );
    expect(await mirror.distrust(from)).toBeUndefined();
  });

  it('is refused as long as no key can be put where git looks for it', async () => {
    const { remote, ada, mirror, judge } = sshSite();
    const sha = commit(remote, 'good', ada.options);
    push(remote);
    await mirror.fetch(never);
    writeFileSync(join(mirror.dir, 'trust'), '');
    expect(await judge(sha)).toMatch(/^the signatures cannot be checked: E[A-Z]+/);
    rmSync(join(mirror.dir, 'trust'));
    expect(await mirror.distrust(sha)).toBeUndefined();
  });

  it('is refused where git takes too long; a pass that is told to stop has no answer', async () => {
    const { remote, ada, allowedSigners } = sshSite();
    const sha = commit(remote, 'good', ada.options);
    const verifier = createVerifier({
      trust: { allowedSigners, require: 'every' },
      dir: tempDir(),
      repository: join(remote.work, '.git'),
      env: { PATH: process.env['PATH'] },
      timeoutMs: 1,
    });
    expect(await verifier.distrust({ sha })).toMatch(/^the signatures cannot be checked: .*within 0.001 s/);
    await expect(verifier.distrust({ sha }, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});

describe('a range of commits', () => {
  it.each([
    { require: 'head', whom: 'vouched for by the newest alone', answer: /^trusted$/ },
    { require: 'every', whom: 'refused for each that is not signed', answer: UNSIGNED },
  ] as const)('with require: $require is $whom', async ({ require, answer }) => {
    const { remote, ada, judge } = sshSite(require);
    const from = commit(remote, 'base', ada.options);
    commit(remote, 'hidden');
    expect((await judge(commit(remote, 'top', ada.options), from)) ?? 'trusted').toMatch(answer);
  });

  it('is not looked at before the commit that was in force, nor at the first start', async () => {
    const { remote, ada, judge } = sshSite();
    const from = commit(remote, 'from before');
    const sha = commit(remote, 'top', ada.options);
    expect(await judge(sha, from)).toBeUndefined();
    expect(await judge(sha)).toBeUndefined();
  });

  it('has the sides of its merges in it', async () => {
    const { remote, ada, judge } = sshSite();
    const from = commit(remote, 'base', ada.options);
    git(remote.work, 'checkout', '--quiet', '-b', 'side');
    commit(remote, 'on the side');
    git(remote.work, 'checkout', '--quiet', 'main');
    commit(remote, 'on main', ada.options);
    git(remote.work, ...ada.options, 'merge', '--quiet', '--no-ff', '-S', '-m', 'merge', 'side');
    expect(await judge(git(remote.work, 'rev-parse', 'HEAD'), from)).toMatch(
      /"on the side" by Ada is not signed$/,
    );
  });

  it('still has its newest commit checked where the branch goes back', async () => {
    const { remote, ada, mirror, judge } = sshSite();
    const old = commit(remote, 'old');
    const from = commit(remote, 'top', ada.options);
    expect(await judge(from)).toBeUndefined();
    expect(await mirror.distrust(old, from)).toMatch(UNSIGNED);
  });

  it('names three of many, and how many more', async () => {
    const { remote, ada, judge } = sshSite();
    const from = commit(remote, 'base', ada.options);
    for (let i = 0; i < 5; i++) commit(remote, `c${i}`);
    expect(await judge(commit(remote, 'top', ada.options), from)).toMatch(/"c4".*"c3".*"c2".*; and 2 more$/);
  });

  it('never lets a commit through that is unsigned or foreign, wherever it hides', async () => {
    const { remote, ada, other, mirror } = sshSite();
    const base = commit(remote, 'base', ada.options);
    const by = { ada: ada.options, other: other.options, nobody: [] };
    const kinds = fc.array(fc.constantFrom('ada', 'ada', 'ada', 'other', 'nobody'), {
      minLength: 1,
      maxLength: 5,
    });
    const merge = fc.boolean();
    await fc.assert(
      fc.asyncProperty(kinds, merge, async (signers, isMerge) => {
        git(remote.work, 'checkout', '--quiet', '-B', 'try', base);
        signers.forEach((who, index) => commit(remote, `${who} ${index}`, by[who]));
        if (isMerge) {
          git(remote.work, 'checkout', '--quiet', '-B', 'onto', base);
          git(remote.work, ...ada.options, 'merge', '--quiet', '--no-ff', '-S', '-m', 'merge', 'try');
        }
        push(remote);
        const { revision } = await mirror.fetch(never);
        const answer = await mirror.distrust(revision.sha, base);
        expect(answer === undefined).toBe(signers.every((who) => who === 'ada'));
      }),
      { numRuns: 6 },
    );
  });
});

describe('a commit by OpenPGP', () => {
  it('is trusted by an exported key, and by no key of whoever runs the operator', async () => {
    const remote = createRemote();
    const ada = new GpgSigner(remote.dir);
    const gpgKeys = ada.export(join(remote.dir, 'keys.asc'));
    const sha = ada.commit(remote, 'good');
    push(remote);
    const env = { PATH: process.env['PATH'], GNUPGHOME: join(remote.dir, 'g'), HOME: remote.dir };
    const mirror = mirrorOf(remote.bare, { env, trust: { gpgKeys, require: 'every' } });
    await mirror.fetch(never);
    expect(await mirror.distrust(sha)).toBeUndefined();
    expect(await mirror.trustedKeys()).toEqual({ gpgKeys: 1 });

    const signer = createSshSigner(remote.dir, 'ssh');
    const allowedSigners = writeSigners(join(remote.dir, 'allowed'), `a@b ${signer.publicKey}`);
    const sshOnly = mirrorOf(remote.bare, { env, trust: { allowedSigners, require: 'every' } });
    await sshOnly.fetch(never);
    expect(await sshOnly.distrust(sha)).toMatch(/is signed by a key that is not among ours/);
  });

  it('follows a key file that is rotated', async () => {
    const remote = createRemote();
    const [ada, ben] = [new GpgSigner(tempDir()), new GpgSigner(tempDir())];
    const gpgKeys = ada.export(join(remote.dir, 'keys.asc'));
    const sha = ben.commit(remote, 'by Ben');
    push(remote);
    const mirror = mirrorOf(remote.bare, { trust: { gpgKeys, require: 'head' } });
    await mirror.fetch(never);
    expect(await mirror.distrust(sha)).toContain('not among ours');
    ben.export(gpgKeys);
    expect(await mirror.distrust(sha)).toBeUndefined();
    ada.export(gpgKeys);
    expect(await mirror.distrust(sha)).toContain('not among ours');
  });

  it('is refused once its key has expired', async () => {
    const remote = createRemote();
    const ada = new GpgSigner(remote.dir, 'seconds=2');
    const gpgKeys = ada.export(join(remote.dir, 'keys.asc'));
    const sha = ada.commit(remote, 'in time');
    const expired = Date.now() + 3000;
    push(remote);
    const mirror = mirrorOf(remote.bare, { trust: { gpgKeys, require: 'head' } });
    await mirror.fetch(never);
    await expect.poll(() => Date.now(), { timeout: 10_000 }).toBeGreaterThan(expired);
    expect(await mirror.distrust(sha)).toMatch(/is signed by a key that has expired/);
  });

  it.each([
    ['no key', (path: string) => writeFileSync(path, 'hello\n', { mode: 0o644 }), 'git.verify.gpgKeys: '],
    [
      'a secret key',
      (path: string, ada: GpgSigner) => void ada.export(path, '--export-secret-keys'),
      'there is a secret key in it',
    ],
  ])('is refused while the file has %s in it', async (_, spoil, says) => {
    const remote = createRemote();
    const ada = new GpgSigner(remote.dir);
    const gpgKeys = join(remote.dir, 'keys.asc');
    spoil(gpgKeys, ada);
    const sha = ada.commit(remote, 'good');
    push(remote);
    const mirror = mirrorOf(remote.bare, { trust: { gpgKeys, require: 'head' } });
    await mirror.fetch(never);
    expect(await mirror.distrust(sha)).toContain(says);
  });
});
