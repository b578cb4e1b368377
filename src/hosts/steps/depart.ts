import type { Mark } from '../../core/mark.ts';
import { movedDefinition } from '../../core/moved-definition.ts';
import type { DepartStep } from '../../core/step.ts';
import { requireClaimable } from './claim.ts';
import type { StepContext } from './context.ts';
import { mappedFiles, requireSameBases, requireVolume } from './moved-disks.ts';
import { type Owned, requireOwned, writeMark } from './owned.ts';
import { shutDown } from './shut-down.ts';
import { strikeOff } from './snapshot-parts.ts';
import { contextOn, refused, requireNothingOn, requireOff } from './two-hosts.ts';

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

interface Departure {
  readonly step: DepartStep;
  readonly owned: Owned;
}

async function requireMovable(
  context: StepContext,
  target: StepContext,
  { step, owned }: Departure,
): Promise<void> {
  const { snapshots = [] } = owned.mark;
  if (snapshots.length > 0) throw refused(step, 'it has snapshots');
  for (const { from } of step.volumes) await requireVolume(context, step.vm, from);
  await requireClaimable(target, step, context.host);
  const files = await mappedFiles(context, target, step.volumes);
  const xml = await context.client.domains.xml(owned.domain, { inactive: true });
  const moved = movedDefinition(xml, { files, mark: owned.mark });
  if ('problem' in moved) throw refused(step, moved.problem);
  await requireSameBases(context, target, step);
}
