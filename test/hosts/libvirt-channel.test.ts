import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type LibvirtEndpoint, openLibvirtChannel, socketsOf } from '../../src/hosts/libvirt-channel.ts';
import { connectSsh, type SshConnection } from '../../src/hosts/ssh.ts';
import { hasSshd, type Sshd, startSshd } from './sshd.ts';

/** A command that a login on the host finds. */
function install(host: Sshd, name: string, script: string): void {
  writeFileSync(join(host.bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
const pipeTo = (path: string) =>
  `exec ${process.execPath} -e "const s=require('net').connect('${path}'); process.stdin.pipe(s).pipe(process.stdout)"`;

async function probe(stream: Duplex): Promise<string> {
  stream.write('ping');
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) return String(chunk);
  throw new Error('the stream ended');
}

describe('socketsOf', () => {
  it.each([
    [
      'qemu:///system',
      [
        '/run/libvirt/libvirt-sock',
        '/run/libvirt/virtqemud-sock',
        '/var/run/libvirt/libvirt-sock',
        '/var/run/libvirt/virtqemud-sock',
      ],
    ],
    ['qemu:///session', []],
  ])('looks for the daemon of %s', (uri, sockets) => {
    expect(socketsOf({ uri, sudo: false })).toEqual(sockets);
  });

  it('takes the configured socket and no other', () => {
    expect(socketsOf({ uri: 'qemu:///session', sudo: false, socket: '/srv/sock' })).toEqual(['/srv/sock']);
  });
});

describe.skipIf(!hasSshd)('openLibvirtChannel over a real sshd', () => {
  let sshd: Sshd;
  let noForwarding: Sshd;
  let ssh: SshConnection;
  let echo: Server;
  const peers = new Set<Socket>();
  const socket = () => join(sshd.dir, 'sock');

  beforeAll(async () => {
    [sshd, noForwarding] = await Promise.all([
      startSshd(),
      startSshd({ config: ['AllowStreamLocalForwarding no'] }),
    ]);
    ssh = await connectSsh(sshd.target);
    echo = createServer((peer) => {
      peers.add(peer);
      peer.on('error', () => undefined);
      peer.pipe(peer);
    }).listen(socket());
    await once(echo, 'listening');
  });
  afterAll(async () => {
    ssh.close();
    for (const peer of peers) peer.destroy();
    echo.close();
    await Promise.all([ssh.closed, sshd.stop(), noForwarding.stop()]);
  });
  afterEach(() => {
    for (const host of [sshd, noForwarding]) {
      rmSync(host.bin, { recursive: true });
      mkdirSync(host.bin);
    }
  });

  const open = (changes: Partial<LibvirtEndpoint> = {}, over = ssh) =>
    openLibvirtChannel(over, { uri: 'qemu:///system', socket: socket(), sudo: false, ...changes }, probe);

  it('takes the unix socket when sshd forwards to it', async () => {
    install(sshd, 'virt-ssh-helper', 'echo must not run >&2; exit 1');
    const channel = await open();
    expect(channel).toMatchObject({ way: 'streamlocal', detail: `streamlocal ${socket()}`, client: 'ping' });
    channel.stream.destroy();
  });

  it('takes virt-ssh-helper when the socket is not to be had', async () => {
    install(sshd, 'virt-ssh-helper', `test "$1" = qemu:///system && ${pipeTo(socket())}`);
    const channel = await open({ socket: '/nowhere' });
    expect(channel).toMatchObject({
      way: 'virt-ssh-helper',
      detail: 'virt-ssh-helper qemu:///system',
      client: 'ping',
    });
    channel.stream.destroy();
  });

  it('takes nc when there is no helper', async () => {
    install(noForwarding, 'nc', `test "$1" = -U && ${pipeTo('$2')}`);
    install(noForwarding, 'virt-ssh-helper', 'echo cannot connect >&2; exit 1');
    const over = await connectSsh(noForwarding.target);
    const channel = await open({}, over);
    expect(channel).toMatchObject({ way: 'nc', detail: `nc -U ${socket()}`, client: 'ping' });
    over.close();
    await over.closed;
  });

  it('goes through sudo, and not by the socket, when told so', async () => {
    install(sshd, 'sudo', 'test "$1" = -n && shift && exec "$@"');
    install(sshd, 'virt-ssh-helper', pipeTo(socket()));
    const channel = await open({ sudo: true });
    expect(channel).toMatchObject({
      way: 'virt-ssh-helper',
      detail: 'sudo -n virt-ssh-helper qemu:///system',
    });
    channel.stream.destroy();
  });

  it('says why each way failed', async () => {
    install(sshd, 'virt-ssh-helper', 'echo "error: failed to connect" >&2; exit 1');
    const message = await open({ socket: '/nowhere' }).catch((error: unknown) => String(error));
    expect(message).toContain(`host 't01': SSH works, but no way leads to libvirt (qemu:///system)`);
    expect(message).toContain(
      `streamlocal /nowhere: no such socket, or user ${sshd.target.user} may not use it`,
    );
    expect(message).toContain('virt-ssh-helper qemu:///system: error: failed to connect, exit code 1');
    expect(message).toMatch(/nc -U \/nowhere: .*nc.*(not found|No such file)/);
  });

  it('says once what all sockets have in common', async () => {
    const over = await connectSsh(noForwarding.target);
    install(noForwarding, 'virt-ssh-helper', 'exit 1');
    install(noForwarding, 'nc', 'echo "nc: invalid option -- U" >&2; exit 1');
    const message = await open({ socket: undefined }, over).catch((error: unknown) => String(error));
    expect(message).toMatch(
      /streamlocal \/run\/libvirt\/libvirt-sock, streamlocal .*: no such socket, .*AllowStreamLocalForwarding/,
    );
    expect(message).toContain('virtqemud-sock: nc: invalid option -- U, exit code 1');
    over.close();
    await over.closed;
  });

  it('says that sudo wants a password, and does not ask again for each socket', async () => {
    install(sshd, 'sudo', 'echo "sudo: a password is required" >&2; exit 1');
    const message = await open({ sudo: true, socket: undefined }).catch((error: unknown) => String(error));
    expect(message).toMatch(
      /\n {2}sudo -n virt-ssh-helper qemu:\/\/\/system, sudo -n nc -U \S+: sudo: a password is required/,
    );
  });

  it('goes on when a way is open and nobody answers on it', async () => {
    const mute = createServer((peer) => void peer.resume()).listen(join(sshd.dir, 'mute'));
    await once(mute, 'listening');
    install(sshd, 'virt-ssh-helper', pipeTo(socket()));
    const over = await connectSsh({ ...sshd.target, connectTimeoutMs: 300 });
    const channel = await open({ socket: join(sshd.dir, 'mute') }, over);
    expect(channel.way).toBe('virt-ssh-helper');
    over.close();
    await over.closed;
    mute.close();
    await once(mute, 'close');
  });

  it('stops when the signal fires', async () => {
    const controller = new AbortController();
    const hanging = openLibvirtChannel(
      ssh,
      { uri: 'qemu:///system', socket: socket(), sudo: false },
      () => {
        controller.abort(new Error('enough'));
        return new Promise<never>(() => undefined);
      },
      controller.signal,
    );
    await expect(hanging).rejects.toThrow('enough');
  });

  it('blames SSH, not libvirt, when the connection broke', async () => {
    const over = await connectSsh(sshd.target);
    over.close();
    await over.closed;
    await expect(open({}, over)).rejects.toMatchObject({ code: 'E_SSH_UNREACHABLE' });
  });
});

describe.skipIf(!hasSshd)('the least privilege that deploy/README.md describes', () => {
  it('a key for forwarding alone reaches the socket and runs no command', async () => {
    const authorize = 'restrict,port-forwarding,command="/usr/sbin/nologin"';
    const config = [
      'AllowStreamLocalForwarding local',
      'AllowTcpForwarding local',
      'PermitListen none',
      'PermitTTY no',
    ];
    await withSocket({ authorize, config }, async (ssh, path) => {
      const stream = await ssh.openSocket(path);
      stream.write('ping');
      expect(String((await once(stream, 'data'))[0])).toBe('ping');
      expect(await ssh.exec(['id'])).toMatchObject({ code: 1, stdout: expect.not.stringContaining('uid') });
    });
  });

  it.each(['AllowTcpForwarding no', 'PermitOpen none'])(
    'sshd with %s forwards no socket either',
    async (line) => {
      await withSocket({ config: [line] }, async (ssh, path) => {
        await expect(ssh.openSocket(path)).rejects.toThrow('open failed');
      });
    },
  );

  it('a key with a forced command reaches libvirt by that command alone', async () => {
    const sshd = await startSshd({ authorize: 'restrict,command="virt-ssh-helper qemu:///system"' });
    writeFileSync(join(sshd.bin, 'virt-ssh-helper'), '#!/bin/sh\ntest "$1" = qemu:///system && exec cat\n', {
      mode: 0o755,
    });
    const ssh = await connectSsh(sshd.target);
    try {
      const channel = await openLibvirtChannel(
        ssh,
        { uri: 'qemu:///system', sudo: false },
        async (stream) => {
          stream.write('ping');
          return String((await once(stream, 'data'))[0]);
        },
      );
      expect(channel).toMatchObject({ way: 'virt-ssh-helper', client: 'ping' });
      const { stdout } = await ssh.exec(['id'], { input: 'still the helper' });
      expect(stdout).toBe('still the helper');
    } finally {
      ssh.close();
      await ssh.closed;
      await sshd.stop();
    }
  });
});

async function withSocket(
  options: Parameters<typeof startSshd>[0],
  check: (ssh: SshConnection, path: string) => Promise<void>,
): Promise<void> {
  const sshd = await startSshd(options);
  const path = join(sshd.dir, 'sock');
  const echo = createServer((peer) => void peer.pipe(peer)).listen(path);
  await once(echo, 'listening');
  const ssh = await connectSsh(sshd.target);
  try {
    await check(ssh, path);
  } finally {
    ssh.close();
    await ssh.closed;
    echo.close();
    await sshd.stop();
  }
}
