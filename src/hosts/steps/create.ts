import { renderDomain } from '../../core/domain-xml.ts';
import { isIncomplete, type Mark, type MarkedVolume, type VolumeRef } from '../../core/mark.ts';
import { type DesiredSeed, SEED_TARGET } from '../../core/seed.ts';
import { asRead } from '../../core/source-images.ts';
import type { CreateStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { PoolRef, StepContext } from './context.ts';
import { fillBootDisk, fillDataDisk, isNotMade } from './fill-disks.ts';
import { findOwned, writeMark } from './owned.ts';
import { fillSeed } from './seed.ts';
import { findVolume, openPool } from './volumes.ts';

/**
 * Claim first, then fill: the definition stands, marked `building`, before the first volume does, and the mark names
 * each volume before it is made. What an earlier try completed is kept; what it left half made is made again.
 */
export async function create(context: StepContext, given: CreateStep): Promise<void> {
  const step = withImageAsRead(context, given);
  const seed = await makeSeed(context, step);
  const earlier = await findEarlierTry(context, step);
  if (earlier === undefined) await requireFreeName(context, step);
  const pools = await openPools(context, step);
  const isDone = ({ made, target }: MarkedVolume) =>
    made && (target !== SEED_TARGET || earlier?.seed === step.mark.seed);
  const kept = (earlier?.volumes ?? []).filter(isDone);
  const halfMade = (earlier?.volumes ?? []).filter((volume) => !isDone(volume));
  await requireFreeVolumes(context, step, earlier?.volumes ?? []);

  context.progress('claiming');
  const { client, facts } = context;
  const poolPath = (name: string) => pools.get(name)?.path ?? '';
  const claim: Mark = { ...step.mark, state: 'building', volumes: [...kept, ...halfMade] };
  const xml = renderDomain(step.spec, step.macs, claim, { ...facts, poolPath });
  const domain = await context.defineInTurn(() => client.domains.define(xml, { validate: true }));
  for (const volume of halfMade) await deleteHalfMade(context, volume);

  const volumes = await fillDisks(context, step, { kept, seed });
  await client.domains.setAutostart(domain, step.spec.autostart);
  await context.guests.expectNew(step.vm);
  await writeMark(context, step, { ...step.mark, volumes });
}

/** An image that was read for the first time in this pass has a volume by now. */
function withImageAsRead({ images }: StepContext, step: CreateStep): CreateStep {
  const { bootDisk } = step.spec;
  const image = asRead(bootDisk.image, images.files.sources);
  return image === bootDisk.image
    ? step
    : { ...step, spec: { ...step.spec, bootDisk: { ...bootDisk, image } } };
}

interface Seed extends DesiredSeed {
  readonly image: Buffer;
}

/** First of all: where a secret is missing nothing is begun. */
async function makeSeed(context: StepContext, { spec, macs, uuid }: CreateStep): Promise<Seed | undefined> {
  const { seed } = spec;
  if (seed === undefined) return undefined;
  return { ...seed, image: await context.seedImage({ uuid, mac: macs[0] ?? '', seed }) };
}

/** The mark of what an earlier try left; throws where the VM is complete, or runs. */
async function findEarlierTry(context: StepContext, step: CreateStep): Promise<Mark | undefined> {
  const earlier = await findOwned(context, step);
  if (earlier === undefined) return undefined;
  const { mark, domain } = earlier;
  if (!isIncomplete(mark)) {
    throw new OperatorError('E_NOT_OURS', `${step.vm} on ${step.host} is complete already (${mark.state})`);
  }
  const { state } = await context.client.domains.state(domain);
  if (state === 'shutoff') return mark;
  throw new OperatorError(
    'E_NOT_OURS',
    `${step.vm} on ${step.host} was started before its disks were complete`,
  );
}

async function requireFreeName({ client }: StepContext, { vm, host }: CreateStep): Promise<void> {
  try {
    await client.domains.byName(vm);
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return;
    throw error;
  }
  throw new OperatorError('E_NOT_OURS', `${host} already has a VM ${vm} that is not ours`);
}

async function openPools(context: StepContext, { spec }: CreateStep): Promise<Map<string, { path: string }>> {
  const { bootDisk, dataDisks, seed = bootDisk } = spec;
  const names = new Set([
    bootDisk.image.pool,
    bootDisk.pool,
    seed.pool,
    ...dataDisks.map(({ pool }) => pool),
  ]);
  const pools = new Map<string, { path: string }>();
  for (const name of names) {
    const pool = await openPool(context, name);
    await refreshIfIdle(context, pool.ref);
    pools.set(name, pool);
  }
  return pools;
}

/** Files that came into the folder past libvirt must show, or they would be taken for free names. */
async function refreshIfIdle({ client }: StepContext, pool: PoolRef): Promise<void> {
  try {
    await client.pools.refresh(pool);
  } catch (error) {
    // Another VM's disk is being made in this pool now; creating a volume still refuses a file that exists.
    if (!isLibvirtError(error, 'INTERNAL_ERROR', 'OPERATION_INVALID')) throw error;
  }
}

/** A kept disk of an old VM must never be taken over, let alone overwritten. */
async function requireFreeVolumes(
  context: StepContext,
  step: CreateStep,
  claimed: readonly VolumeRef[],
): Promise<void> {
  for (const wanted of step.mark.volumes) {
    if (claimed.some((ours) => isSame(ours, wanted))) continue;
    if ((await findVolume(context, wanted)) === undefined) continue;
    throw new OperatorError(
      'E_NOT_OURS',
      `${step.vm} on ${step.host}: pool ${wanted.pool} already has a volume ${wanted.name} that no VM of ours has. ` +
        'It may be the disk of an earlier VM of this name, whose definition was taken away by hand. ' +
        'Look at it; to go on, give it another name and refresh the pool: the runbook says how to get its data back',
    );
  }
}

async function deleteHalfMade(context: StepContext, ref: VolumeRef): Promise<void> {
  const volume = await findVolume(context, ref);
  if (volume === undefined) return;
  context.progress(`deleting the unfinished ${ref.name}`);
  await context.client.volumes.delete(volume);
}

/** Makes the disks that are not there yet, one after the other; gives all volumes of the VM. */
async function fillDisks(
  context: StepContext,
  step: CreateStep,
  { kept, seed }: { readonly kept: readonly MarkedVolume[]; readonly seed: Seed | undefined },
): Promise<readonly MarkedVolume[]> {
  const { bootDisk, dataDisks } = step.spec;
  const disks = [
    { ...bootDisk, fill: () => fillBootDisk(context, bootDisk) },
    ...dataDisks.map((disk) => ({ ...disk, fill: () => fillDataDisk(context, disk) })),
    ...(seed === undefined
      ? []
      : [{ ...seed, target: SEED_TARGET, fill: () => fillSeed(context, seed, seed.image) }]),
  ];
  let volumes = kept;
  for (const { target, pool, volume: name, fill } of disks) {
    const volume = { target, pool, name };
    if (volumes.some((other) => isSame(other, volume))) continue;
    await claimAndFill(context, step, { before: volumes, volume, fill });
    volumes = [...volumes, { ...volume, made: true }];
  }
  return volumes;
}

interface Filling {
  readonly before: readonly MarkedVolume[];
  readonly volume: Omit<MarkedVolume, 'made'>;
  readonly fill: () => Promise<void>;
}

/** Names the volume in the mark, makes it, and says in the mark that it is made. */
async function claimAndFill(
  context: StepContext,
  step: CreateStep,
  { before, volume, fill }: Filling,
): Promise<void> {
  const claim = (volumes: readonly MarkedVolume[]) =>
    writeMark(context, step, { ...step.mark, state: 'building', volumes });
  await claim([...before, { ...volume, made: false }]);
  try {
    await fill();
  } catch (error) {
    // Not made: a file of that name that is there is somebody else's, and must not stay claimed.
    if (isNotMade(error)) await claim(before);
    throw error;
  }
  await claim([...before, { ...volume, made: true }]);
}

function isSame(a: VolumeRef, b: VolumeRef): boolean {
  return a.pool === b.pool && a.name === b.name;
}
