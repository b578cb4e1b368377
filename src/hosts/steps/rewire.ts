import { withNic } from '../../core/edit-nic.ts';
import type { RewireStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';
import { nextDefinition, runningDefinition } from './running.ts';

/**
 * Gives a card another bridge or MAC address. The running VM comes first: it is refused a bridge that is not there, which
 * the definition would take. Its MAC address does not change while it runs.
 */
export async function rewire(context: StepContext, step: RewireStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  await rewireLive(context, domain, step);
  await rewireNext(context, domain, step);
  const { nics } = await nextDefinition(context, domain);
  const mac = step.to.mac ?? step.mac;
  const after = nics.find((nic) => nic.mac === mac);
  if (after !== undefined && (step.to.bridge === undefined || after.bridge === step.to.bridge)) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host}: card ${mac} was rewired and is not so`,
  );
}

async function rewireLive(context: StepContext, domain: DomainRef, { mac, to }: RewireStep): Promise<void> {
  const { bridge } = to;
  if (bridge === undefined) return;
  const running = await runningDefinition(context, domain);
  const nic = running?.nics.find((other) => other.mac === mac || other.mac === to.mac);
  if (nic === undefined || nic.bridge === bridge) return;
  context.progress(`plugging ${nic.mac} into ${bridge}`);
  const edited = withNic(await context.client.domains.xml(domain, { secure: true }), nic.mac, { bridge });
  if (edited !== undefined) await context.client.devices.update(domain, edited.nic, { live: true });
}

/** By a define of the edited whole: a card is found by its MAC address, so no smaller call can change that. */
async function rewireNext(context: StepContext, domain: DomainRef, { mac, to }: RewireStep): Promise<void> {
  const { domains } = context.client;
  const xml = await domains.xml(domain, { inactive: true, secure: true });
  const edited = withNic(xml, mac, to);
  // Gone under that address: it was changed by an earlier try.
  if (edited === undefined) return;
  await context.defineInTurn(() => domains.define(edited.domain));
}
