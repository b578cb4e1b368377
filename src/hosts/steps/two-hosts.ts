import { isLeftBehind } from '../../core/mark.ts';
import type { VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { StepContext } from './context.ts';
import { findOwned, type Owned } from './owned.ts';

/** The same context on another host. What is defined there is not taken in turn: a step defines on its own host only. */
export async function contextOn(context: StepContext, host: string): Promise<StepContext> {
  return { ...context, ...(await context.peer(host)) };
}

/** The VM on the host that it has left: on its way to `to`, and off. Throws where it may be started there. */
export async function requireDeparted(source: StepContext, step: VmStep, to: string): Promise<Owned> {
  const owned = await findOwned(source, { ...step, host: source.host });
  const way = owned?.mark.state === 'migrating' ? owned.mark.to?.host : undefined;
  if (owned === undefined || way !== to)
    throw refused(
      step,
      `on ${source.host} it is ${owned?.mark.state ?? 'not there'}, and not on its way to ${to}`,
    );
  await requireOff(source, step, owned);
  return owned;
}

/** It is shut off, and its next start is a boot. */
export async function requireOff(context: StepContext, step: VmStep, { domain }: Owned): Promise<void> {
  const { domains } = context.client;
  const { state } = await domains.state(domain);
  if (state !== 'shutoff') throw refused(step, `it is ${state} on ${context.host}`);
  if (await domains.hasManagedSave(domain))
    throw refused(step, `it is off on ${context.host} with its memory saved, which belongs to that host`);
}

/** Lets a guest go on that a live move, cut short, has left paused; only where it runs nowhere else. */
export async function goOn({ client: { domains }, progress }: StepContext, { domain }: Owned): Promise<void> {
  const { state } = await domains.state(domain);
  if (state !== 'paused') return;
  progress('letting it go on');
  await domains.resume(domain);
}

/** What a move has left on that host does not run. */
export async function requireLeft(context: StepContext, step: VmStep, host: string): Promise<void> {
  const source = await contextOn(context, host);
  const left = await findOwned(source, { ...step, host });
  if (left !== undefined) await requireOff(source, step, left);
}

/** Of a move that is given up nothing may be left where it went. `host` undefined: that is no longer in operator.yaml. */
export async function requireNothingOn(
  context: StepContext,
  step: VmStep,
  host: string | undefined,
): Promise<void> {
  if (host === undefined) return;
  const left = await findOwned(await contextOn(context, host), { ...step, host });
  if (left !== undefined && !isLeftBehind(left.mark))
    throw refused(step, `it was on its way to ${host}, and is there (${left.mark.state})`);
}

/** The name is free on a host: libvirt would refuse the definition in the middle of things. */
export async function requireFreeName({ client, host }: StepContext, step: VmStep): Promise<void> {
  try {
    await client.domains.byName(step.vm);
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return;
    throw error;
  }
  throw new OperatorError('E_NOT_OURS', `${host} already has a VM ${step.vm} that is not this one`);
}

/** Says that a move does not go on, and why; nothing is lost: the VM stays where its mark says. */
export function refused({ vm, kind }: VmStep, why: string): OperatorError {
  return new OperatorError('E_MOVE', `${kind} of ${vm}: ${why}`);
}
