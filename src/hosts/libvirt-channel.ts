import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { errorMessage, OperatorError } from '../errors.ts';
import { withDeadline } from './deadline.ts';
import type { SshConnection } from './ssh.ts';
import { openFailureReason } from './ssh-errors.ts';

/** How the bytes reach the host's libvirt daemon, in the order in which they are tried. */
export type ChannelWay = 'streamlocal' | 'virt-ssh-helper' | 'nc';

/** Where libvirt is on a host. */
export interface LibvirtEndpoint {
  /** `qemu:///system` */
  readonly uri: string;
  /** Path of the daemon's unix socket; absent: the usual places are tried. */
  readonly socket?: string | undefined;
  /** The SSH user may not use the socket, but may `sudo -n virt-ssh-helper` or `sudo -n nc`. */
  readonly sudo: boolean;
}

export interface LibvirtChannel<T> {
  readonly way: ChannelWay;
  /** The socket or the command in use. */
  readonly detail: string;
  readonly stream: Duplex;
  /** What the probe made of the stream. */
  readonly client: T;
}

/** Opens one more pipe to the daemon, by the same way. */
export type OpenPipe = () => Promise<Duplex>;

/** Speaks libvirt's protocol on the stream; rejects when nobody answers there. */
export type Probe<T> = (stream: Duplex, signal: AbortSignal | undefined, openMore: OpenPipe) => Promise<T>;

interface Attempt {
  readonly way: ChannelWay;
  readonly detail: string;
  readonly open: (signal?: AbortSignal) => Promise<Duplex>;
  /** Says what a failure of the open or of the probe means. */
  readonly explain: (error: unknown, stream: Duplex | undefined) => Promise<Failure>;
}
interface Failure {
  readonly reason: string;
  /** The whole way is closed: its other sockets need not be tried. */
  readonly wayClosed: boolean;
}

const STDERR_LIMIT = 2000;
/** A command that failed closes its channel at once; one that hangs is not waited for. */
const CLOSE_WAIT_MS = 1000;

/**
 * Opens a byte pipe to the host's libvirt and hands it to the probe; the first way whose probe succeeds is taken.
 * E_LIBVIRT_UNREACHABLE says why each way failed.
 */
export async function openLibvirtChannel<T>(
  ssh: SshConnection,
  endpoint: LibvirtEndpoint,
  probe: Probe<T>,
  signal?: AbortSignal,
): Promise<LibvirtChannel<T>> {
  const reasons = new Map<string, string[]>();
  const closed = new Set<ChannelWay>();
  for (const attempt of attemptsOf(ssh, endpoint)) {
    if (closed.has(attempt.way)) continue;
    let stream: Duplex | undefined;
    try {
      stream = await attempt.open(signal);
      const probing = probe(stream, signal, () => attempt.open());
      const client = await inTime(probing, ssh, signal);
      return { way: attempt.way, detail: attempt.detail, stream, client };
    } catch (error) {
      const failure = await attempt.explain(error, stream);
      stream?.destroy();
      if (signal?.aborted) throw signal.reason;
      if (ssh.lost !== undefined) throw ssh.lost;
      reasons.set(failure.reason, [...(reasons.get(failure.reason) ?? []), attempt.detail]);
      if (failure.wayClosed) closed.add(attempt.way);
    }
  }
  throw unreachable(ssh, endpoint, reasons);
}

/** The sockets at which a daemon for the URI may listen. A session daemon's place depends on the user's id: it must be configured. */
export function socketsOf(endpoint: LibvirtEndpoint): readonly string[] {
  if (endpoint.socket !== undefined) return [endpoint.socket];
  if (endpoint.uri.endsWith(':///session')) return [];
  const driver = /^([a-z]+)/.exec(endpoint.uri)?.[1] ?? 'qemu';
  return ['/run/libvirt', '/var/run/libvirt'].flatMap((folder) => [
    `${folder}/libvirt-sock`,
    `${folder}/virt${driver}d-sock`,
  ]);
}

function attemptsOf(ssh: SshConnection, endpoint: LibvirtEndpoint): readonly Attempt[] {
  const sockets = socketsOf(endpoint);
  const sudo = endpoint.sudo ? ['sudo', '-n'] : [];
  const exec = (way: ChannelWay, argv: readonly string[]) => execAttempt(ssh, way, [...sudo, ...argv]);
  return [
    ...(endpoint.sudo ? [] : sockets.map((path) => streamlocalAttempt(ssh, path))),
    exec('virt-ssh-helper', ['virt-ssh-helper', endpoint.uri]),
    ...sockets.map((path) => exec('nc', ['nc', '-U', path])),
  ];
}

function streamlocalAttempt(ssh: SshConnection, path: string): Attempt {
  return {
    way: 'streamlocal',
    detail: `streamlocal ${path}`,
    open: (signal) => ssh.openSocket(path, signal),
    explain: async (error) => ({ reason: forwardingFailure(error, ssh.target.user), wayClosed: false }),
  };
}

/** sshd gives one answer for all of this. */
function forwardingFailure(error: unknown, user: string): string {
  if (openFailureReason(error) === undefined) return errorMessage(error);
  return `no such socket, or user ${user} may not use it (group libvirt), or sshd forwards none (AllowStreamLocalForwarding, AllowTcpForwarding, PermitOpen)`;
}

function execAttempt(ssh: SshConnection, way: ChannelWay, argv: readonly string[]): Attempt {
  let end: Promise<string> = Promise.resolve('');
  return {
    way,
    detail: argv.join(' '),
    open: async (signal) => {
      const channel = await ssh.spawn(argv, signal);
      end = endOf(channel);
      return channel;
    },
    explain: (error, stream) => explainExec(end, error, stream),
  };
}

/** What the command said on stderr tells more than "the stream ended". It is all there when the channel closes. */
async function explainExec(
  end: Promise<string>,
  error: unknown,
  stream: Duplex | undefined,
): Promise<Failure> {
  // ssh2 reports the close only once the rest of stdout has been read.
  stream?.resume();
  const said = await Promise.race([end, delay(CLOSE_WAIT_MS, '', { ref: false })]);
  const reason = said === '' ? errorMessage(error) : said;
  return {
    reason,
    wayClosed: /not found|exit code 127|a password is required|not allowed|refuses to run/.test(reason),
  };
}

/** What a command printed to stderr and its exit code, once its channel is closed; '' when it ended well and said nothing. */
function endOf(channel: ClientChannel): Promise<string> {
  let text = '';
  channel.stderr.on('data', (chunk: Buffer) => {
    if (text.length < STDERR_LIMIT) text += chunk.toString('utf8');
  });
  return new Promise((resolve) => {
    channel.on('close', (code?: number | null) => {
      const said = text.trim().replaceAll(/\s*\n\s*/g, '; ');
      const exit = typeof code === 'number' && code !== 0 ? `exit code ${code}` : '';
      resolve([said, exit].filter((part) => part !== '').join(', '));
    });
  });
}

function inTime<T>(probing: Promise<T>, ssh: SshConnection, signal: AbortSignal | undefined): Promise<T> {
  const timeoutMs = ssh.target.connectTimeoutMs;
  return withDeadline(probing, { signal, timeoutMs, what: "libvirt's answer" });
}

function unreachable(
  ssh: SshConnection,
  endpoint: LibvirtEndpoint,
  reasons: ReadonlyMap<string, readonly string[]>,
): OperatorError {
  const { name } = ssh.target;
  const list = [...reasons].map(([reason, tried]) => `\n  ${tried.join(', ')}: ${reason}`).join('');
  return new OperatorError(
    'E_LIBVIRT_UNREACHABLE',
    `host '${name}': SSH works, but no way leads to libvirt (${endpoint.uri}):${list}`,
    { context: { host: name, uri: endpoint.uri } },
  );
}
