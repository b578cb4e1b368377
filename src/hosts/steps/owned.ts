import { type DomainDefinition, parseDomain } from '../../core/domain-definition.ts';
import { MARK_NAMESPACE, MARK_PREFIX, type Mark, type MarkState } from '../../core/mark.ts';
import { markForMetadataCall } from '../../core/mark-xml.ts';
import type { VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';

/** A VM of ours as it is on the host this moment. */
export interface Owned {
  readonly domain: DomainRef;
  readonly definition: DomainDefinition;
  readonly mark: Mark;
}

type StepIdentity = Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'>;

/** Looks at the VM again, just before it is changed. Throws E_NOT_OURS unless it carries our mark in one of `states`. */
export async function requireOwned(
  context: StepContext,
  step: StepIdentity,
  states: readonly MarkState[],
): Promise<Owned> {
  const owned = await findOwned(context, step);
  if (owned === undefined) throw notOurs(step, 'it is no longer there');
  if (!states.includes(owned.mark.state)) throw notOurs(step, `its mark says ${owned.mark.state} by now`);
  return owned;
}

/** The VM with the step's uuid; undefined when there is none. Throws E_NOT_OURS when it does not carry our mark. */
export async function findOwned(context: StepContext, step: StepIdentity): Promise<Owned | undefined> {
  const found = await findDomain(context, step.uuid);
  if (found === undefined) return undefined;
  const { mark, markError } = found.definition;
  if (markError !== undefined) throw notOurs(step, markError);
  if (mark === undefined) throw notOurs(step, 'it carries no mark of ours');
  if (mark.cluster !== step.cluster) throw notOurs(step, `it belongs to cluster ${mark.cluster}`);
  if (found.definition.name !== step.vm) throw notOurs(step, `it is called ${found.definition.name} by now`);
  return { ...found, mark };
}

/** Replaces the mark, in the definition and, while it runs, in the running VM, and reads it back. */
export async function writeMark(context: StepContext, step: StepIdentity, mark: Mark): Promise<void> {
  const { domains } = context.client;
  const domain = await domains.byUuid(step.uuid);
  const { state } = await domains.state(domain);
  const live = state !== 'shutoff' && state !== 'crashed';
  const element = { uri: MARK_NAMESPACE, key: MARK_PREFIX, xml: markForMetadataCall(mark) };
  await domains.setMetadata(domain, element, { config: true, live });
  const written = (await findDomain(context, step.uuid))?.definition.mark;
  if (written === undefined || markForMetadataCall(written) !== markForMetadataCall(mark)) {
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host}: the mark was written and is not there`,
    );
  }
}

/** The domain with that uuid, whoever it belongs to. */
export async function findDomain(
  context: StepContext,
  uuid: string,
): Promise<Omit<Owned, 'mark'> | undefined> {
  const { domains } = context.client;
  try {
    const domain = await domains.byUuid(uuid);
    return { domain, definition: parseDomain(await domains.xml(domain, { inactive: true })) };
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return undefined;
    throw error;
  }
}

function notOurs({ vm, host }: StepIdentity, why: string): OperatorError {
  return new OperatorError('E_NOT_OURS', `${vm} on ${host} is left alone: ${why}`);
}
