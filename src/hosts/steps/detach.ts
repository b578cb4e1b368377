import { setTimeout as delay } from 'node:timers/promises';
import { renderDisk } from '../../core/device-xml.ts';
import { isSameDisk, type MarkedVolume } from '../../core/mark.ts';
import type { DetachStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned, writeMark } from './owned.ts';
import { nextDefinition, runningDefinition } from './running.ts';
import { findVolume, openPool } from './volumes.ts';

const LOOK_EVERY_MS = 100;

/**
 * Takes a disk out of the definition, and out of the running VM if the guest lets go of it; else that shows as pending
 * restart. The mark comes last: from then on the volume is kept, until its date. A volume that was never made is dropped.
 */
export async function detach(context: StepContext, step: DetachStep): Promise<void> {
  const { domain, definition, mark } = await requireOwned(context, step, ['ready']);
  const volume = mark.volumes.find((other) => isSameDisk(other, step.volume));
  if (volume === undefined || volume.retained !== undefined) return;
  const { path } = await openPool(context, volume.pool);
  const device = { target: volume.target, file: `${path}/${volume.name}`, format: 'qcow2' };
  const isIt = (disk: { readonly target: string; readonly file?: string }) =>
    disk.target === device.target && disk.file === device.file;
  if (definition.disks.some(isIt)) {
    context.progress(`detaching ${volume.target}`);
    await context.client.devices.detach(domain, renderDisk(device), { config: true });
  }
  await letGo(context, domain, { xml: renderDisk(device), isIt });
  if ((await nextDefinition(context, domain)).disks.some(isIt))
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host}: disk ${volume.target} was detached and is there`,
    );
  if (!volume.made) await deleteHalfMade(context, volume);
  const volumes = mark.volumes.flatMap((other) =>
    other === volume ? (volume.made ? [{ ...volume, retained: step.retention }] : []) : [other],
  );
  await writeMark(context, step, { ...mark, commit: step.retention.commit, volumes });
}

interface Device {
  readonly xml: string;
  readonly isIt: (disk: { readonly target: string; readonly file?: string }) => boolean;
}

/** Asks the guest, and asks again, until it has let go or the time is up. */
async function letGo(context: StepContext, domain: DomainRef, { xml, isIt }: Device): Promise<void> {
  const { devices } = context.client;
  const isGone = async () => {
    const running = await runningDefinition(context, domain);
    return running?.disks.some(isIt) !== true;
  };
  const until = performance.now() + context.letGoMs;
  while (!(await isGone())) {
    if (performance.now() > until) return context.progress('the guest does not let go of it');
    try {
      await devices.detach(domain, xml, { live: true });
    } catch (error) {
      // It is gone, or the VM is off; or the guest was asked before and has not let go yet.
      if (!isLibvirtError(error, 'DEVICE_MISSING', 'OPERATION_INVALID', 'INTERNAL_ERROR', 'OPERATION_FAILED'))
        throw error;
    }
    await delay(LOOK_EVERY_MS);
  }
}

async function deleteHalfMade(context: StepContext, volume: MarkedVolume): Promise<void> {
  const found = await findVolume(context, volume);
  if (found !== undefined) await context.client.volumes.delete(found);
}
