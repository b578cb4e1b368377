import type { Size } from '../../core/size.ts';
import { sizeChange, sizeOf } from '../../core/size.ts';
import type { ResizeStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { LibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';

const KIB_PER_MIB = 1024;

/**
 * Gives the VM its new size: what runs and the definition in one call, so that nothing can come between the two, or the
 * definition alone where the running VM does not take it; that then shows as pending restart. Growing raises the maximum
 * first, shrinking lowers it last.
 */
export async function resize(context: StepContext, step: ResizeStep): Promise<void> {
  const { domain, definition } = await requireOwned(context, step, ['ready']);
  const { to } = step;
  const running = (await context.client.domains.state(domain)).state === 'running';
  const target = { domain, running, from: sizeOf(definition), maxVcpus: definition.maxVcpus };
  await resizeMemory(context, target, to);
  await resizeVcpus(context, target, to);
  const after = await requireOwned(context, step, ['ready']);
  const left = sizeChange(after.definition, to);
  if (left === undefined) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host} was resized and still differs: ${left}`,
  );
}

interface Target {
  readonly domain: DomainRef;
  readonly running: boolean;
  readonly from: Size;
  readonly maxVcpus: number;
}

async function resizeMemory(
  { client, progress }: StepContext,
  { domain, running, from }: Target,
  to: Size,
): Promise<void> {
  progress('memory');
  const set = (mib: number, flags: Parameters<typeof client.domains.setMemory>[2]) =>
    client.domains.setMemory(domain, mib * KIB_PER_MIB, flags);
  const max = () => set(to.maxMemoryMiB, { config: true, maximum: true });
  const current = () => liveAndConfig(running, (flags) => set(to.memoryMiB, flags));
  await inOrder(to.maxMemoryMiB >= from.maxMemoryMiB, max, current);
}

/** As we define a VM, its maximum is the number that it has. A larger one is a person's, and is never lowered. */
async function resizeVcpus(
  { client, progress }: StepContext,
  { domain, running, from, maxVcpus }: Target,
  { vcpus }: Size,
): Promise<void> {
  progress('vcpus');
  const set = (flags: Parameters<typeof client.domains.setVcpus>[2]) =>
    client.domains.setVcpus(domain, vcpus, flags);
  const max = () => set({ config: true, maximum: true });
  const current = () => liveAndConfig(running, set);
  const isRoomy = maxVcpus > from.vcpus && maxVcpus >= vcpus;
  if (isRoomy) await current();
  else await inOrder(vcpus >= from.vcpus, max, current);
}

async function inOrder(
  grows: boolean,
  max: () => Promise<void>,
  current: () => Promise<void>,
): Promise<void> {
  for (const change of grows ? [max, current] : [current, max]) await change();
}

/** libvirt does both or neither. */
async function liveAndConfig(
  running: boolean,
  change: (flags: { live?: true; config: true }) => Promise<void>,
): Promise<void> {
  if (running) {
    try {
      return await change({ live: true, config: true });
    } catch (error) {
      // Refused for what runs; what is wrong with the definition shows below.
      if (!(error instanceof LibvirtError)) throw error;
    }
  }
  await change({ config: true });
}
