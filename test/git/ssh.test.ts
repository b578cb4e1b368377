import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sshCommand } from '../../src/git/environment.ts';
import { createRemote, mirrorOf, never, tempDir } from './fixture.ts';

describe('sshCommand', () => {
  it.each(["it's a key", 'with space', '100%h', '$(touch x)', '`x`', 'a;b&c|d', 'ä'])(
    'hands a path with %j through the shell and to ssh unchanged',
    (name) => {
      const dir = tempDir();
      const key = join(dir, name);
      const command = `${sshCommand({ sshKeyFile: key, knownHostsFile: `${key}.hosts` })} -G localhost`;
      const seen = execFileSync('sh', ['-c', command], {
        encoding: 'utf8',
        cwd: dir,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { PATH: process.env.PATH, HOME: dir },
      });
      expect(seen).toContain(`identityfile ${key.replaceAll('%', '%%')}\n`);
      expect(seen).toContain('stricthostkeychecking true\n');
      expect(seen).toContain('batchmode yes\n');
      expect(seen).toContain('identitiesonly yes\n');
    },
  );

  it.each(['a"b', 'a\\b', 'a\nb'])('refuses a path with %j', (name) => {
    expect(() => sshCommand({ sshKeyFile: `/x/${name}` })).toThrow(/no quote/);
  });
});

describe('a remote over ssh', () => {
  it('is read through the ssh program', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const PATH = pathWith('for last; do :; done; exec sh -c "$last"');
    const mirror = mirrorOf(`git@git.example.org:${remote.bare}`, { env: { PATH } });
    expect((await mirror.fetch(never)).revision.sha).toBe(sha);
  });

  it.each([
    ['Host key verification failed.', /Host key verification failed.*add it to \/pins/],
    ['git@h: Permission denied (publickey).', /Permission denied.*Check the key or the token/],
    ['ERROR: Repository not found.', /Repository not found.*Check the address/],
    ['ssh: Could not resolve hostname h: Name or service not known', /Could not resolve.*tried again/],
  ])('tells %j from other trouble', async (words, advice) => {
    const PATH = pathWith(`echo '${words}' >&2; exit 255`);
    const settings = { env: { PATH }, credentials: { knownHostsFile: '/pins' } };
    await expect(mirrorOf('git@h:x.git', settings).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringMatching(advice),
    });
  });

  it('is given up at its deadline, also where ssh does not let go', async () => {
    const ended = join(tempDir(), 'ended');
    const PATH = pathWith(`trap '' INT TERM; sleep 30; : >'${ended}'`);
    await expect(mirrorOf('git@h:x.git', { env: { PATH }, timeoutMs: 300 }).fetch(never)).rejects.toThrow(
      /no answer within/,
    );
    expect(existsSync(ended)).toBe(false);
  });
});

/** A program named ssh, first on PATH, in place of a server. */
function pathWith(script: string): string {
  const bin = join(tempDir(), 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'ssh'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, 'ssh'), 0o755);
  return `${bin}:${process.env.PATH}`;
}
