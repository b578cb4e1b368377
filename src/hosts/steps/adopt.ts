import type { MarkedVolume } from '../../core/mark.ts';
import type { AdoptStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { type FindUser, findDiskUsers } from './disk-users.ts';
import { findDomain, writeMark } from './owned.ts';
import { describeVolume, findVolume } from './volumes.ts';

/**
 * Puts our mark on a VM that nobody has marked. Its definition, its disks and what runs stay as they are. A disk that
 * something else on the host uses, or is an overlay of, is left out of the mark: no purge will delete it.
 */
export async function adopt(context: StepContext, step: AdoptStep): Promise<void> {
  const found = await findDomain(context, step.uuid);
  if (found === undefined) throw refused(step, 'it is no longer there');
  const { name, mark, markError, hasCopiedMark } = found.definition;
  if (name !== step.vm) throw refused(step, `it is called ${name} by now`);
  // Done before: the answer was lost.
  if (mark?.cluster === step.cluster && mark.state === 'ready') return;
  if (mark !== undefined) throw refused(step, `it belongs to cluster ${mark.cluster} (${mark.state})`);
  if (markError !== undefined && hasCopiedMark !== true) throw refused(step, markError);

  context.progress('looking who else uses its disks');
  const userOf = await findDiskUsers(context, step.uuid);
  const own = await Promise.all(step.mark.volumes.map((volume) => isOwn(context, volume, userOf)));
  const volumes = step.mark.volumes.filter((_, index) => own[index]);
  await writeMark(context, step, { ...step.mark, volumes });
}

async function isOwn(context: StepContext, ref: MarkedVolume, userOf: FindUser): Promise<boolean> {
  const volume = await findVolume(context, ref);
  if (volume === undefined) return false;
  const { path } = await describeVolume(context, volume);
  return userOf({ ...ref, path }) === undefined;
}

function refused({ vm, host }: AdoptStep, why: string): OperatorError {
  return new OperatorError('E_NOT_OURS', `${vm} on ${host} is not adopted: ${why}`);
}
