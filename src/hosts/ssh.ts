import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type Config, NodeSSH } from 'node-ssh';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Client, ClientCallback, ClientChannel } from 'ssh2';
import { errorMessage, OperatorError } from '../errors.ts';
import { withDeadline } from './deadline.ts';
import { type PinnedKeys, pinHostKeys } from './host-keys.ts';
import { readCredentials } from './ssh-credentials.ts';
import { connectError, isNoCommonHostKey, openFailureReason, unreachable } from './ssh-errors.ts';
import { collect, type ExecResult, outcomeUnknown, remoteCommand } from './ssh-exec.ts';
import { endpointOf, type SshTarget } from './ssh-target.ts';

export interface ExecOptions {
  readonly signal?: AbortSignal;
  /** Default 60 s. The host ends the command itself a little later. */
  readonly timeoutMs?: number;
  /** Of stdout and stderr together; default 16 MiB. */
  readonly maxOutputBytes?: number;
  readonly input?: string | Buffer;
}

/** sshd's MaxSessions is 10 by default and a slot is freed late: five at once were never refused. */
const SESSIONS_AT_ONCE = 5;
const OPEN_TRIES = 6;
const OPEN_FAILED = 2;

/**
 * Connects and authenticates, through the jump host if there is one; the connection stays open until `close()`.
 * E_SSH_UNREACHABLE, E_SSH_AUTH or E_SSH_HOST_KEY; the signal's reason when it fires.
 */
export async function connectSsh(target: SshTarget, signal?: AbortSignal): Promise<SshConnection> {
  signal?.throwIfAborted();
  const jump = target.jump === undefined ? undefined : await connectSsh(target.jump, signal);
  let pinned: PinnedKeys | undefined;
  try {
    pinned = await pinHostKeys(target);
    try {
      const connection = await dial(target, { pinned, algorithms: pinned.algorithms, jump, signal });
      await pinned.remember();
      return connection;
    } catch (error) {
      if (!isNoCommonHostKey(error) || pinned.algorithms === undefined) throw error;
      // Only to learn which key the server has: `verify` refuses it, and says so with its fingerprint.
      return await dial(target, { pinned, algorithms: undefined, jump, signal });
    }
  } catch (error) {
    jump?.close();
    throw signal?.aborted ? signal.reason : connectError(target, pinned, error);
  }
}

/** One SSH connection; made by `connectSsh`. */
export class SshConnection {
  readonly target: SshTarget;
  /** Resolves when the connection is over, with the reason; never rejects. */
  readonly closed: Promise<OperatorError>;
  readonly #client: Client;
  readonly #socket: Duplex;
  readonly #limit: LimitFunction = pLimit(SESSIONS_AT_ONCE);
  #lost: OperatorError | undefined;

  constructor(target: SshTarget, client: Client, socket: Duplex) {
    this.target = target;
    this.#client = client;
    this.#socket = socket;
    let lastError: Error | undefined;
    // Without this listener a keepalive timeout would be an uncaught exception.
    client.on('error', (error) => {
      lastError = error;
    });
    this.closed = new Promise((resolve) => {
      client.on('close', () => {
        this.#lost ??= unreachable(
          target,
          `connection lost${lastError ? `: ${lastError.message}` : ''}`,
          lastError,
        );
        resolve(this.#lost);
      });
    });
  }

  /** Why the connection is over; undefined while it is not. */
  get lost(): OperatorError | undefined {
    return this.#lost;
  }

  /** Runs a command to its end. A non-zero exit code is a result; E_OUTCOME_UNKNOWN and E_TIMEOUT say that there is none. */
  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return this.#limit(() => this.#run(argv, options));
  }

  /** Starts a command and gives its pipes: stdin and stdout as one duplex, stderr beside it. */
  spawn(argv: readonly string[], signal?: AbortSignal): Promise<ClientChannel> {
    return this.#openSession(remoteCommand(argv), argv, signal);
  }

  /** Connects to a unix socket on the host. Fails with ssh2's own error: see `openFailureReason`. */
  openSocket(path: string, signal?: AbortSignal): Promise<Duplex> {
    const open = (done: ClientCallback) => this.#client.openssh_forwardOutStreamLocal(path, done);
    return this.#open(open, `opening ${path}`, signal);
  }

  /** Connects to a TCP port that the host can reach. Fails with ssh2's own error. */
  openTcp(address: string, port: number, signal?: AbortSignal): Promise<Duplex> {
    const open = (done: ClientCallback) => this.#client.forwardOut('127.0.0.1', 0, address, port, done);
    return this.#open(open, `connecting to ${address} port ${port}`, signal);
  }

  /** Ends the connection; commands that still run on it are of unknown outcome. */
  close(): void {
    this.#lost ??= unreachable(this.target, 'the connection was closed');
    this.#client.end();
    // A host that is cut off acknowledges nothing: do not keep its socket, and with it the process, alive.
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  async #run(argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const { signal, timeoutMs = 60_000, maxOutputBytes = 16 * 1024 * 1024, input } = options;
    signal?.throwIfAborted();
    const what = `host '${this.target.name}': ${argv.join(' ')}`;
    const channel = await this.#openSession(remoteCommand(argv, timeoutMs), argv, signal);
    const running = collect(channel, { maxOutputBytes, what, input });
    return withDeadline(running, { signal, timeoutMs, what, cancel: () => channel.close() });
  }

  async #openSession(command: string, argv: readonly string[], signal?: AbortSignal): Promise<ClientChannel> {
    const what = `starting ${argv[0] ?? ''}`;
    const open = (done: ClientCallback) => this.#client.exec(command, done);
    for (let tries = 1; ; tries++) {
      try {
        return await this.#open(open, what, signal);
      } catch (error) {
        // "Open failed" comes before the command is sent, so trying again runs nothing twice.
        if (signal?.aborted) throw signal.reason;
        if (openFailureReason(error) !== OPEN_FAILED || tries === OPEN_TRIES)
          throw this.#startError(what, error);
      }
      await delay(10 * 2 ** tries, undefined, signal === undefined ? {} : { signal });
    }
  }

  #open(
    open: (done: ClientCallback) => unknown,
    what: string,
    signal: AbortSignal | undefined,
  ): Promise<ClientChannel> {
    signal?.throwIfAborted();
    const opening = new Promise<ClientChannel>((resolve, reject) => {
      open((error, channel) => (error ? reject(error) : resolve(channel)));
    });
    const cancel = () => void opening.then((channel) => channel.close()).catch(() => undefined);
    const timeoutMs = this.target.connectTimeoutMs;
    return withDeadline(opening, { signal, timeoutMs, what: `host '${this.target.name}': ${what}`, cancel });
  }

  #startError(what: string, error: unknown): unknown {
    if (error instanceof OperatorError) return error;
    const message = errorMessage(error);
    if (message !== 'Unable to exec') return unreachable(this.target, `${what}: ${message}`, error);
    // ssh2 says the same for a refused command and for a connection that broke while it was being sent.
    if (this.#lost !== undefined) return outcomeUnknown(`host '${this.target.name}': ${what}`, this.#lost);
    return unreachable(this.target, `${what}: the server refuses to run commands`, error);
  }
}

interface DialOptions {
  readonly pinned: PinnedKeys;
  readonly algorithms: PinnedKeys['algorithms'];
  readonly jump: SshConnection | undefined;
  readonly signal: AbortSignal | undefined;
}

async function dial(target: SshTarget, options: DialOptions): Promise<SshConnection> {
  const { pinned, algorithms, jump, signal } = options;
  const config = sshConfig(target, pinned, algorithms);
  const socket = await openTransport(target, jump, signal);
  const ssh = new NodeSSH();
  const connecting = ssh.connect({ ...config, sock: socket });
  const client = ssh.connection;
  if (client === null) throw new TypeError('node-ssh made no client');
  client.setMaxListeners(0);
  // Now and not after 'ready': from here on every 'error' and 'close' has somebody who listens.
  const connection = new SshConnection(target, client, socket);
  try {
    await withDeadline(connecting, { signal, what: `connecting to ${endpointOf(target)}` });
  } catch (error) {
    socket.destroy();
    throw error;
  }
  // Without it each small packet waits for the other side's delayed acknowledgement.
  client.setNoDelay(true);
  client.on('close', () => jump?.close());
  return connection;
}

function sshConfig(target: SshTarget, pinned: PinnedKeys, algorithms: PinnedKeys['algorithms']): Config {
  return {
    ...readCredentials(target),
    username: target.user,
    hostVerifier: pinned.verify,
    readyTimeout: target.connectTimeoutMs,
    keepaliveInterval: target.keepaliveMs,
    keepaliveCountMax: 3,
    strictVendor: false,
    ...(algorithms === undefined ? {} : { algorithms: { serverHostKey: algorithms } }),
  };
}

/** Our own socket rather than ssh2's, so that it can be destroyed when the other side is gone. */
async function openTransport(
  target: SshTarget,
  jump: SshConnection | undefined,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  if (jump === undefined) return connectTcp({ host: target.address, port: target.port, noDelay: true });
  try {
    return await jump.openTcp(target.address, target.port, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(target, errorMessage(error), error);
  }
}
