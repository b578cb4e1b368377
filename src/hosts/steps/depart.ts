import type { Mark } from '../../core/mark.ts';
import type { DepartStep } from '../../core/step.ts';
import type { StepContext } from './context.ts';
import { requireMovable } from './movable.ts';
import { requireOwned, writeMark } from './owned.ts';
import { shutDown } from './shut-down.ts';
import { strikeOff } from './snapshot-parts.ts';
import { contextOn, requireNothingOn, requireOff } from './two-hosts.ts';

/**
 * Shuts the VM down and writes into its mark where it goes: from then on it is not started here. What would stop the move
 * is looked for on both hosts before the guest is asked. The mark comes last: cut short before it, the VM is simply off.
 */
export async function depart(context: StepContext, step: DepartStep): Promise<void> {
  const owned = await requireOwned(context, step, ['ready', 'tombstone', 'migrating']);
  if (owned.mark.to?.host === step.to.host) return requireOff(context, step, owned);
  const target = await contextOn(context, step.to.host);
  if (step.formerly !== step.to.host) await requireNothingOn(context, step, step.formerly);
  await requireMovable(context, target, { step, owned });
  if (owned.mark.state === 'ready') await shutDown(context, step, owned.domain);
  await requireOff(context, step, owned);
  await strikeOff(context, step);
  await context.client.domains.setAutostart(owned.domain, false);
  const { mark } = await requireOwned(context, step, [owned.mark.state]);
  const { removed: _, ...rest } = mark;
  const leaving: Mark = { ...rest, state: 'migrating', to: step.to };
  await writeMark(context, step, leaving);
}
