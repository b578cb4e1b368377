import { readDiskSources, snapshotXml } from '../../core/disk-sources.ts';
import type { Mark } from '../../core/mark.ts';
import {
  frozenBy,
  type Snapshot,
  type SnapshotDisk,
  snapshotsOf,
  unfinishedSnapshot,
  volumesFromTheTop,
  withSnapshot,
  withSnapshots,
} from '../../core/snapshot.ts';
import type { SnapshotStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { definedFiles, defineFiles, diskFiles, freeName, makeOverlay, pathOf } from './disk-chains.ts';
import { isNotMade } from './fill-disks.ts';
import { type Owned, requireOwned, writeMark } from './owned.ts';
import { takeQuiesced, thawLeftOver } from './quiesce.ts';
import { deleteUnused, requireNoSavedMemory, strikeOff } from './snapshot-parts.ts';

/**
 * Freezes the files of all disks and lets the VM go on in overlays of them. Claim first, then fill: the mark names the
 * overlays before they are made; what the VM's definition names tells how far an earlier try came.
 */
export async function takeSnapshot(context: StepContext, step: SnapshotStep): Promise<void> {
  const owned = await requireOwned(context, step, ['ready']);
  const earlier = snapshotsOf(owned.mark).find(({ name }) => name === step.snapshot);
  if (earlier?.state === 'taking') await thawLeftOver(context, step, owned.domain);
  if (earlier === undefined || earlier.state === 'taking') {
    const mark = earlier === undefined ? await claim(context, step, owned) : owned.mark;
    const snapshot = snapshotsOf(mark).find(({ name }) => name === step.snapshot);
    if (snapshot !== undefined) await fill(context, step, { ...owned, mark }, snapshot);
  }
  await strikeOff(context, step, 'create', step.snapshot);
}

/** Writes into the mark what is going to be made. */
async function claim(context: StepContext, step: SnapshotStep, { domain, mark }: Owned): Promise<Mark> {
  requireNoneUnfinished(step, mark);
  const disks: SnapshotDisk[] = [];
  for (const { target, file } of await disksToFreeze(context, step, { domain, mark })) {
    const own = mark.volumes.find((volume) => volume.target === target && volume.retained === undefined);
    if (own === undefined) throw strange(step, target, file);
    const name = { pool: own.pool, base: own.name, snapshot: step.snapshot };
    disks.push({ target, pool: own.pool, overlay: await freeName(context, name, volumesFromTheTop(mark)) });
  }
  const { snapshot: name, at, by } = step;
  const claimed = withSnapshot(mark, { name, at, by, state: 'taking', disks });
  await writeMark(context, step, claimed);
  return claimed;
}

/** Throws where a disk is on a file that the mark does not name: that of a snapshot made by hand, for one. */
async function disksToFreeze(
  context: StepContext,
  step: SnapshotStep,
  { domain, mark }: Pick<Owned, 'domain' | 'mark'>,
): Promise<readonly { readonly target: string; readonly file: string }[]> {
  const { domains } = context.client;
  const disks = readDiskSources(await domains.xml(domain, { inactive: true })).filter(({ fixed }) => !fixed);
  const now = await diskFiles(context, domain);
  const frozen: { target: string; file: string }[] = [];
  for (const { target, files } of disks) {
    const file = files[0] ?? '';
    const ours = frozenBy(mark, undefined, target);
    if (ours === undefined || (await pathOf(context, ours)) !== file) throw strange(step, target, file);
    if (now.get(target)?.[0] === file) {
      frozen.push({ target, file });
      continue;
    }
    throw new OperatorError(
      'E_SNAPSHOT',
      `${step.vm} on ${step.host}: disk ${target} runs on another file than its definition says: restart it first`,
    );
  }
  return frozen;
}

function strange({ vm, host, snapshot }: SnapshotStep, target: string, file: string): OperatorError {
  return new OperatorError(
    'E_SNAPSHOT',
    `${vm} on ${host}: snapshot ${snapshot} cannot be taken, as its disk ${target} is on ${file}, which is no volume of ours. ` +
      'Detach it, or merge the snapshot that was made by hand',
  );
}

function requireNoneUnfinished({ vm, host }: SnapshotStep, mark: Mark): void {
  const other = unfinishedSnapshot(mark);
  if (other === undefined) return;
  throw new OperatorError(
    'E_SNAPSHOT',
    `${vm} on ${host}: its snapshot ${other.name} is ${other.state} just now`,
  );
}

/** Makes the overlays, switches the VM over to them, and says in the mark that it is done. */
async function fill(
  context: StepContext,
  step: SnapshotStep,
  owned: Owned,
  snapshot: Snapshot,
): Promise<void> {
  const { domain, mark } = owned;
  const wanted = new Map<string, string>();
  for (const { target, pool, overlay } of snapshot.disks)
    wanted.set(target, await pathOf(context, { pool, name: overlay }));
  const isOn = await isActive(context, owned);
  let { consistency } = snapshot;
  if (!(await runsOn(context, owned, wanted))) {
    if (!isOn) await requireNoSavedMemory(context, step, domain);
    await makeOverlays(context, step, { mark, snapshot });
    context.progress(`freezing its disks as ${snapshot.name}`);
    if (isOn) consistency = await switchRunning(context, { ...step, domain }, wanted);
  }
  const defined = await definedFiles(context, domain);
  if ([...wanted].some(([target, file]) => defined.get(target) !== file))
    await defineFiles(context, domain, wanted);
  if (!(await runsOn(context, owned, wanted)))
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host}: snapshot ${snapshot.name} was taken, and the VM does not go on in its files`,
    );
  const taken: Snapshot = { ...snapshot, state: 'ready', ...(consistency !== undefined && { consistency }) };
  await writeMark(context, step, withSnapshot(mark, taken));
}

/** What is refused leaves no claim behind: a file of that name may be somebody else's. */
async function makeOverlays(
  context: StepContext,
  step: SnapshotStep,
  { mark, snapshot }: { readonly mark: Mark; readonly snapshot: Snapshot },
): Promise<void> {
  const made: SnapshotDisk[] = [];
  for (const disk of snapshot.disks) {
    const { target, pool, overlay } = disk;
    const frozen = frozenBy(mark, snapshot.name, target);
    if (frozen === undefined)
      throw new OperatorError('E_SNAPSHOT', `the mark names no volume for disk ${target}`);
    try {
      await makeOverlay(context, { pool, name: overlay }, frozen);
    } catch (error) {
      if (!isNotMade(error)) throw error;
      const others = snapshotsOf(mark).filter(({ name }) => name !== snapshot.name);
      await writeMark(context, step, withSnapshot(mark, { ...snapshot, disks: made }));
      await deleteUnused(
        context,
        step,
        made.map((one) => ({ pool: one.pool, name: one.overlay })),
      );
      await writeMark(context, step, withSnapshots(mark, others));
      throw error;
    }
    made.push(disk);
  }
}

/** All disks at one moment. */
async function switchRunning(
  context: StepContext,
  { domain, ...step }: SnapshotStep & Pick<Owned, 'domain'>,
  files: ReadonlyMap<string, string>,
): Promise<Snapshot['consistency']> {
  const { chains, domains } = context.client;
  const live = await domains.xml(domain);
  const targets = readDiskSources(live).map(({ target }) => target);
  const xml = snapshotXml(targets, files);
  const how = { diskOnly: true, atomic: true, noMetadata: true, reuseExternal: true };
  return takeQuiesced(context, { ...step, domain, live }, ({ quiesce }) =>
    chains.snapshot(domain, xml, { ...how, quiesce }),
  );
}

async function isActive({ client }: StepContext, { domain }: Owned): Promise<boolean> {
  const { state } = await client.domains.state(domain);
  return state !== 'shutoff' && state !== 'crashed';
}

/** Whether the VM writes to these files: by what runs, or by its definition while it is off. */
async function runsOn(
  context: StepContext,
  { domain }: Owned,
  files: ReadonlyMap<string, string>,
): Promise<boolean> {
  const now = await diskFiles(context, domain);
  return [...files].every(([target, file]) => now.get(target)?.[0] === file);
}
