import type { Size } from '../../core/size.ts';
import { sizeChange, sizeOf } from '../../core/size.ts';
import type { ResizeStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { LibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';

const KIB_PER_MIB = 1024;

/**
 * Gives the definition its new size, and the running VM as much of it as it takes at once: what it does not take shows
 * as pending restart. Growing raises the maximum first, shrinking lowers it last.
 */
export async function resize(context: StepContext, step: ResizeStep): Promise<void> {
  const { domain, definition } = await requireOwned(context, step, ['ready']);
  const from = sizeOf(definition);
  const { to } = step;
  await resizeMemory(context, domain, from, to);
  await resizeVcpus(context, domain, to.vcpus);
  if ((await context.client.domains.state(domain)).state === 'running') await resizeLive(context, domain, to);
  const after = await requireOwned(context, step, ['ready']);
  const left = sizeChange(after.definition, to);
  if (left === undefined) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host} was resized and still differs: ${left}`,
  );
}

async function resizeMemory(
  { client, progress }: StepContext,
  domain: DomainRef,
  from: Size,
  to: Size,
): Promise<void> {
  progress('memory');
  const max = () =>
    client.domains.setMemory(domain, to.maxMemoryMiB * KIB_PER_MIB, { config: true, maximum: true });
  const current = () => client.domains.setMemory(domain, to.memoryMiB * KIB_PER_MIB, { config: true });
  if (to.maxMemoryMiB >= from.maxMemoryMiB) {
    await max();
    await current();
  } else {
    await current();
    await max();
  }
}

/** Lowering the maximum lowers the current number with it; raising it leaves the current one behind. */
async function resizeVcpus(
  { client, progress }: StepContext,
  domain: DomainRef,
  vcpus: number,
): Promise<void> {
  progress('vcpus');
  await client.domains.setVcpus(domain, vcpus, { config: true, maximum: true });
  await client.domains.setVcpus(domain, vcpus, { config: true });
}

/** What the running VM refuses waits for its next start. */
async function resizeLive({ client, progress }: StepContext, domain: DomainRef, to: Size): Promise<void> {
  progress('the running VM');
  await ifAllowed(client.domains.setMemory(domain, to.memoryMiB * KIB_PER_MIB, { live: true }));
  await ifAllowed(client.domains.setVcpus(domain, to.vcpus, { live: true }));
}

async function ifAllowed(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
  }
}
