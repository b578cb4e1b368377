import type { Mark, VolumeRef } from '../../core/mark.ts';
import {
  frozenBy,
  type Snapshot,
  snapshotsOf,
  unfinishedSnapshot,
  volumesFromTheTop,
  withSnapshot,
  withSnapshots,
} from '../../core/snapshot.ts';
import type { RevertStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { definedFiles, defineFiles, freeName, makeOverlay, pathOf } from './disk-chains.ts';
import { type Owned, requireOwned, writeMark } from './owned.ts';
import { shutDown } from './shut-down.ts';
import { deleteUnused, strikeOff } from './snapshot-parts.ts';

/**
 * Throws away what was written since a snapshot, and every newer one. The VM is shut down and goes on in new overlays of
 * the frozen files; what it had is deleted only when its definition no longer names it.
 */
export async function revertToSnapshot(context: StepContext, step: RevertStep): Promise<void> {
  const owned = await requireOwned(context, step, ['ready']);
  const found = snapshotsOf(owned.mark).find(({ name }) => name === step.snapshot);
  if (found !== undefined) {
    const snapshot = found.state === 'reverting' ? found : await claim(context, step, owned, found);
    await revert(context, step, owned, snapshot);
  }
  await strikeOff(context, step, 'revert', step.snapshot);
}

async function claim(
  context: StepContext,
  step: RevertStep,
  { mark, domain }: Owned,
  snapshot: Snapshot,
): Promise<Snapshot> {
  const other = unfinishedSnapshot(mark);
  if (other !== undefined)
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: its snapshot ${other.name} is ${other.state} just now`,
    );
  await requireOurFiles(context, step, { mark, domain }, snapshot);
  await shutDown(context, step, domain);
  const disks = [];
  for (const disk of snapshot.disks) {
    const own = mark.volumes.find(({ target, retained }) => target === disk.target && retained === undefined);
    const name = { pool: disk.pool, base: own?.name ?? disk.overlay, snapshot: snapshot.name };
    disks.push({ ...disk, fresh: await freeName(context, name, volumesFromTheTop(mark)) });
  }
  const claimed: Snapshot = { ...snapshot, state: 'reverting', disks };
  await writeMark(context, step, withSnapshot(mark, claimed));
  return claimed;
}

/** A disk that is on another file than its newest overlay has a snapshot that was made by hand. */
async function requireOurFiles(
  context: StepContext,
  step: RevertStep,
  { mark, domain }: Pick<Owned, 'mark' | 'domain'>,
  snapshot: Snapshot,
): Promise<void> {
  const defined = await definedFiles(context, domain);
  const has = new Set(snapshot.disks.map(({ target }) => target));
  for (const { target } of newerThan(mark, snapshot).flatMap(({ disks }) => disks)) {
    if (!has.has(target))
      throw new OperatorError(
        'E_SNAPSHOT',
        `${step.vm} on ${step.host}: disk ${target} is not in ${snapshot.name}, but in a newer snapshot: merge that first`,
      );
  }
  for (const target of has) {
    const top = frozenBy(mark, undefined, target);
    if (top !== undefined && defined.get(target) === (await pathOf(context, top))) continue;
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: its disk ${target} is on ${defined.get(target)}, which is no volume of ours: look at it`,
    );
  }
}

async function revert(
  context: StepContext,
  step: RevertStep,
  owned: Owned,
  snapshot: Snapshot,
): Promise<void> {
  const { client } = context;
  const { domain } = owned;
  const mark = withSnapshot(owned.mark, snapshot);
  const wanted = new Map<string, string>();
  for (const { target, pool, fresh = '' } of snapshot.disks)
    wanted.set(target, await pathOf(context, { pool, name: fresh }));
  const defined = await definedFiles(context, domain);
  if ([...wanted].some(([target, file]) => defined.get(target) !== file)) {
    await shutDown(context, step, domain);
    // It belongs to the files that are thrown away.
    if (await client.domains.hasManagedSave(domain)) await client.domains.removeManagedSave(domain);
    for (const { target, pool, fresh = '' } of snapshot.disks) {
      const frozen = frozenBy(mark, snapshot.name, target);
      if (frozen === undefined)
        throw new OperatorError('E_SNAPSHOT', `the mark names no volume for disk ${target}`);
      await makeOverlay(context, { pool, name: fresh }, frozen);
    }
    context.progress(`going back to ${snapshot.name}`);
    await defineFiles(context, domain, wanted);
  }
  await deleteUnused(context, step, discarded(mark, snapshot));
  await writeMark(context, step, reverted(mark, snapshot));
}

function newerThan(mark: Mark, { name }: Snapshot): readonly Snapshot[] {
  const all = snapshotsOf(mark);
  return all.slice(all.findIndex((other) => other.name === name) + 1);
}

/** The newest first: each is an overlay of the next. */
function discarded(mark: Mark, snapshot: Snapshot): readonly VolumeRef[] {
  return [snapshot, ...newerThan(mark, snapshot)]
    .toReversed()
    .flatMap(({ disks }) => disks.map(({ pool, overlay }) => ({ pool, name: overlay })));
}

function reverted(mark: Mark, snapshot: Snapshot): Mark {
  const dropped = new Set(newerThan(mark, snapshot).map(({ name }) => name));
  const kept = snapshotsOf(mark).filter(({ name }) => !dropped.has(name));
  const { disks: _, state: __, ...about } = snapshot;
  const disks = snapshot.disks.map(({ target, pool, overlay, fresh }) => ({
    target,
    pool,
    overlay: fresh ?? overlay,
  }));
  return withSnapshot(withSnapshots(mark, kept), { ...about, state: 'ready', disks });
}
