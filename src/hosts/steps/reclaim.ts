import { isSameDisk } from '../../core/mark.ts';
import type { ReclaimStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { findDiskUsers } from './disk-users.ts';
import type { Owned } from './owned.ts';
import { requireOwned, writeMark } from './owned.ts';
import { runningDefinition } from './running.ts';
import { describeVolume, findVolume } from './volumes.ts';

/** Deletes a kept volume, unless anything on the host uses it, and then takes it out of the mark. */
export async function reclaim(context: StepContext, step: ReclaimStep): Promise<void> {
  const { client } = context;
  const owned = await requireOwned(context, step, ['ready', 'tombstone']);
  const kept = owned.mark.volumes.find((volume) => isSameDisk(volume, step.volume));
  if (kept === undefined) return;
  if (kept.retained === undefined || kept.retained.purgeAfter !== step.volume.retained?.purgeAfter)
    throw refusal(step, 'it is no longer kept for deletion');
  // Not `findVolume` alone: a pool that is gone for now still has the volume, and nothing else would know of it.
  await client.pools.byName(kept.pool);
  const volume = await findVolume(context, kept);
  if (volume !== undefined) {
    await requireUnused(context, step, { owned, path: (await describeVolume(context, volume)).path });
    context.progress(`deleting ${kept.name}`);
    await client.volumes.delete(volume);
  }
  if ((await findVolume(context, kept)) !== undefined)
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host}: volume ${kept.name} was deleted and is there`,
    );
  const volumes = owned.mark.volumes.filter((other) => other !== kept);
  await writeMark(context, step, { ...owned.mark, volumes });
}

/** Not by another VM or an overlay, and not by the VM itself, which may run with it still. */
async function requireUnused(
  context: StepContext,
  step: ReclaimStep,
  { owned, path }: { readonly owned: Owned; readonly path: string },
): Promise<void> {
  const { pool, name } = step.volume;
  const userOf = await findDiskUsers(context, step.uuid);
  const user = userOf({ pool, name, path });
  if (user !== undefined) throw refusal(step, `${path} is used by ${user}`);
  const running = await runningDefinition(context, owned.domain);
  const own = [...owned.definition.disks, ...(running?.disks ?? [])];
  if (own.some(({ file }) => file === path))
    throw refusal(step, `${path} is a disk of the VM still: it goes when the VM has been shut down`);
}

function refusal({ vm, host, volume }: ReclaimStep, why: string): OperatorError {
  return new OperatorError('E_NOT_OURS', `${volume.name} of ${vm} on ${host} is not deleted: ${why}`);
}
