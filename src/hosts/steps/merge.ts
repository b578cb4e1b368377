import { setTimeout as delay } from 'node:timers/promises';
import type { VolumeRef } from '../../core/mark.ts';
import {
  frozenBy,
  overlaysOf,
  type Snapshot,
  snapshotsOf,
  unfinishedSnapshot,
  withSnapshot,
  withSnapshots,
} from '../../core/snapshot.ts';
import type { MergeStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError, LibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { definedFiles, diskFiles, pathOf } from './disk-chains.ts';
import { type Owned, requireOwned, writeMark } from './owned.ts';
import { deleteUnused, requireNoSavedMemory, strikeOff } from './snapshot-parts.ts';
import { findVolume } from './volumes.ts';

const LOOK_EVERY_MS = 100;

/**
 * Moves what was written since a snapshot into the files that it froze, and forgets it. Only QEMU can do that: a VM that
 * is off is started paused for it, so that its guest never runs, and ended after.
 */
export async function mergeSnapshot(context: StepContext, step: MergeStep): Promise<void> {
  const owned = await requireOwned(context, step, ['ready']);
  const snapshot = snapshotsOf(owned.mark).find(({ name }) => name === step.snapshot);
  if (snapshot !== undefined) await merge(context, step, owned, await claim(context, step, owned, snapshot));
  await strikeOff(context, step, 'delete', step.snapshot);
}

/** From here on there is no way back to it. */
async function claim(
  context: StepContext,
  step: MergeStep,
  { mark }: Owned,
  snapshot: Snapshot,
): Promise<Snapshot> {
  const other = unfinishedSnapshot(mark);
  const isBusy = other !== undefined && other.name !== snapshot.name;
  if (isBusy || snapshot.state === 'reverting') {
    const name = other?.name ?? snapshot.name;
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: its snapshot ${name} is ${other?.state} just now`,
    );
  }
  if (snapshot.state === 'merging') return snapshot;
  const claimed: Snapshot = { ...snapshot, state: 'merging' };
  await writeMark(context, step, withSnapshot(mark, claimed));
  return claimed;
}

async function merge(context: StepContext, step: MergeStep, owned: Owned, snapshot: Snapshot): Promise<void> {
  const { domain, mark } = owned;
  const layers = await layersOf(context, owned, snapshot);
  const isIn = (files: Awaited<ReturnType<typeof diskFiles>>) =>
    layers.filter(({ target, top }) => files.get(target)?.includes(top));
  const toMerge = isIn(await diskFiles(context, domain));
  let paused = snapshot.paused === true;
  if (toMerge.length > 0) {
    await requireRoom(context, step, snapshot);
    paused = (await wakeUp(context, step, owned, snapshot)) || paused;
  }
  try {
    for (const layer of toMerge) await commit(context, step, domain, layer);
  } catch (error) {
    // Refused: the files are as they were, and the VM is to be off again. After a lost connection the next try does it.
    if (paused && (error instanceof LibvirtError || error instanceof OperatorError))
      await putToSleep(context, domain);
    throw error;
  }
  if (paused) await putToSleep(context, domain);
  const defined = new Set((await definedFiles(context, domain)).values());
  if (isIn(await diskFiles(context, domain)).length > 0 || layers.some(({ top }) => defined.has(top)))
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host}: snapshot ${snapshot.name} was merged, and its files are in use still`,
    );
  await deleteUnused(context, step, snapshot.disks.flatMap(overlaysOf));
  await writeMark(
    context,
    step,
    withSnapshots(
      mark,
      snapshotsOf(mark).filter(({ name }) => name !== snapshot.name),
    ),
  );
}

interface Layer {
  readonly target: string;
  /** Path of the overlay, and of the file that it freezes. */
  readonly top: string;
  readonly base: string;
}

async function layersOf(
  context: StepContext,
  { mark }: Owned,
  snapshot: Snapshot,
): Promise<readonly Layer[]> {
  return Promise.all(
    snapshot.disks.map(async ({ target, pool, overlay }) => {
      const frozen = frozenBy(mark, snapshot.name, target);
      if (frozen === undefined)
        throw new OperatorError('E_SNAPSHOT', `the mark names no volume for disk ${target}`);
      return {
        target,
        top: await pathOf(context, { pool, name: overlay }),
        base: await pathOf(context, frozen),
      };
    }),
  );
}

/** What is frozen may grow by all that was written since. */
async function requireRoom(context: StepContext, step: MergeStep, { name, disks }: Snapshot): Promise<void> {
  const { client } = context;
  const needed = new Map<string, number>();
  for (const { pool, overlay } of disks) {
    const bytes = await allocated(context, { pool, name: overlay });
    needed.set(pool, (needed.get(pool) ?? 0) + bytes);
  }
  for (const [pool, bytes] of needed) {
    const { availableBytes } = await client.pools.info(await client.pools.byName(pool));
    if (availableBytes > bytes) continue;
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: merging ${name} may take ${bytes} bytes in pool ${pool}, which has ${availableBytes} left`,
    );
  }
}

async function allocated(context: StepContext, ref: VolumeRef): Promise<number> {
  const volume = await findVolume(context, ref);
  return volume === undefined ? 0 : (await context.client.volumes.info(volume)).allocationBytes;
}

/** Starts a VM that is off, paused. True where it is paused because of us. */
async function wakeUp(
  context: StepContext,
  step: MergeStep,
  owned: Owned,
  snapshot: Snapshot,
): Promise<boolean> {
  const { domains } = context.client;
  const { domain, mark } = owned;
  const { state } = await domains.state(domain);
  if (state !== 'shutoff' && state !== 'crashed') return false;
  await requireNoSavedMemory(context, step, domain);
  if (snapshot.paused !== true)
    await writeMark(context, step, withSnapshot(mark, { ...snapshot, paused: true }));
  await domains.start(domain, { paused: true });
  return true;
}

/** Somebody may have let it run on: then it stays so. */
async function putToSleep({ client }: StepContext, domain: DomainRef): Promise<void> {
  if ((await client.domains.state(domain)).state === 'paused') await client.domains.destroy(domain);
}

/** Goes on with a job that an earlier try began. */
async function commit(context: StepContext, step: MergeStep, domain: DomainRef, layer: Layer): Promise<void> {
  const { chains } = context.client;
  const { target, base, top } = layer;
  const isActive = (await diskFiles(context, domain)).get(target)?.[0] === top;
  const begun = await chains.job(domain, target);
  if (begun !== undefined && begun.kind !== (isActive ? 'activeCommit' : 'commit'))
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: another job is at work on its disk ${target}`,
    );
  if (begun === undefined) await chains.commit(domain, { disk: target, base, top }, { active: isActive });
  const deadline = performance.now() + context.copyTimeoutMs;
  for (;;) {
    const job = await chains.job(domain, target);
    if (job === undefined) return;
    if (isActive && job.ready && (await pivots(context, domain, target))) return;
    if (performance.now() > deadline)
      throw new OperatorError(
        'E_TIMEOUT',
        `${step.vm} on ${step.host}: merging disk ${target} took too long`,
      );
    context.progress(`merging ${target}: ${percent(job)} %`);
    await delay(LOOK_EVERY_MS);
  }
}

/** QEMU is ready a moment before libvirt has heard of it, which then refuses: false, and it is asked again. */
async function pivots({ client }: StepContext, domain: DomainRef, target: string): Promise<boolean> {
  try {
    await client.chains.endJob(domain, target, { pivot: true });
    return true;
  } catch (error) {
    if (isLibvirtError(error, 'BLOCK_COPY_ACTIVE')) return false;
    throw error;
  }
}

function percent({
  currentBytes,
  endBytes,
}: {
  readonly currentBytes: number;
  readonly endBytes: number;
}): number {
  return endBytes === 0 ? 0 : Math.floor((100 * currentBytes) / endBytes);
}
