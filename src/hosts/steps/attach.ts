import type { DataDisk } from '../../core/desired.ts';
import { renderDisk } from '../../core/device-xml.ts';
import type { Mark, MarkedVolume } from '../../core/mark.ts';
import type { AttachStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { LibvirtError } from '../../libvirt/errors.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { DomainRef, StepContext } from './context.ts';
import { findDiskUsers } from './disk-users.ts';
import { fillDataDisk, isNotMade } from './fill-disks.ts';
import { requireOwned, writeMark } from './owned.ts';
import { nextDefinition, runningDefinition } from './running.ts';
import { describeVolume, findVolume, openPool } from './volumes.ts';

const GIB = 1024 ** 3;

/**
 * Puts a data disk into the VM. As in a creation the mark names the volume before it is made, and says when it is; one
 * that is kept from before is taken with its data. What the running VM does not take waits for its next start.
 */
export async function attach(context: StepContext, step: AttachStep): Promise<void> {
  const { disk } = step;
  const { domain, definition, mark } = await requireOwned(context, step, ['ready']);
  const { ref: pool, path } = await openPool(context, disk.pool);
  await refreshPool(context.client, pool);
  const made = mark.volumes.find((volume) => isFor(volume, disk) && volume.made);
  const name = made?.name ?? disk.volume;
  const file = `${path}/${name}`;
  const there = definition.disks.find(({ target }) => target === disk.target);
  if (there !== undefined && there.file !== file)
    throw refusal(step, `it has another disk ${disk.target} by now: ${there.file ?? 'no file'}`);

  if (made === undefined) await make(context, step, mark);
  else await takeBack(context, step, { mark, volume: made });
  const format = await formatOf(context, { pool: disk.pool, name });
  await plugIn(context, domain, { target: disk.target, file, format });

  const after = await nextDefinition(context, domain);
  if (after.disks.some((other) => other.target === disk.target && other.file === file)) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host}: disk ${disk.target} was attached and is not there`,
  );
}

function isFor({ target, pool }: MarkedVolume, disk: DataDisk): boolean {
  return target === disk.target && pool === disk.pool;
}

/** A new volume: claimed, made, ticked off. What an earlier try left half made is made again. */
async function make(context: StepContext, step: AttachStep, mark: Mark): Promise<void> {
  const { disk, commit } = step;
  const isSame = ({ pool, name }: MarkedVolume) => pool === disk.pool && name === disk.volume;
  const earlier = mark.volumes.find(isSame);
  const others = mark.volumes.filter((volume) => volume !== earlier);
  const found = await findVolume(context, { pool: disk.pool, name: disk.volume });
  if (found !== undefined && (earlier === undefined || earlier.made)) {
    const whose = earlier === undefined ? 'no VM of ours has' : `is its disk ${earlier.target}`;
    throw refusal(
      step,
      `pool ${disk.pool} already has a volume ${disk.volume} that ${whose}: look at it, and give it another name`,
    );
  }
  const volume = { target: disk.target, pool: disk.pool, name: disk.volume };
  const write = (volumes: readonly MarkedVolume[]) => writeMark(context, step, { ...mark, commit, volumes });
  await write([...others, { ...volume, made: false }]);
  if (found !== undefined) await context.client.volumes.delete(found);
  try {
    await fillDataDisk(context, disk);
  } catch (error) {
    // Not made: a file of that name that is there is somebody else's, and must not stay claimed.
    if (isNotMade(error)) await write(others);
    throw error;
  }
  await write([...others, { ...volume, made: true }]);
}

/** A volume of ours that is there with its data. It is no longer kept for deletion before it is attached. */
async function takeBack(
  context: StepContext,
  step: AttachStep,
  { mark, volume }: { readonly mark: Mark; readonly volume: MarkedVolume },
): Promise<void> {
  const { client } = context;
  const stored = await findVolume(context, volume);
  if (stored === undefined)
    throw refusal(
      step,
      `its volume ${volume.name} is not in pool ${volume.pool}: put it back there, or give it up with ` +
        `\`kvm-gitops purge ${step.vm} --volume ${volume.name}\``,
    );
  const { path } = await describeVolume(context, stored);
  const userOf = await findDiskUsers(context, step.uuid);
  const user = userOf({ pool: volume.pool, name: volume.name, path });
  if (user !== undefined) throw refusal(step, `${path} is used by ${user}`);
  const bytes = step.disk.sizeGiB * GIB;
  const { capacityBytes } = await client.volumes.info(stored);
  if (capacityBytes > bytes)
    throw refusal(
      step,
      `${path} has ${capacityBytes} bytes, ${bytes} are wanted, and a disk does not shrink`,
    );
  const { domain } = await requireOwned(context, step, ['ready']);
  const isInUse =
    (await runningDefinition(context, domain))?.disks.some(({ file }) => file === path) ?? false;
  if (capacityBytes < bytes && !isInUse) await client.volumes.resize(stored, bytes);
  if (volume.retained === undefined) return;
  context.progress(`taking back ${volume.name}`);
  const { retained: _, ...kept } = volume;
  const volumes = mark.volumes.map((other) => (other === volume ? kept : other));
  await writeMark(context, step, { ...mark, commit: step.commit, volumes });
}

async function formatOf(
  context: StepContext,
  ref: { readonly pool: string; readonly name: string },
): Promise<string> {
  const volume = await findVolume(context, ref);
  return volume === undefined ? 'qcow2' : (await describeVolume(context, volume)).format;
}

/** In the definition, and at once in the running VM if it has a place for it. */
async function plugIn(
  context: StepContext,
  domain: DomainRef,
  device: { readonly target: string; readonly file: string; readonly format: string },
): Promise<void> {
  const { devices } = context.client;
  const xml = renderDisk(device);
  const has = (disks: readonly { readonly target: string }[]) =>
    disks.some(({ target }) => target === device.target);
  context.progress(`attaching ${device.target}`);
  if (!has((await nextDefinition(context, domain)).disks))
    await devices.attach(domain, xml, { config: true });
  const running = await runningDefinition(context, domain);
  if (running === undefined || has(running.disks)) return;
  try {
    await devices.attach(domain, xml, { live: true });
  } catch (error) {
    // It shows as pending restart.
    if (!(error instanceof LibvirtError)) throw error;
    context.progress(`attached for its next start: ${error.message}`);
  }
}

function refusal({ vm, host, disk }: AttachStep, why: string): OperatorError {
  return new OperatorError('E_NOT_OURS', `disk ${disk.target} of ${vm} on ${host} is not attached: ${why}`);
}
