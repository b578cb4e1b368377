import type { VolumeRef } from '../../core/mark.ts';
import { volumesFromTheTop } from '../../core/snapshot.ts';
import type { PurgeStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { StepContext, StoredVolume } from './context.ts';
import { findDiskUsers } from './disk-users.ts';
import { findOwned } from './owned.ts';
import { describeVolume, findVolume } from './volumes.ts';

/**
 * Deletes the volumes that the mark names, then the definition: whatever interrupts it, what is left is still ours and
 * still says what to delete. A volume that anything else on the host uses stops the purge before the first deletion.
 */
export async function purge(context: StepContext, step: PurgeStep): Promise<void> {
  const { client } = context;
  const owned = await findOwned(context, step);
  if (owned === undefined) return;
  const { domain, mark } = owned;
  requireDue(step, mark.state, mark.removed?.purgeAfter);
  const { state } = await client.domains.state(domain);
  if (state !== 'shutoff')
    throw new OperatorError('E_NOT_OURS', `${step.vm} on ${step.host} is ${state}: nothing is deleted`);

  const ours = volumesFromTheTop(mark);
  const volumes = await findUnusedVolumes(context, step, ours);
  for (const volume of volumes) {
    context.progress(`deleting ${volume.name}`);
    await client.volumes.delete(volume);
  }
  await client.domains.undefine(domain, {
    managedSave: true,
    snapshotsMetadata: true,
    checkpointsMetadata: true,
    nvram: true,
  });
  await requireGone(context, step, ours);
}

/** The mark on the host decides, not the plan: somebody may have restored the VM since. */
function requireDue(step: PurgeStep, state: string, purgeAfter: string | undefined): void {
  if (state === 'tombstone' && purgeAfter !== undefined && purgeAfter === step.mark.removed?.purgeAfter)
    return;
  throw new OperatorError(
    'E_NOT_OURS',
    `${step.vm} on ${step.host} is not purged: its mark has changed (${state})`,
  );
}

/** Those of the mark's volumes that are there. Throws where one is in use, or where its pool cannot be looked into. */
async function findUnusedVolumes(
  context: StepContext,
  step: PurgeStep,
  refs: readonly VolumeRef[],
): Promise<StoredVolume[]> {
  const userOf = await findDiskUsers(context, step.uuid, refs);
  const volumes: StoredVolume[] = [];
  for (const { pool, name } of refs) {
    // Not `findVolume`: a pool that is gone for now still has the volume, and nothing else would know of it.
    await context.client.pools.byName(pool);
    const volume = await findVolume(context, { pool, name });
    if (volume === undefined) continue;
    const { path } = await describeVolume(context, volume);
    const user = userOf({ pool, name, path });
    if (user !== undefined) {
      throw new OperatorError(
        'E_NOT_OURS',
        `${step.vm} on ${step.host} is not purged: ${path} is used by ${user}`,
      );
    }
    volumes.push(volume);
  }
  return volumes;
}

async function requireGone(
  context: StepContext,
  step: PurgeStep,
  volumes: readonly VolumeRef[],
): Promise<void> {
  for (const ref of volumes) {
    if ((await findVolume(context, ref)) !== undefined) {
      throw new OperatorError(
        'E_POSTCONDITION',
        `${step.vm} on ${step.host}: volume ${ref.name} was deleted and is there`,
      );
    }
  }
  try {
    await context.client.domains.byUuid(step.uuid);
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return;
    throw error;
  }
  throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} was undefined and is there`);
}
