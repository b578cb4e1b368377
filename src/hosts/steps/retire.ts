import { type Mark } from '../../core/mark.ts';
import type { RetireStep } from '../../core/step.ts';
import type { StepContext } from './context.ts';
import { findOwned, type Owned, requireOwned, writeMark } from './owned.ts';
import { contextOn, refused, requireOff } from './two-hosts.ts';

/**
 * Makes a tombstone of the copy that a move has left behind, once the VM is where it went. Volumes that both hosts see are
 * the VM's own and leave its mark: no purge of this copy may have them.
 */
export async function retire(context: StepContext, step: RetireStep): Promise<void> {
  const owned = await requireOwned(context, step, ['migrating', 'tombstone']);
  const { mark } = owned;
  if (mark.removed?.movedTo === step.to) return;
  if (mark.to?.host !== step.to) throw refused(step, `its mark does not say that it went to ${step.to}`);
  const isLeft = mark.to.live === true && (await isPaused(context, owned));
  if (!isLeft) await requireOff(context, step, owned);
  await requireArrived(context, step, isLeft);
  // All of it is on the other host: what hangs here is what the end of a live move did not come to.
  if (isLeft) await context.client.domains.destroy(owned.domain);
  await context.client.domains.setAutostart(owned.domain, false);
  const { to: _, ...rest } = mark;
  const isShared = ({ pool, name }: Mark['volumes'][number]) =>
    step.shared.some((other) => other.pool === pool && other.name === name);
  await writeMark(context, step, {
    ...rest,
    state: 'tombstone',
    // There is nothing to protect: the VM is elsewhere.
    protect: false,
    volumes: mark.volumes.filter((volume) => !isShared(volume)),
    removed: step.removed,
  });
}

async function isPaused({ client }: StepContext, { domain }: Owned): Promise<boolean> {
  return (await client.domains.state(domain)).state === 'paused';
}

async function requireArrived(context: StepContext, step: RetireStep, isLeft: boolean): Promise<void> {
  const target = await contextOn(context, step.to);
  const there = await findOwned(target, { ...step, host: step.to });
  if (there === undefined || there.mark.from?.host !== context.host || there.mark.state === 'arriving')
    throw refused(step, `it has not arrived on ${step.to}`);
  const { state } = await target.client.domains.state(there.domain);
  // libvirt defines what it lets run a moment before that runs: till then the guest's memory may be needed here.
  if (isLeft && state !== 'running' && state !== 'shutoff')
    throw refused(step, `it is ${state} on ${step.to}, and may not have come up there yet`);
  if (!step.onceItRuns) return;
  if (state !== 'running') throw refused(step, `it is ${state} on ${step.to}: its old copy is kept as it is`);
}
