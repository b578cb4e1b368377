import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGuests, type GuestsOptions } from '../../src/guests/guests.ts';
import { agentCalls } from '../../src/libvirt/agent.ts';
import { RpcConnection } from '../../src/libvirt/connection.ts';
import { hasSshd, type Sshd, startSshd } from '../hosts/sshd.ts';
import { streamPair } from '../libvirt/peer.ts';

const GUEST = {
  vm: 'web-1',
  host: 't01',
  address: '127.0.0.1',
  hostname: 'web-1.lab.internal',
  via: 'ssh',
} as const;

/** What is of use to those who ask the agent alone. */
const UNUSED = {
  agent: agentCalls(new RpcConnection(streamPair()[0])),
  domain: { name: 'web-1', uuid: '', id: 1 },
  who: 'web-1 on t01',
  superseded: new AbortController().signal,
};

/** Stand-ins for what would name this machine: the name is a file in `$HOME`. */
const COMMANDS = {
  uname: 'cat $HOME/name',
  hostnamectl: '[ -e $HOME/systemd ] && [ "$1" = set-hostname ] && echo "$2" > $HOME/name',
  hostname: 'echo "$1" > $HOME/name',
  tee: '[ "$1" = /etc/hostname ] && cat > $HOME/etc-hostname',
};

describe.skipIf(!hasSshd)('a guest over SSH', () => {
  let sshd: Sshd;
  let keysDir: string;
  beforeAll(async () => {
    sshd = await startSshd();
    for (const [name, script] of Object.entries(COMMANDS)) put(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  });
  afterAll(() => sshd.stop());
  beforeEach(() => {
    keysDir = mkdtempSync(join(tmpdir(), 'kg-guest-keys-'));
    put('name', 'localhost\n');
  });
  afterEach(() => {
    rmSync(keysDir, { recursive: true, force: true });
    for (const name of ['systemd', 'etc-hostname']) rmSync(join(sshd.dir, name), { force: true });
  });

  function put(name: string, text: string): void {
    writeFileSync(join(sshd.dir, name), text);
    chmodSync(join(sshd.dir, name), 0o755);
  }
  const has = (name: string) => readFileSync(join(sshd.dir, name), 'utf8').trim();
  const recorded = () => readFileSync(join(keysDir, 'web-1'), 'utf8');

  function guests(change: Partial<GuestsOptions> = {}) {
    const { user, key, port } = sshd.target;
    const made = createGuests({
      user,
      key,
      port,
      throughHost: false,
      timeoutMs: 30_000,
      keysDir,
      hosts: new Map(),
      ...change,
    });
    return {
      expectNew: (vm: string) => made.expectNew(vm),
      setHostname: (guest: Omit<typeof GUEST, 'address'> & { readonly address: string }) =>
        made.setHostname(guest, UNUSED),
    };
  }

  it.each([
    ['by hostnamectl', true, undefined],
    ['without systemd, by the file and the kernel', false, GUEST.hostname],
  ])('is named %s', async (_, systemd, file) => {
    if (systemd) put('systemd', '');
    await guests().expectNew('web-1');
    await guests().setHostname(GUEST);
    expect(has('name')).toBe(GUEST.hostname);
    expect(existsSync(join(sshd.dir, 'etc-hostname')) ? has('etc-hostname') : undefined).toBe(file);
  });

  it('is not touched where it has its name', async () => {
    put('name', `${GUEST.hostname}\n`);
    await guests().expectNew('web-1');
    await guests().setHostname(GUEST);
    expect(() => has('etc-hostname')).toThrow('ENOENT');
  });

  it('says so where it takes the name and does not have it', async () => {
    put('bin/hostname', '#!/bin/sh\nexit 0\n');
    try {
      await guests().expectNew('web-1');
      await expect(guests().setHostname(GUEST)).rejects.toMatchObject({
        code: 'E_GUEST',
        message: 'web-1 was named web-1.lab.internal, and is localhost',
      });
    } finally {
      put('bin/hostname', `#!/bin/sh\n${COMMANDS.hostname}\n`);
    }
  });

  describe('whose key', () => {
    it('is new, as the guest was created from here, is recorded at the first login, and pinned', async () => {
      await guests().expectNew('web-1');
      await guests().setHostname(GUEST);
      expect(recorded()).toBe(`* ${sshd.hostKeys[0]}\n`);
      put('name', 'localhost\n');
      await guests().setHostname({ ...GUEST, address: 'localhost' });
      expect(has('name')).toBe(GUEST.hostname);
    });

    it('has changed since is refused', async () => {
      mkdirSync(keysDir, { recursive: true });
      const other = readFileSync(join(sshd.dir, 'id.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
      writeFileSync(join(keysDir, 'web-1'), `* ${other}\n`);
      await expect(guests().setHostname(GUEST)).rejects.toMatchObject({
        code: 'E_SSH_HOST_KEY',
        message: expect.stringContaining('the key HAS CHANGED'),
      });
      expect(has('name')).toBe('localhost');
    });

    it('is that of an earlier guest of the name is forgotten, and the new one learnt', async () => {
      writeFileSync(join(keysDir, 'web-1'), 'junk\n');
      await guests().expectNew('web-1');
      await guests().setHostname(GUEST);
      expect(recorded()).toBe(`* ${sshd.hostKeys[0]}\n`);
    });

    it('nobody can know, as it was not created from here, is refused', async () => {
      await expect(guests().setHostname(GUEST)).rejects.toMatchObject({
        code: 'E_SSH_HOST_KEY',
        message: expect.stringContaining('this operator has not created it'),
      });
    });

    it('stands in the file of the config needs nothing else', async () => {
      await guests({ knownHosts: sshd.target.knownHosts }).setHostname(GUEST);
      expect(has('name')).toBe(GUEST.hostname);
    });

    it('does not stand in the file of the config is refused', async () => {
      const knownHosts = join(sshd.dir, 'empty');
      writeFileSync(knownHosts, '');
      await guests().expectNew('web-1');
      await expect(guests({ knownHosts }).setHostname(GUEST)).rejects.toMatchObject({
        code: 'E_SSH_HOST_KEY',
      });
      expect(readFileSync(knownHosts, 'utf8')).toBe('');
    });
  });

  it('that does not answer is given up in time, and its key is not recorded', async () => {
    await guests().expectNew('web-1');
    const began = performance.now();
    await expect(guests({ port: 1, timeoutMs: 1500 }).setHostname(GUEST)).rejects.toMatchObject({
      code: 'E_GUEST',
      message: expect.stringMatching(
        /^web-1 cannot be logged in to at 127\.0\.0\.1 within 1\.5 s: .*ECONNREFUSED/,
      ),
    });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(recorded()).toBe('');
  });

  it('that lets nobody in is given up in time, and its key is not recorded', async () => {
    await guests().expectNew('web-1');
    await expect(guests({ user: 'nobody-at-all', timeoutMs: 1500 }).setHostname(GUEST)).rejects.toMatchObject(
      {
        code: 'E_GUEST',
      },
    );
    expect(recorded()).toBe('');
  });

  it('cannot be logged in to without a key', async () => {
    await expect(guests({ key: undefined }).setHostname(GUEST)).rejects.toMatchObject({
      code: 'E_GUEST',
      message: 'web-1: hostnameVia is ssh, and operator.yaml has no guests.key',
    });
  });
});
