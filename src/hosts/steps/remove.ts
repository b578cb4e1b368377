import { withDisksOf } from '../../core/snapshot.ts';
import type { RemoveStep, RestoreStep } from '../../core/step.ts';
import type { StepContext } from './context.ts';
import { requireOwned, writeMark } from './owned.ts';
import { shutDown } from './shut-down.ts';
import { strikeOff } from './snapshot-parts.ts';
import { goOn, requireNothingOn } from './two-hosts.ts';

/** Shuts the VM down and leaves definition and disks under a tombstone. The mark comes last: it says that all is done. */
export async function remove(context: StepContext, step: RemoveStep): Promise<void> {
  const owned = await requireOwned(context, step, ['ready', 'building', 'migrating']);
  const { domain, mark } = owned;
  if (mark.state === 'migrating') await requireNothingOn(context, step, step.formerly);
  // A guest that is paused cannot shut down.
  if (mark.to?.live === true) await goOn(context, owned);
  await shutDown(context, step, domain);
  // Coming back one day, it is not to be changed by what somebody asked for today.
  await strikeOff(context, step);
  await context.client.domains.setAutostart(domain, false);
  await writeMark(context, step, withDisksOf(step.mark, mark));
}

/** Takes the tombstone off again. */
export async function restore(context: StepContext, step: RestoreStep): Promise<void> {
  const { domain, mark } = await requireOwned(context, step, ['tombstone']);
  await context.client.domains.setAutostart(domain, step.autostart);
  await writeMark(context, step, withDisksOf(step.mark, mark));
}
