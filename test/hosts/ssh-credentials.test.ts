import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectSsh } from '../../src/hosts/ssh.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';
import { endChild, hasSshd, makeKey, type Sshd, startSshd } from './sshd.ts';

describe.skipIf(!hasSshd)('SSH authentication against a real sshd', () => {
  let sshd: Sshd;
  const file = (name: string) => join(sshd.dir, name);
  const addToAgent = (name: string) =>
    execFileSync('ssh-add', ['-q', file(name)], { env: { ...process.env, SSH_AUTH_SOCK: file('agent') } });
  beforeAll(async () => {
    sshd = await startSshd();
    makeKey(file('stranger'), 'ed25519');
    for (const [name, type] of [
      ['locked', 'ed25519'],
      ['rsa', 'rsa'],
    ] as const) {
      makeKey(file(name), type, name === 'locked' ? 'open sesame' : '');
      writeFileSync(file('authorized_keys'), readFileSync(file(`${name}.pub`)), { flag: 'a' });
    }
    writeFileSync(file('passphrase'), 'open sesame\n', { mode: 0o600 });
    writeFileSync(file('wrong'), 'open barley\n', { mode: 0o600 });
    writeFileSync(file('readable'), readFileSync(file('id')), { mode: 0o644 });
    writeFileSync(file('no-key'), 'no key', { mode: 0o600 });
    chmodSync(file('id.pub'), 0o600);
  });
  afterAll(() => sshd.stop());

  async function works(changes: Partial<SshTarget>): Promise<boolean> {
    const ssh = await connectSsh({ ...sshd.target, ...changes });
    const { code } = await ssh.exec(['true']);
    ssh.close();
    await ssh.closed;
    return code === 0;
  }

  it('takes a key with a passphrase from a file', async () => {
    expect(await works({ key: file('locked'), passphraseFile: file('passphrase') })).toBe(true);
  });

  it('takes an RSA key', async () => {
    expect(await works({ key: file('rsa') })).toBe(true);
  });

  it('names the user and the key that the server refused', async () => {
    await expect(works({ key: file('stranger') })).rejects.toMatchObject({
      code: 'E_SSH_AUTH',
      message: expect.stringContaining(
        `host 't01': 127.0.0.1:${sshd.port} refused user ${sshd.target.user} with key ${file('stranger')}`,
      ),
    });
  });

  it('refuses to start without any key', async () => {
    await expect(works({ key: undefined })).rejects.toMatchObject({
      code: 'E_SSH_AUTH',
      message: expect.stringContaining('set ssh.key or ssh.agent'),
    });
  });

  it.each([
    ['a key that is not there', 'nowhere', undefined, /nowhere cannot be used: ENOENT/],
    ['a key that others can read', 'readable', undefined, /mode 0644.*chmod 600/],
    ['an encrypted key without its passphrase', 'locked', undefined, /it is encrypted: set passphraseFile/],
    ['a wrong passphrase', 'locked', 'wrong', /locked cannot be used/],
    ['a passphrase file that is not there', 'locked', 'nowhere', /nowhere cannot be used: ENOENT/],
    ['a public key', 'id.pub', undefined, /id\.pub cannot be used/],
    ['a file without a key', 'no-key', undefined, /no-key cannot be used: Unsupported key format/],
  ])('says what is wrong with %s', async (_title, key, passphrase, message) => {
    const passphraseFile = passphrase === undefined ? undefined : file(passphrase);
    await expect(works({ key: file(key), passphraseFile })).rejects.toMatchObject({
      code: 'E_SSH_AUTH',
      message: expect.stringMatching(message),
    });
  });

  describe('with an ssh-agent', () => {
    let agent: ChildProcess;
    beforeAll(async () => {
      agent = spawn('ssh-agent', ['-D', '-a', file('agent')], { stdio: ['ignore', 'pipe', 'inherit'] });
      // It prints its variables when it listens.
      for await (const line of createInterface({ input: agent.stdout ?? process.stdin })) {
        if (line.startsWith('SSH_AUTH_SOCK')) break;
      }
    });
    afterAll(() => endChild(agent));

    it('names the agent when it has no key that the server takes', async () => {
      addToAgent('stranger');
      await expect(works({ key: undefined, agentSocket: file('agent') })).rejects.toMatchObject({
        code: 'E_SSH_AUTH',
        message: expect.stringContaining(`with agent ${file('agent')}`),
      });
    });

    it('takes the key that the agent holds', async () => {
      addToAgent('id');
      expect(await works({ key: undefined, agentSocket: file('agent') })).toBe(true);
    });

    it('takes the agent when the server refuses the key file', async () => {
      expect(await works({ key: file('stranger'), agentSocket: file('agent') })).toBe(true);
    });

    it('says that no agent is there', async () => {
      await expect(works({ key: undefined, agentSocket: file('no-agent') })).rejects.toMatchObject({
        code: 'E_SSH_AUTH',
        message: expect.stringContaining(`agent ${file('no-agent')} failed`),
      });
    });
  });
});
