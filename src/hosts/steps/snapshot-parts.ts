import type { VolumeRef } from '../../core/mark.ts';
import {
  REQUEST_NAMESPACE,
  REQUEST_PREFIX,
  type SnapshotAction,
  type SnapshotRequest,
} from '../../core/snapshot.ts';
import { renderRequest } from '../../core/snapshot-xml.ts';
import type { RequestStep, VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { findDiskUsers } from './disk-users.ts';
import { findOwned, requireOwned } from './owned.ts';
import { describeVolume, findVolume } from './volumes.ts';

/** Writes down what a person asked for, beside the mark: the operator alone writes that. */
export async function writeRequest(context: StepContext, step: RequestStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  await setRequest(context, domain, step.request);
  const { definition } = await requireOwned(context, step, ['ready']);
  if (definition.request?.at === step.request.at) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host}: the request was written and is not there`,
  );
}

/** Takes the request away that has been answered, if it is still that one; without an action, whichever there is. */
export async function strikeOff(
  context: StepContext,
  step: VmStep,
  action?: SnapshotAction,
  snapshot?: string,
): Promise<void> {
  const owned = await findOwned(context, step);
  const request = owned?.definition.request;
  if (owned === undefined || request === undefined) return;
  if (action !== undefined && (request.action !== action || request.snapshot !== snapshot)) return;
  await setRequest(context, owned.domain, undefined);
}

async function setRequest(
  { client }: StepContext,
  domain: DomainRef,
  request: SnapshotRequest | undefined,
): Promise<void> {
  const { state } = await client.domains.state(domain);
  const live = state !== 'shutoff' && state !== 'crashed';
  const xml = request && renderRequest(request);
  const element = { uri: REQUEST_NAMESPACE, key: REQUEST_PREFIX, xml };
  await client.domains.setMetadata(domain, element, { config: true });
  // One of before the VM was started is not in what runs.
  if (live) await client.domains.setMetadata(domain, element, { live: true }).catch(ignoreMissing(request));
}

function ignoreMissing(request: SnapshotRequest | undefined): (error: unknown) => void {
  return (error) => {
    if (request !== undefined) throw error;
  };
}

/** Saved memory goes on with the files of when it was saved: it would write into what is frozen. */
export async function requireNoSavedMemory(
  { client }: StepContext,
  { vm, host }: VmStep,
  domain: DomainRef,
): Promise<void> {
  if (!(await client.domains.hasManagedSave(domain))) return;
  throw new OperatorError(
    'E_SNAPSHOT',
    `${vm} on ${host} is off with its memory saved, which belongs to the files of now: start it, or \`virsh managedsave-remove ${vm}\``,
  );
}

/** Deletes volumes that the mark names and that nothing is made of any more. Throws where something else uses one. */
export async function deleteUnused(
  context: StepContext,
  step: VmStep,
  refs: readonly VolumeRef[],
): Promise<void> {
  for (const ref of refs) {
    const volume = await findVolume(context, ref);
    if (volume === undefined) continue;
    const { path } = await describeVolume(context, volume);
    // Anew for each: the one before it was an overlay of this one.
    const user = (await findDiskUsers(context, step.uuid))({ ...ref, path });
    if (user !== undefined)
      throw new OperatorError(
        'E_SNAPSHOT',
        `${step.vm} on ${step.host}: ${path} is not deleted, it is used by ${user}`,
      );
    context.progress(`deleting ${ref.name}`);
    await context.client.volumes.delete(volume);
  }
}
