import type { HostnameStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { requireOwned, writeMark } from './owned.ts';

/** Sets the host name inside the guest, and remembers it in the mark: a guest is asked once for each name. */
export async function setHostname(context: StepContext, step: HostnameStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  const { state } = await context.client.domains.state(domain);
  if (state !== 'running') {
    throw new OperatorError(
      'E_GUEST',
      `${step.vm} on ${step.host} is ${state}: its host name is set while it runs`,
    );
  }
  const { client, guests, progress, superseded } = context;
  progress(`waiting for ${step.via === 'ssh' ? step.address : 'its guest agent'}`);
  const who = `${step.vm} on ${step.host}`;
  await guests.setHostname(step, { agent: client.agent, domain, who, superseded });
  const { mark } = await requireOwned(context, step, ['ready']);
  await writeMark(context, step, { ...mark, guestName: step.hostname });
}
