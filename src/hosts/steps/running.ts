import { type DomainDefinition, parseDomain } from '../../core/domain-definition.ts';
import type { DomainRef, StepContext } from './context.ts';

/** The VM as it is now; undefined where it is off. What is paused runs. */
export async function runningDefinition(
  { client }: StepContext,
  domain: DomainRef,
): Promise<DomainDefinition | undefined> {
  const { state } = await client.domains.state(domain);
  if (state === 'shutoff' || state === 'crashed') return undefined;
  return parseDomain(await client.domains.xml(domain));
}

/** The VM as it is started next. */
export async function nextDefinition({ client }: StepContext, domain: DomainRef): Promise<DomainDefinition> {
  return parseDomain(await client.domains.xml(domain, { inactive: true }));
}
