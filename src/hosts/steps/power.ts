import type { RestartStep, StartStep, StopStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';
import { shutDown } from './shut-down.ts';
import { requireLeft } from './two-hosts.ts';

/** Starts the VM; one that runs already is fine. Memory that was saved goes on where it was. */
export async function start(context: StepContext, step: StartStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  if (step.leftOn !== undefined) await requireLeft(context, step, step.leftOn);
  await bringUp(context, step, domain);
}

export async function stop(context: StepContext, step: StopStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  await shutDown(context, step, domain);
}

/**
 * Shuts the VM down and starts it, so that it shows what its definition says. One that is off is started, and one that
 * was started anew since the plan is left alone. Cut short in between, it is off, and git wants it on: the next pass
 * starts it.
 */
export async function restart(context: StepContext, step: RestartStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  const { state } = await context.client.domains.state(domain);
  if (state !== 'shutoff' && domain.id !== step.run) return;
  await shutDown(context, step, domain);
  await bringUp(context, step, domain);
}

async function bringUp(
  { client, progress }: StepContext,
  step: StartStep | RestartStep,
  domain: DomainRef,
): Promise<void> {
  const { domains } = client;
  if ((await domains.state(domain)).state !== 'running') {
    progress('starting');
    await domains.start(domain);
  }
  const { state } = await domains.state(domain);
  if (state === 'running') return;
  throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} was started and is ${state}`);
}
