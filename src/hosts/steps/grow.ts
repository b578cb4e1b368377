import type { GrowStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';
import { runningDefinition } from './running.ts';

/**
 * Makes a disk larger. A running VM is told, which grows the file too; libvirt would shrink a disk in the same way and
 * ask nobody, so its size is read first.
 */
export async function grow(context: StepContext, step: GrowStep): Promise<void> {
  const { domain, definition } = await requireOwned(context, step, ['ready']);
  const file = definition.disks.find(({ target }) => target === step.target)?.file;
  if (file === undefined) throw problem(step, 'the VM has no such disk, or it is no file');
  const running = await runningDefinition(context, domain);
  const isInUse = running?.disks.some((disk) => disk.target === step.target && disk.file === file) ?? false;
  const disk = isInUse ? diskInUse(context, domain, step) : diskAtRest(context, step, file);

  const before = await disk.capacity();
  if (before > step.bytes) throw problem(step, `it has ${before} bytes already, and a disk does not shrink`);
  if (before < step.bytes) {
    context.progress(`growing ${step.target}`);
    await disk.resize();
  }
  const after = await disk.capacity();
  if (after !== step.bytes) throw problem(step, `it was grown to ${step.bytes} bytes and has ${after}`);
}

interface Disk {
  capacity(): Promise<number>;
  resize(): Promise<void>;
}

function diskInUse({ client }: StepContext, domain: DomainRef, step: GrowStep): Disk {
  const { target, bytes } = step;
  return {
    async capacity() {
      const [stats] = await client.domains.stats({ block: true }, { domains: [domain] });
      const params = stats?.params ?? {};
      const count = Number(params['block.count'] ?? 0);
      const names = Array.from({ length: count }, (_, index) => params[`block.${index}.name`]);
      const capacity = params[`block.${names.indexOf(target)}.capacity`];
      if (capacity === undefined) throw problem(step, 'its size cannot be read');
      return Number(capacity);
    },
    resize: () => client.devices.resizeDisk(domain, { target, bytes }),
  };
}

function diskAtRest({ client }: StepContext, step: GrowStep, file: string): Disk {
  const volume = async () => {
    try {
      return await client.volumes.byPath(file);
    } catch (error) {
      if (!isLibvirtError(error, 'NO_STORAGE_VOL')) throw error;
      throw problem(step, `${file} is in no active storage pool: it grows while the VM runs, or by hand`);
    }
  };
  return {
    capacity: async () => (await client.volumes.info(await volume())).capacityBytes,
    resize: async () => client.volumes.resize(await volume(), step.bytes),
  };
}

function problem({ vm, host, target }: GrowStep, what: string): OperatorError {
  return new OperatorError('E_POSTCONDITION', `disk ${target} of ${vm} on ${host}: ${what}`);
}
