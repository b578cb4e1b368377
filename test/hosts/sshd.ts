import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../src/demo/free-port.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';

const SSHD = '/usr/sbin/sshd';
/** The suites that need a real OpenSSH server, on an OS that a KVM host has, are left out elsewhere. */
export const hasSshd = process.platform === 'linux' && existsSync(SSHD);

/** A real sshd on the loopback interface, with a folder of its own. */
export interface Sshd {
  readonly dir: string;
  readonly port: number;
  /** Its public host keys, as in known_hosts: `type base64`. */
  readonly hostKeys: readonly string[];
  /** Commands that a login finds before the system's. */
  readonly bin: string;
  readonly target: SshTarget;
  stop(): Promise<void>;
}

/** Starts an sshd that lets this user in with `dir/id`; `config` lines come last. */
export async function startSshd(
  options: { config?: readonly string[]; hostKeyTypes?: readonly string[]; authorize?: string } = {},
): Promise<Sshd> {
  const dir = mkdtempSync(join(tmpdir(), 'kg-sshd-'));
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const types = options.hostKeyTypes ?? ['ed25519'];
  const hostKeyFiles = types.map((type) => makeKey(join(dir, `host_${type}`), type));
  makeKey(join(dir, 'id'), 'ed25519');
  writeFileSync(
    join(dir, 'authorized_keys'),
    `${options.authorize ?? ''} ${readFileSync(join(dir, 'id.pub'), 'utf8')}`.trimStart(),
  );
  const port = await freePort();
  const hostKeys = hostKeyFiles.map((file) => publicKey(`${file}.pub`));
  writeFileSync(
    join(dir, 'sshd_config'),
    configText({ dir, bin, port, hostKeyFiles, more: options.config ?? [] }),
  );
  writeFileSync(join(dir, 'known_hosts'), hostKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`).join(''));
  const child = await listen(join(dir, 'sshd_config'));
  return {
    dir,
    port,
    hostKeys,
    bin,
    target: {
      name: 't01',
      address: '127.0.0.1',
      port,
      user: userInfo().username,
      key: join(dir, 'id'),
      knownHosts: join(dir, 'known_hosts'),
      connectTimeoutMs: 10_000,
      keepaliveMs: 5000,
    },
    stop: async () => {
      await endChild(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Makes a key pair and returns the private key's path. */
export function makeKey(path: string, type: string, passphrase = ''): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', '', '-f', path]);
  return path;
}

/** `type base64` of a .pub file. */
export function publicKey(path: string): string {
  return readFileSync(path, 'utf8').trim().split(' ').slice(0, 2).join(' ');
}

/** Ends a process that we started and waits for its end. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

function configText(from: {
  dir: string;
  bin: string;
  port: number;
  hostKeyFiles: readonly string[];
  more: readonly string[];
}): string {
  return [
    `Port ${from.port}`,
    'ListenAddress 127.0.0.1',
    ...from.hostKeyFiles.map((file) => `HostKey ${file}`),
    `AuthorizedKeysFile ${join(from.dir, 'authorized_keys')}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    `SetEnv PATH=${from.bin}:/usr/bin:/bin HOME=${from.dir}`,
    ...from.more,
    '',
  ].join('\n');
}

async function listen(config: string): Promise<ChildProcess> {
  // sshd as root refuses to start without this folder, which a package's service file would make.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const child = spawn(SSHD, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  // For a test that timed out and never came to its `stop()`.
  process.once('exit', () => child.kill());
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.startsWith('Server listening')) {
      child.stderr.resume();
      return child;
    }
  }
  throw new Error(`sshd did not start: ${said.join('\n')}`);
}
