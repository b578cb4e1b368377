import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/hosts/known-hosts.ts';
import { connectSsh } from '../../src/hosts/ssh.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';
import { hasSshd, makeKey, publicKey, type Sshd, startSshd } from './sshd.ts';

const printOf = (key: string) => fingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64'));

const hash = (file: string) => void execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });

describe.skipIf(!hasSshd)('host keys of a real sshd', () => {
  let sshd: Sshd;
  let rsaOnly: Sshd;
  let other: string;
  beforeAll(async () => {
    [sshd, rsaOnly] = await Promise.all([
      startSshd({ hostKeyTypes: ['ed25519', 'ecdsa', 'rsa'] }),
      startSshd({ hostKeyTypes: ['rsa'] }),
    ]);
    other = publicKey(`${makeKey(join(sshd.dir, 'other'), 'ed25519')}.pub`);
  });
  afterAll(() => Promise.all([sshd.stop(), rsaOnly.stop()]));

  const name = () => `[127.0.0.1]:${sshd.port}`;
  const hostKey = (type: string) => sshd.hostKeys.find((key) => key.startsWith(type)) ?? '';

  function known(lines: readonly string[], command?: (file: string) => void): string {
    const file = join(sshd.dir, 'known');
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    command?.(file);
    return file;
  }
  async function accepts(changes: Partial<SshTarget>): Promise<boolean> {
    const ssh = await connectSsh({ ...sshd.target, ...changes });
    ssh.close();
    await ssh.closed;
    return true;
  }

  it.each(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'])(
    'accepts the server when only its %s key is known',
    async (type) => {
      expect(await accepts({ knownHosts: known([`${name()} ${hostKey(type)}`]) })).toBe(true);
    },
  );

  it('accepts a hashed entry', async () => {
    expect(await accepts({ knownHosts: known([`${name()} ${hostKey('ssh-ed25519')}`], hash) })).toBe(true);
  });

  it('accepts what the command in the error adds', async () => {
    const knownHosts = known([]);
    const error: unknown = await accepts({ knownHosts }).catch((caught: unknown) => caught);
    const command = /add it: (ssh-keyscan .*)$/.exec(error instanceof Error ? error.message : '')?.[1];
    execFileSync('sh', ['-c', command ?? 'false'], { stdio: 'ignore' });
    expect(await accepts({ knownHosts })).toBe(true);
  });

  it('refuses an unknown key and says which, where and how to add it', async () => {
    const knownHosts = known([`[127.0.0.1]:${sshd.port + 1} ${hostKey('ssh-ed25519')}`]);
    await expect(accepts({ knownHosts })).rejects.toMatchObject({
      code: 'E_SSH_HOST_KEY',
      message: expect.stringMatching(
        /^host 't01': 127\.0\.0\.1:\d+ offered the key ssh-ed25519 SHA256:\S+, which is unknown/,
      ),
      context: { host: 't01', knownHosts, fingerprint: printOf(hostKey('ssh-ed25519')) },
    });
    await expect(accepts({ knownHosts })).rejects.toThrow(
      `ssh-keyscan -p ${sshd.port} 127.0.0.1 >> ${knownHosts}`,
    );
  });

  it('takes a known_hosts file that is not there for an empty one', async () => {
    const knownHosts = join(sshd.dir, 'nowhere');
    await expect(accepts({ knownHosts })).rejects.toThrow(`${knownHosts} has no key for ${name()}`);
  });

  it('reports a known_hosts file that cannot be read', async () => {
    await expect(accepts({ knownHosts: sshd.dir })).rejects.toMatchObject({
      code: 'E_SSH_HOST_KEY',
      message: expect.stringContaining(`${sshd.dir} cannot be read`),
    });
  });

  it('refuses a changed key with both fingerprints and the line of the old one', async () => {
    const knownHosts = known(['# lab', `${name()} ${other}`]);
    const error: unknown = await accepts({ knownHosts }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'E_SSH_HOST_KEY', message: expect.stringContaining('HAS CHANGED') });
    expect(error).toMatchObject({ message: expect.stringContaining(printOf(hostKey('ssh-ed25519'))) });
    expect(error).toMatchObject({ message: expect.stringContaining(`${printOf(other)} (line 2)`) });
    expect(error).toMatchObject({
      message: expect.stringContaining(`ssh-keygen -R '${name()}' -f ${knownHosts}`),
    });
  });

  it('refuses a key of another type than the known one as changed', async () => {
    const knownHosts = known([`[127.0.0.1]:${rsaOnly.port} ${other}`]);
    await expect(accepts({ port: rsaOnly.port, knownHosts })).rejects.toMatchObject({
      code: 'E_SSH_HOST_KEY',
      message: expect.stringMatching(
        /offered the key ssh-rsa SHA256:\S+, but .* knows ssh-ed25519 .*HAS CHANGED/,
      ),
    });
  });

  it('refuses a revoked key even when it is also known', async () => {
    const key = hostKey('ssh-ed25519');
    const knownHosts = known([`${name()} ${key}`, `@revoked * ${key}`]);
    await expect(accepts({ knownHosts })).rejects.toMatchObject({
      code: 'E_SSH_HOST_KEY',
      message: expect.stringContaining(`which ${knownHosts}:2 revokes`),
    });
  });

  it('says that certificate authorities are not supported, and which lines it could not read', async () => {
    const knownHosts = known([`@cert-authority * ${other}`, 'broken']);
    const error: unknown = await accepts({ knownHosts }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: expect.stringContaining(`${knownHosts}:1 is a @cert-authority`) });
    expect(error).toMatchObject({ message: expect.stringContaining(`${knownHosts}:2 cannot be read`) });
  });

  describe('behind a jump host', () => {
    it('pins the key of the jump host as well', async () => {
      const jump = { ...sshd.target, name: 'bastion', knownHosts: known([]) };
      await expect(accepts({ ...rsaOnly.target, jump })).rejects.toMatchObject({
        code: 'E_SSH_HOST_KEY',
        message: expect.stringContaining(`host 'bastion': 127.0.0.1:${sshd.port} offered`),
      });
    });

    it('pins the key of the host, and scans it from the jump host', async () => {
      const target = { ...rsaOnly.target, knownHosts: known([]) };
      await expect(accepts({ ...target, jump: sshd.target })).rejects.toMatchObject({
        code: 'E_SSH_HOST_KEY',
        message: expect.stringContaining(
          `ssh -p ${sshd.port} ${sshd.target.user}@127.0.0.1 ssh-keyscan -p ${rsaOnly.port} 127.0.0.1 >> `,
        ),
      });
    });

    it('connects when both are known', async () => {
      expect(await accepts({ ...rsaOnly.target, jump: sshd.target })).toBe(true);
    });
  });
});
