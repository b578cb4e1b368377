import type { Duplex } from 'node:stream';
import { type Agent, agentCalls } from './agent.ts';
import { type Chains, chainCalls } from './chains.ts';
import { RpcConnection, type RpcOptions } from './connection.ts';
import { type Devices, deviceCalls } from './devices.ts';
import { type Domains, domainCalls } from './domains.ts';
import type { ConnectionClosedError } from './errors.ts';
import { type Events, eventCalls } from './events.ts';
import { type Migration, migrationCalls } from './migration.ts';
import { type Node, nodeCalls } from './node.ts';
import { type Pools, poolCalls } from './pools.ts';
import { AUTH, FEATURE } from './protocol/connect.ts';
import { type Volumes, volumeCalls } from './volumes.ts';

const CLOSE_TIMEOUT_MS = 2000;

export interface OpenOptions extends RpcOptions {
  /** `qemu:///system` unless given. */
  readonly uri?: string | undefined;
  /** Gives up opening. Of no effect once it is open. */
  readonly signal?: AbortSignal | undefined;
  /** Opens one more stream to the same daemon; without it there is no second connection. */
  readonly openMore?: (() => Promise<Duplex>) | undefined;
}

/** A host's libvirt. */
export interface Libvirt {
  readonly domains: Domains;
  readonly devices: Devices;
  readonly chains: Chains;
  readonly migration: Migration;
  readonly agent: Agent;
  readonly pools: Pools;
  readonly volumes: Volumes;
  readonly node: Node;
  readonly events: Events;
  /**
   * One more connection to the same daemon. For bulk data, which may stop everything else on its own one: nothing pings on
   * it, since a busy disk may silence it for long. With `isWatched` each end pings the other as here, and so notices when
   * that is gone. To be closed by who opened it.
   */
  another(options?: { readonly signal?: AbortSignal; readonly isWatched?: boolean }): Promise<Libvirt>;
  /** Why the connection is closed; undefined while it is open. */
  readonly closed: ConnectionClosedError | undefined;
  /** Calls the listener once, when the connection is closed by either side; returns what takes it off again. */
  onClose(listener: (error: ConnectionClosedError) => void): () => void;
  /** Takes leave of the daemon, if it listens, and ends the connection. Never rejects. */
  close(): Promise<void>;
}

/** Opens libvirt over a stream of bytes to its socket. The stream is ours from here on, and is destroyed when this fails. */
export async function openLibvirt(stream: Duplex, options: OpenOptions = {}): Promise<Libvirt> {
  const rpc = new RpcConnection(stream, options);
  try {
    await greet(rpc, options);
  } catch (error) {
    rpc.close();
    throw error;
  }
  return {
    domains: domainCalls(rpc),
    devices: deviceCalls(rpc),
    chains: chainCalls(rpc),
    migration: migrationCalls(rpc),
    agent: agentCalls(rpc),
    pools: poolCalls(rpc),
    volumes: volumeCalls(rpc),
    node: nodeCalls(rpc),
    events: eventCalls(rpc),
    another: ({ signal, isWatched = false } = {}) =>
      openAnother(isWatched ? options : { ...options, keepalive: undefined }, signal),
    get closed() {
      return rpc.closed;
    },
    onClose: (listener) => rpc.onClose(listener),
    close: () => takeLeave(rpc),
  };
}

async function openAnother(
  { openMore, uri, callTimeoutMs, keepalive }: OpenOptions,
  signal: AbortSignal | undefined,
): Promise<Libvirt> {
  if (openMore === undefined) throw new Error('this connection does not know how to open another one');
  return openLibvirt(await openMore(), { uri, callTimeoutMs, openMore, keepalive, signal });
}

async function greet(
  rpc: RpcConnection,
  { uri = 'qemu:///system', keepalive, signal }: OpenOptions,
): Promise<void> {
  const { types } = await rpc.call('authList', undefined, { signal });
  if (!types.includes(AUTH.none)) await authenticate(rpc, types, signal);
  await rpc.call('connectOpen', { name: uri, flags: 0 }, { signal });
  // Asking is what makes the daemon ping us, so that it notices when we are gone.
  if (keepalive !== undefined)
    await rpc.call('connectSupportsFeature', { feature: FEATURE.keepalive }, { signal });
}

async function authenticate(
  rpc: RpcConnection,
  types: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!types.includes(AUTH.polkit)) {
    throw new Error(
      `libvirt asks for authentication of a kind that is not supported (${types.join(', ')}): ` +
        "set auth_unix_rw to 'none' or 'polkit' in libvirtd.conf and let file permissions guard the socket",
    );
  }
  // polkit decides by who owns the other end of the socket: there is nothing to send.
  await rpc.call('authPolkit', undefined, { signal });
}

async function takeLeave(rpc: RpcConnection): Promise<void> {
  try {
    await rpc.call('connectClose', undefined, { timeoutMs: CLOSE_TIMEOUT_MS });
  } catch {
    // The daemon sees the connection end either way.
  }
  rpc.close();
}
