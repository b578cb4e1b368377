import { setTimeout as pause } from 'node:timers/promises';
import { WaitCutShort } from '../../core/asked.ts';
import type { MigrateStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { ConnectionClosedError, LibvirtError } from '../../libvirt/errors.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Cookie, Migration } from '../../libvirt/migration.ts';
import { rateOf, type Sample, withSample } from '../copy/progress.ts';
import type { DomainRef, StepContext } from './context.ts';
import { copyMeter } from './copy-meter.ts';

/** Starting QEMU on a busy host takes its time, and so does ending it. */
const PHASE_MS = 120_000;
const POLL_MS = 1000;
/** What is broken off ends at once, where the hosts reach each other. */
const PATIENCE_MS = 10_000;
const NO_COOKIE: Cookie = Buffer.alloc(0);
const BOTH = { live: true, persistDest: true, nonSharedInc: true } as const;
const ON_SOURCE = { ...BOTH, changeProtection: true, abortOnError: true, autoConverge: true } as const;

export interface HandOver {
  readonly step: MigrateStep;
  /** On the source, where it runs. */
  readonly domain: DomainRef;
  /** As it is to run there, and as it is to be started there next. */
  readonly definitions: { readonly running: string; readonly next: string };
  /** Targets of the disks that are copied: `vda`. */
  readonly disks: readonly string[];
  /** Puts the claim back on the target, where the guest has not come up. */
  readonly claimAgain: () => Promise<void>;
  /** Called where it has failed, and the guest goes on on the source for certain. */
  readonly callOff: () => Promise<void>;
}

/**
 * Has a guest go on on another host, by the five phases of libvirt's migration. We call both ends, so that no host needs to
 * log in to another, and the source's process is ended by us alone, once the guest runs on the target. Whatever cuts this
 * short, the daemons undo their part when our connections are gone: until the guest runs there it goes on, or waits paused,
 * where it was.
 */
export async function handOver(context: StepContext, source: StepContext, order: HandOver): Promise<void> {
  // The daemons have to notice when we are gone, and not only when the network says so.
  const own = { isWatched: true };
  const from = await source.client.another(own);
  try {
    const to = await context.client.another(own);
    try {
      await runPhases(context, source, { ...order, from: from.migration, to: to.migration, target: to });
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

interface Ends extends HandOver {
  readonly from: Migration;
  readonly to: Migration;
  readonly target: Libvirt;
}

async function runPhases(context: StepContext, source: StepContext, ends: Ends): Promise<void> {
  const { step, domain, definitions, disks, from, to, target } = ends;
  const { bandwidthMiBs } = step.limits;
  const always = [
    ['persistent_xml', definitions.next] as const,
    ...disks.map((disk) => ['migrate_disks', disk] as const),
    ...(bandwidthMiBs === undefined ? [] : [['bandwidth', bandwidthMiBs] as const]),
  ];
  context.progress(`preparing ${context.host}`);
  const begun = await from.begin(domain, [['destination_xml', definitions.running], ...always], ON_SOURCE);
  const both = [['destination_xml', begun.xml] as const, ...always];
  const uri = `tcp://${bracketed(context.migrationAddressOf(context.host))}`;
  const prepared = await to.prepare(
    { params: [...both, ['migrate_uri', uri]], cookie: begun.cookie },
    { ...BOTH, timeoutMs: PHASE_MS },
  );
  const params = [...both, ['migrate_uri', prepared.uri ?? uri] as const];
  const there = { params: [...params, ['destination_name', step.vm] as const] };
  let cookie: Cookie;
  try {
    cookie = await watched(context, source.client.migration, {
      domain,
      isOver: () => context.superseded.aborted || target.closed !== undefined,
      work: () => from.perform(domain, { params, cookie: prepared.cookie }, ON_SOURCE),
    });
  } catch (error) {
    const isSuperseded = context.superseded.aborted;
    if (error instanceof NotBrokenOffError) throw isSuperseded ? new WaitCutShort() : error;
    // It has not left: what fails of this is undone when the connections are closed.
    await to.finish({ ...there, cookie: NO_COOKIE, cancelled: true }, BOTH).catch(() => undefined);
    await from
      .confirm(domain, { params, cookie: NO_COOKIE, cancelled: true }, ON_SOURCE)
      .catch(() => undefined);
    await ends.callOff();
    throw isSuperseded ? new WaitCutShort() : error;
  }
  context.progress('going on there');
  const ended = await finish(ends, { ...there, cookie }, params);
  await from.confirm(
    domain,
    { params, cookie: ended, cancelled: false },
    { ...ON_SOURCE, timeoutMs: PHASE_MS },
  );
}

type Params = Parameters<Migration['perform']>[1]['params'];

/**
 * From the first byte of this on only the target knows. Where it says that the guest does not run there, or was never asked,
 * the guest goes on here; where nobody knows, it stays paused, and the next pass sees.
 */
async function finish(
  { domain, from, to, claimAgain, callOff }: Ends,
  there: { readonly params: Params; readonly cookie: Cookie },
  params: Params,
): Promise<Cookie> {
  try {
    return await to.finish({ ...there, cancelled: false }, { ...BOTH, timeoutMs: PHASE_MS });
  } catch (error) {
    const isRefused = error instanceof LibvirtError;
    const neverAsked = error instanceof ConnectionClosedError && !error.outcomeUnknown;
    if (isRefused) await claimAgain();
    if (isRefused || neverAsked) {
      await from.confirm(domain, { params, cookie: NO_COOKIE, cancelled: true }, ON_SOURCE);
      await callOff();
    }
    throw error;
  }
}

interface Watched<T> {
  readonly domain: DomainRef;
  /** It is to be broken off: a newer commit is there, or the other host is not. */
  readonly isOver: () => boolean;
  readonly work: () => Promise<T>;
}

/** Tells how far it is, and breaks it off where that is due. */
async function watched<T>(
  { progress }: StepContext,
  migration: Libvirt['migration'],
  { domain, isOver, work }: Watched<T>,
): Promise<T> {
  const over = new AbortController();
  const meter = copyMeter('the running VM', progress);
  let samples: readonly Sample[] = [];
  const look = async () => {
    // There may be no job yet, or none any more.
    if (isOver()) await migration.abortJob(domain).catch(() => undefined);
    const stats = await migration.jobStats(domain).catch(() => undefined);
    const [total, remaining] = [Number(stats?.['data_total'] ?? 0), Number(stats?.['data_remaining'] ?? 0)];
    if (total === 0 || over.signal.aborted) return;
    const sample = { atMs: performance.now(), doneBytes: Math.max(0, total - remaining) };
    samples = withSample(samples, sample);
    const { doneBytes } = sample;
    meter({ phase: 'copying', doneBytes, totalBytes: total, bytesPerSecond: Math.max(0, rateOf(samples)) });
  };
  const watching = async () => {
    while (!over.signal.aborted) {
      await pause(POLL_MS, undefined, { signal: over.signal }).catch(() => undefined);
      if (!over.signal.aborted) await look();
    }
  };
  try {
    void watching();
    return await Promise.race([work(), tooLong(isOver, over.signal)]);
  } finally {
    over.abort();
  }
}

/** Rejects where it does not break off: QEMU waits for a host that is cut off for a quarter of an hour. */
async function tooLong(isOver: () => boolean, signal: AbortSignal): Promise<never> {
  for (let overMs = 0; overMs < PATIENCE_MS; overMs = isOver() ? overMs + POLL_MS : 0)
    await pause(POLL_MS, undefined, { signal });
  throw new NotBrokenOffError();
}

class NotBrokenOffError extends OperatorError {
  constructor() {
    super(
      'E_MOVE',
      'QEMU does not stop sending it, as the other host does not answer: the guest goes on where it is, and is moved when that host is back',
    );
  }
}

/** IPv6 addresses stand in brackets. */
function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
