import { renderDomain } from '../../core/domain-xml.ts';
import type { VolumeRef } from '../../core/mark.ts';
import type { CreateStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { StepContext } from './context.ts';
import { fillBootDisk, fillDataDisk } from './fill-disks.ts';
import { findOwned, writeMark } from './owned.ts';
import { findVolume, openPool } from './volumes.ts';

/**
 * Claim first, then fill: the definition stands, marked `building` and naming its volumes, before the first volume does.
 * What an earlier try left has never run; it is deleted and made again.
 */
export async function create(context: StepContext, step: CreateStep): Promise<void> {
  const { client } = context;
  const { spec } = step;
  const earlier = await findOwned(context, step);
  if (earlier !== undefined && earlier.mark.state !== 'building') {
    throw new OperatorError(
      'E_NOT_OURS',
      `${step.vm} on ${step.host} is complete already (${earlier.mark.state})`,
    );
  }
  if (earlier !== undefined) await requireOff(context, step);
  else await requireFreeName(context, step);

  const pools = await openPools(context, step);
  const claimed = earlier?.mark.volumes ?? [];
  await requireFreeVolumes(context, step, claimed);

  context.progress('claiming');
  const volumes = union(claimed, step.mark.volumes);
  const xml = renderDomain(
    spec,
    step.macs,
    { ...step.mark, state: 'building', volumes },
    {
      ...context.facts,
      poolPath: (name) => pools.get(name)?.path ?? '',
    },
  );
  const domain = await context.defineInTurn(() => client.domains.define(xml, { validate: true }));

  for (const volume of claimed) await deleteClaimed(context, volume);
  await fillBootDisk(context, spec.bootDisk);
  for (const disk of spec.dataDisks) await fillDataDisk(context, disk);

  await client.domains.setAutostart(domain, spec.autostart);
  await writeMark(context, step, step.mark);
}

async function requireOff({ client }: StepContext, step: CreateStep): Promise<void> {
  const { state } = await client.domains.state(await client.domains.byUuid(step.uuid));
  if (state === 'shutoff') return;
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
  const names = new Set([
    spec.bootDisk.image.pool,
    spec.bootDisk.pool,
    ...spec.dataDisks.map(({ pool }) => pool),
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
async function refreshIfIdle(
  { client }: StepContext,
  pool: Parameters<typeof client.pools.refresh>[0],
): Promise<void> {
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
      `${step.vm} on ${step.host}: pool ${wanted.pool} already has a volume ${wanted.name} that is not ours. ` +
        `Keep it under another name, or delete it if it is of no use: virsh vol-delete ${wanted.name} --pool ${wanted.pool}`,
    );
  }
}

async function deleteClaimed(context: StepContext, ref: VolumeRef): Promise<void> {
  const volume = await findVolume(context, ref);
  if (volume === undefined) return;
  context.progress(`deleting the unfinished ${ref.name}`);
  await context.client.volumes.delete(volume);
}

function union(a: readonly VolumeRef[], b: readonly VolumeRef[]): VolumeRef[] {
  return [...a, ...b.filter((ref) => !a.some((other) => isSame(ref, other)))];
}

function isSame(a: VolumeRef, b: VolumeRef): boolean {
  return a.pool === b.pool && a.name === b.name;
}
