import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/free-port.ts';
import { connectSsh, type SshConnection } from '../../src/hosts/ssh.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';
import { hasSshd, type Sshd, startSshd } from './sshd.ts';

describe.skipIf(!hasSshd)('SSH to a real sshd', () => {
  let sshd: Sshd;
  let opened: SshConnection[] = [];
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());
  afterEach(async () => {
    for (const ssh of opened) ssh.close();
    await Promise.all(opened.map((ssh) => ssh.closed));
    opened = [];
  });

  async function connect(changes: Partial<SshTarget> = {}): Promise<SshConnection> {
    const ssh = await connectSsh({ ...sshd.target, ...changes });
    opened.push(ssh);
    return ssh;
  }

  describe('exec', () => {
    it('gives the exit code, stdout and stderr of a command', async () => {
      const ssh = await connect();
      const result = await ssh.exec(['sh', '-c', 'echo out; echo err >&2; exit 3']);
      expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    });

    it('hands over each argument as it is, in the C locale', async () => {
      const ssh = await connect();
      const argv = ['$(id)', "it's", 'a b', '', '*', '日本'];
      const { stdout } = await ssh.exec(['sh', '-c', 'printf "%s|" "$LC_ALL" "$@"', 'sh', ...argv]);
      expect(stdout.split('|').slice(0, -1)).toEqual(['C', ...argv]);
    });

    it('decodes characters that are spread over two packets', async () => {
      const ssh = await connect();
      const text = '€'.repeat(300_000);
      const { stdout } = await ssh.exec(['cat'], { input: text });
      expect(stdout === text).toBe(true);
    });

    it('runs more commands at once than sshd has sessions', async () => {
      const ssh = await connect();
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, index) => ssh.exec(['echo', `${index}`])),
      );
      expect(results.map(({ stdout }) => Number(stdout))).toEqual(results.map((_, index) => index));
    });

    it('ends a command that takes too long, and the connection stays good', async () => {
      const ssh = await connect();
      const slow = ssh.exec(['sleep', '30'], { timeoutMs: 100 });
      await expect(slow).rejects.toMatchObject({
        code: 'E_TIMEOUT',
        message: expect.stringContaining('0.1 s'),
      });
      expect(await ssh.exec(['true'])).toMatchObject({ code: 0 });
    });

    it('stops waiting when the signal fires', async () => {
      const ssh = await connect();
      const reason = new Error('enough');
      const controller = new AbortController();
      const slow = ssh.exec(['sleep', '5'], { signal: controller.signal, timeoutMs: 5000 });
      controller.abort(reason);
      await expect(slow).rejects.toBe(reason);
    });

    it('runs nothing for a signal that has fired', async () => {
      const ssh = await connect();
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(ssh.exec(['true'], { signal })).rejects.toThrow('enough');
    });

    it('cuts off endless output', async () => {
      const ssh = await connect();
      const endless = ssh.exec(['yes'], { maxOutputBytes: 100_000, timeoutMs: 5000 });
      await expect(endless).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    });

    it('calls the end of a command that was killed unknown, not a success', async () => {
      const ssh = await connect();
      await expect(ssh.exec(['sh', '-c', 'kill -9 $PPID'], { timeoutMs: 5000 })).rejects.toMatchObject({
        code: 'E_OUTCOME_UNKNOWN',
        message: expect.stringContaining('SIGKILL'),
      });
    });

    it('calls the outcome of all running commands unknown when the connection is cut', async () => {
      const ssh = await connect();
      // exec runs `timeout ... sh`; the parent of `timeout` is the process of sshd that serves this connection.
      const { stdout: session } = await ssh.exec(['sh', '-c', 'ps -o ppid= -p $PPID']);
      const running = [1, 2].map(() => ssh.exec(['sleep', '20']));
      // A third command's answer shows that the two have been sent: a connection keeps its order.
      await ssh.exec(['true']);
      process.kill(Number(session), 'SIGKILL');
      for (const result of await Promise.allSettled(running)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'E_OUTCOME_UNKNOWN' } });
      }
      expect(await ssh.closed).toMatchObject({ code: 'E_SSH_UNREACHABLE' });
      await expect(ssh.exec(['true'])).rejects.toMatchObject({ code: 'E_SSH_UNREACHABLE' });
    });
  });

  describe('a server that does not answer', () => {
    let silent: Server;
    const sockets = new Set<Socket>();
    beforeAll(async () => {
      silent = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
        socket.resume();
      }).listen(0, '127.0.0.1');
      await once(silent, 'listening');
    });
    afterAll(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await once(silent, 'close');
    });

    it('is given up after the connect timeout', async () => {
      const port = portOf(silent);
      await expect(connect({ port, connectTimeoutMs: 100 })).rejects.toMatchObject({
        code: 'E_SSH_UNREACHABLE',
        message: `host 't01': SSH to 127.0.0.1:${port}: no answer within 0.1 s`,
      });
    });

    it('is given up when the signal fires, and its socket is closed', async () => {
      const controller = new AbortController();
      const connecting = connectSsh({ ...sshd.target, port: portOf(silent) }, controller.signal);
      await once(silent, 'connection');
      const closed = Promise.all([...sockets].map((socket) => once(socket, 'close')));
      controller.abort(new Error('enough'));
      await expect(connecting).rejects.toThrow('enough');
      await closed;
    });

    it('is told from one that refuses', async () => {
      const port = await freePort();
      await expect(connect({ port })).rejects.toMatchObject({
        code: 'E_SSH_UNREACHABLE',
        message: expect.stringMatching(`127.0.0.1:${port}: .*ECONNREFUSED`),
      });
    });

    it('is reported through a jump host with both addresses', async () => {
      const port = await freePort();
      await expect(connect({ port, jump: sshd.target })).rejects.toMatchObject({
        code: 'E_SSH_UNREACHABLE',
        message: expect.stringContaining(`127.0.0.1:${port} through 127.0.0.1:${sshd.port}`),
      });
    });
  });

  it('notices by keepalive that the other side hangs, and does not crash', async () => {
    const ssh = await connect({ keepaliveMs: 50 });
    const { stdout: session } = await ssh.exec(['sh', '-c', 'ps -o ppid= -p $PPID']);
    const running = ssh.exec(['true']).then(() => ssh.exec(['sleep', '20']));
    process.kill(Number(session), 'SIGSTOP');
    try {
      await expect(running).rejects.toMatchObject({
        code: expect.stringMatching(/E_OUTCOME_UNKNOWN|E_SSH_/),
      });
      expect((await ssh.closed).message).toContain('Keepalive timeout');
    } finally {
      process.kill(Number(session), 'SIGKILL');
    }
  });

  it('says that the connection was closed by us to whom it still concerns', async () => {
    const ssh = await connect();
    ssh.close();
    expect((await ssh.closed).message).toContain('the connection was closed');
    await expect(ssh.exec(['true'])).rejects.toMatchObject({ code: 'E_SSH_UNREACHABLE' });
  });

  it('runs commands behind a jump host, and takes the jump connection down with it', async () => {
    const behind = await startSshd();
    try {
      const ssh = await connect({ ...behind.target, jump: sshd.target });
      const { stdout } = await ssh.exec(['sh', '-c', 'echo $HOME']);
      expect(stdout.trim()).toBe(behind.dir);
      ssh.close();
      await ssh.closed;
    } finally {
      await behind.stop();
    }
  });
});

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}
