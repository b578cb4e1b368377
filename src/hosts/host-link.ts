import type { Duplex } from 'node:stream';
import { errorMessage, OperatorError } from '../errors.ts';
import { withDeadline } from './deadline.ts';
import { type ChannelWay, type LibvirtEndpoint, openLibvirtChannel, type Probe } from './libvirt-channel.ts';
import { connectSsh } from './ssh.ts';
import type { SshTarget } from './ssh-target.ts';

export type LinkState =
  | { readonly kind: 'idle' | 'connecting' | 'closed' }
  | { readonly kind: 'up'; readonly way: ChannelWay; readonly detail: string }
  | { readonly kind: 'down'; readonly error: unknown; readonly retryAt: Date };

/** One connected host: the client that speaks to its libvirt, and what it speaks over. */
export interface Session<T> {
  readonly client: T;
  readonly way: ChannelWay;
  readonly detail: string;
  /** Resolves with the reason when SSH or the channel is over. */
  readonly ended: Promise<Error>;
  readonly close: () => void;
}

export interface HostLinkOptions<T> {
  readonly name: string;
  /** Connects once; see `connectHost`. */
  readonly connect: (signal: AbortSignal) => Promise<Session<T>>;
  /** Called on each change of state, not for `idle`. */
  readonly onState?: (state: LinkState) => void;
  /** From 0 to 1; for the jitter. */
  readonly random?: () => number;
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
/** A link that was up for so long starts its retries over; a shorter one counts as one more failure. */
const STABLE_MS = 30_000;

/** Opens SSH and, over it, libvirt by the first way that works. */
export async function connectHost<T>(
  host: { readonly target: SshTarget; readonly libvirt: LibvirtEndpoint },
  open: Probe<T>,
  signal: AbortSignal,
): Promise<Session<T>> {
  const ssh = await connectSsh(host.target, signal);
  try {
    const { client, way, detail, stream } = await openLibvirtChannel(ssh, host.libvirt, open, signal);
    const ended = Promise.race([ssh.closed, streamEnd(host.target.name, stream)]);
    return { client, way, detail, ended, close: () => ssh.close() };
  } catch (error) {
    ssh.close();
    throw error;
  }
}

/**
 * Keeps one host connected: first on the first `get()`, then again after each loss, with growing pauses (1 s to 60 s).
 * During a pause `get()` fails at once, so that one dead host does not slow down the others.
 */
export class HostLink<T> {
  readonly #options: HostLinkOptions<T>;
  readonly #closing = new AbortController();
  #state: LinkState = { kind: 'idle' };
  #session: Session<T> | undefined;
  #connecting: Promise<Session<T>> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(options: HostLinkOptions<T>) {
    this.#options = options;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The client of the open link; connects if nothing is known to be wrong. The signal ends only this wait. */
  async get(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    if (this.#session !== undefined) return this.#session.client;
    if (this.#state.kind === 'down') throw downError(this.#options.name, this.#state);
    const what = `connecting to host '${this.#options.name}'`;
    return (await withDeadline(this.#connectOnce(), { signal, what })).client;
  }

  /** Ends the link for good; what still waits for it fails. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    const message = `the link to host '${this.#options.name}' was closed`;
    this.#closing.abort(new OperatorError('E_SSH_UNREACHABLE', message));
    const session = this.#session;
    this.#session = undefined;
    session?.close();
    this.#enter({ kind: 'closed' });
  }

  #connectOnce(): Promise<Session<T>> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Session<T>> {
    this.#enter({ kind: 'connecting' });
    try {
      const session = await this.#options.connect(this.#closing.signal);
      if (this.#closing.signal.aborted) session.close();
      this.#closing.signal.throwIfAborted();
      this.#up(session);
      return session;
    } catch (error) {
      this.#down(error);
      throw error;
    }
  }

  #up(session: Session<T>): void {
    this.#session = session;
    this.#enter({ kind: 'up', way: session.way, detail: session.detail });
    void this.#watch(session);
  }

  async #watch(session: Session<T>): Promise<void> {
    const since = Date.now();
    const error = await session.ended;
    if (this.#session !== session) return;
    this.#session = undefined;
    session.close();
    if (Date.now() - since >= STABLE_MS) this.#failures = 0;
    this.#down(error);
  }

  #down(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    const pauseMs = pauseAfter(this.#failures++, this.#options.random ?? Math.random);
    this.#enter({ kind: 'down', error, retryAt: new Date(Date.now() + pauseMs) });
    this.#timer = setTimeout(() => void this.#retry(), pauseMs);
    // A run that has nothing else to do does not wait for a dead host.
    this.#timer.unref();
  }

  async #retry(): Promise<void> {
    try {
      await this.#connectOnce();
    } catch {
      // `#down` has reported it and set the next timer.
    }
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

/** Doubles from 1 s to 60 s, less up to a half by chance, so that many hosts do not knock at once. */
export function pauseAfter(failures: number, random: () => number): number {
  const full = Math.min(LAST_RETRY_MS, 2 * FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
  return Math.round(full * (1 - random() / 2));
}

function downError(name: string, state: { readonly error: unknown; readonly retryAt: Date }): OperatorError {
  const seconds = Math.max(0, Math.ceil((state.retryAt.getTime() - Date.now()) / 1000));
  const code = state.error instanceof OperatorError ? state.error.code : 'E_SSH_UNREACHABLE';
  const context = state.error instanceof OperatorError ? state.error.context : {};
  return new OperatorError(code, `${errorMessage(state.error)} (tried again in ${seconds} s)`, {
    cause: state.error,
    context: { ...context, host: name },
  });
}

function streamEnd(name: string, stream: Duplex): Promise<Error> {
  return new Promise((resolve) => {
    const ended = (cause?: Error) =>
      resolve(
        new OperatorError('E_LIBVIRT_UNREACHABLE', `host '${name}': libvirt closed the connection`, {
          cause,
          context: { host: name },
        }),
      );
    stream.once('end', () => ended());
    stream.once('close', () => ended());
    stream.once('error', ended);
  });
}
