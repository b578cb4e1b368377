import type { RemoveStep, RestoreStep } from '../../core/step.ts';
import type { StepContext } from './context.ts';
import { requireOwned, writeMark } from './owned.ts';
import { shutDown } from './shut-down.ts';

/** Shuts the VM down and leaves definition and disks under a tombstone. The mark comes last: it says that all is done. */
export async function remove(context: StepContext, step: RemoveStep): Promise<void> {
  const { domain, mark } = await requireOwned(context, step, ['ready', 'building']);
  await shutDown(context, step, domain);
  await context.client.domains.setAutostart(domain, false);
  await writeMark(context, step, { ...step.mark, volumes: mark.volumes });
}

/** Takes the tombstone off again. */
export async function restore(context: StepContext, step: RestoreStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['tombstone']);
  await context.client.domains.setAutostart(domain, step.autostart);
  await writeMark(context, step, step.mark);
}
