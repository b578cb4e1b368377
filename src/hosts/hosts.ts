import pLimit from 'p-limit';
import type { SourceVm } from '../core/desired.ts';
import type { ObservedHost, UnknownHost } from '../core/observed.ts';
import { isNamesStep, type Step, type StepKind, subjectOf } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { CallTimeoutError, ConnectionClosedError, LibvirtError } from '../libvirt/errors.ts';
import type { Hosts, Question } from '../ports.ts';
import { createCopyTurns } from './copy/copy-turns.ts';
import { copyVolume } from './copy/copy-volume.ts';
import { createDefinitionCache, type DefinitionCache } from './definition-cache.ts';
import type { HostClient } from './host-client.ts';
import type { CheckedVolumes } from './images/checked-volumes.ts';
import { imageSizes } from './images/image-size.ts';
import { limitPerKey } from './images/limit-per-key.ts';
import { openSourceDisk } from './images/source-disk.ts';
import type { Inventory } from './inventory.ts';
import { observeHost } from './observe-host.ts';
import { applyStep } from './steps/apply-step.ts';
import type { StepContext } from './steps/context.ts';

/** Pools are refreshed when libvirt's figures are older than this: guests write past libvirt. */
const POOL_REFRESH_MS = 5 * 60_000;

/** Images are sent through this machine's network and processor. */
const UPLOADS_AT_ONCE = 2;

/** From then on a host may have the VM. */
const BRINGS_VM: readonly StepKind[] = ['create', 'restore', 'receive', 'migrate'];

const NEVER = new AbortController().signal;

/** Keeps one host connected. */
export interface HostConnection {
  readonly name: string;
  /** The open client; connects if need be. Throws at once while a retry is pending. */
  get(signal?: AbortSignal): Promise<HostClient>;
}

export type StepSettings = Pick<
  StepContext,
  'shutdownTimeoutMs' | 'force' | 'letGoMs' | 'copyTimeoutMs' | 'seedImage' | 'guests' | 'migrationAddressOf'
>;

export interface HostsOptions {
  readonly connections: readonly HostConnection[];
  readonly inventory: Inventory;
  readonly settings: StepSettings;
  readonly images: Omit<StepContext['images'], 'inTurn' | 'onePerFile' | 'openSource' | 'hashes'>;
  /** A host that is silent for so long in one observation is Unknown. */
  readonly observeTimeoutMs: number;
}

/** The KVM hosts, over libvirt. */
export function createHosts(options: HostsOptions): Hosts {
  const hosts = new Map(
    options.connections.map((connection) => [
      connection.name,
      createObserver(connection, options.images.checked),
    ]),
  );

  const openSource = async (source: SourceVm) => {
    const host = hosts.get(source.host);
    if (host === undefined)
      throw new OperatorError('E_SSH_UNREACHABLE', `${source.host} is not in operator.yaml`);
    return openSourceDisk((await host.connection.get()).libvirt, source);
  };
  const images = {
    ...options.images,
    openSource,
    onePerFile: limitPerKey(),
    inTurn: pLimit(UPLOADS_AT_ONCE),
    hashes: new Map<string, string>(),
  };
  const copyInTurn = createCopyTurns();

  return {
    async observe(question, signal) {
      const answers = await Promise.all(
        [...hosts.values()].map((host) => observeOne(host, question, signal)),
      );
      signal.throwIfAborted();
      const trusted = answers.map((answer) => distrustTwins(answer, answers));
      const sizes = await imageSizes(question.images ?? [], trusted, options.images.files);
      const seen = trusted.map((host) => (host.kind === 'known' ? { ...host, images: sizes } : host));
      await options.inventory.remember(seen.filter((host) => host.kind === 'known'));
      return { hosts: new Map(seen.map((host) => [host.name, host])) };
    },

    async apply(step, tell, superseded = NEVER) {
      if (isNamesStep(step)) throw new TypeError(`${step.kind} is not for a KVM host`);
      const host = hosts.get(step.host);
      if (host === undefined)
        throw new OperatorError('E_SSH_UNREACHABLE', `${step.host} is not in operator.yaml`);
      try {
        const { libvirt, facts, events } = await host.connection.get();
        if ('vm' in step && BRINGS_VM.includes(step.kind)) await options.inventory.expect(step.host, step.vm);
        const { defineInTurn } = host;
        const progress = (message: string) => tell(message);
        const remark = (message: string) => tell(message, 'remark');
        const about = { host: step.host, facts, progress, remark, superseded };
        const own = { ...about, client: libvirt, events, defineInTurn, images };
        const context = { ...own, peer, copyVolume, copyInTurn };
        try {
          await applyStep({ ...context, ...options.settings }, step);
        } finally {
          if ('vm' in step) host.definitions.forgetLive(step.uuid);
        }
      } catch (error) {
        throw explain(error, step);
      }
    },
  };

  async function peer(name: string): ReturnType<StepContext['peer']> {
    const host = hosts.get(name);
    if (host === undefined) throw new OperatorError('E_SSH_UNREACHABLE', `${name} is not in operator.yaml`);
    const { libvirt, facts, events } = await host.connection.get();
    return { host: name, client: libvirt, facts, events };
  }

  async function observeOne(observer: Observer, question: Question, signal: AbortSignal): Promise<Seen> {
    const { name } = observer.connection;
    if (question.offline.has(name))
      return { host: { ...unknown(name, 'cluster.yaml says that it is offline'), isOffline: true } };
    const timeout = AbortSignal.timeout(options.observeTimeoutMs);
    try {
      return await observer.observe(question, AbortSignal.any([signal, timeout]));
    } catch (error) {
      const late = `it did not answer within ${options.observeTimeoutMs / 1000} s`;
      return { host: unknown(name, error === timeout.reason ? late : errorMessage(error)) };
    }
  }

  /** Two names for one host would make every VM on it look doubled, and a new one be made twice. */
  function distrustTwins({ host, hostUuid }: Seen, all: readonly Seen[]): ObservedHost {
    const twin = all.find(
      (other) => other.host !== host && hostUuid !== undefined && other.hostUuid === hostUuid,
    );
    if (twin === undefined) return host;
    return unknown(
      host.name,
      `it has the same libvirt host uuid (${hostUuid}) as ${twin.host.name}: they are one host under two names, ` +
        'or host_uuid has to be set in libvirtd.conf of both',
    );
  }

  function unknown(name: string, reason: string): UnknownHost {
    const lastSeen = options.inventory.lastSeen(name);
    return { kind: 'unknown', name, reason, ...(lastSeen !== undefined && { lastSeen }) };
  }
}

interface Observer {
  readonly connection: HostConnection;
  readonly definitions: DefinitionCache;
  readonly defineInTurn: StepContext['defineInTurn'];
  observe(question: Question, signal: AbortSignal): Promise<Seen>;
}

interface Seen {
  readonly host: ObservedHost;
  readonly hostUuid?: string;
}

/** A connection with what is kept between observations. */
function createObserver(connection: HostConnection, checked: CheckedVolumes): Observer {
  const definitions = createDefinitionCache();
  let refreshedAt = Number.NEGATIVE_INFINITY;
  return {
    connection,
    definitions,
    defineInTurn: pLimit(1),
    async observe({ volumes }, signal) {
      const { libvirt, facts } = await connection.get(signal);
      const now = performance.now();
      const refreshPools = now - refreshedAt > POOL_REFRESH_MS;
      if (refreshPools) definitions.forgetLive();
      const options = { name: connection.name, facts, definitions, volumes, checked, refreshPools, signal };
      const host = await observeHost(libvirt, options);
      if (refreshPools) refreshedAt = now;
      return { host, hostUuid: facts.hostUuid };
    },
  };
}

/** Puts what it was about into an error of libvirt's, and tells a refusal from an outcome that nobody knows. */
function explain(error: unknown, step: Step): unknown {
  const { host, kind } = step;
  const subject = subjectOf(step);
  const context = { subject, host, step: kind };
  if (error instanceof LibvirtError) {
    const message = `${kind} of ${subject} on ${host}: libvirt says: ${error.message} (${error.codeName} in ${error.procedure})`;
    return new OperatorError('E_LIBVIRT', message, { cause: error, context });
  }
  if (error instanceof ConnectionClosedError || error instanceof CallTimeoutError) {
    const message = `${kind} of ${subject} on ${host}: ${error.message}. The next pass looks at what is there`;
    return new OperatorError('E_OUTCOME_UNKNOWN', message, { cause: error, context });
  }
  return error;
}
