import { WaitCutShort } from '../../core/asked.ts';
import type { MarkedVolume } from '../../core/mark.ts';
import { movedDefinition } from '../../core/moved-definition.ts';
import type { ReceiveStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { claim } from './claim.ts';
import type { StepContext } from './context.ts';
import { copyAll, untilSuperseded } from './copy-volumes.ts';
import { mappedFiles, requireSameBases, stampOf } from './moved-disks.ts';
import { findOwned } from './owned.ts';
import { contextOn, refused, requireDeparted } from './two-hosts.ts';

/**
 * Claims the VM here, copies its volumes from the host that it has left, and defines it. That last define is where the
 * move happens: before it only the source may be started again, after it only this copy. Whatever interrupts it, the claim
 * names what was begun, and the next try goes on there.
 */
export async function receive(context: StepContext, step: ReceiveStep): Promise<void> {
  const { domains } = context.client;
  const there = await findOwned(context, step);
  if (there?.mark.state === 'ready' && there.mark.from?.host === step.from.host)
    return domains.setAutostart(there.domain, step.autostart);

  const source = await contextOn(context, step.from.host);
  await requireDeparted(source, step, context.host);
  await requireSameBases(source, context, step);
  const stamp = await stampOf(source, step);
  const claimed = await claim(context, step, stamp);
  await untilSuperseded(context, () => copyAll(context, source, { step, volumes: step.volumes, claimed }));

  const left = await requireDeparted(source, step, context.host);
  if ((await stampOf(source, step)) !== stamp)
    throw refused(step, `its disks on ${source.host} were written to while they were copied`);
  await requireClaim(context, step);
  if (context.superseded.aborted) throw new WaitCutShort();
  context.progress('defining');
  const files = await mappedFiles(source, context, step.volumes);
  const xml = await source.client.domains.xml(left.domain, { inactive: true, secure: true });
  const moved = movedDefinition(xml, { files, mark: step.mark });
  if ('problem' in moved) throw refused(step, moved.problem);
  const domain = await context.defineInTurn(() => domains.define(moved.xml));
  await domains.setAutostart(domain, step.autostart);
  await requireArrived(context, step, [...files.values()]);
}

/** Nobody has taken the claim away meanwhile, and all is copied. */
async function requireClaim(context: StepContext, step: ReceiveStep): Promise<void> {
  const there = await findOwned(context, step);
  const isWhole = (volumes: readonly MarkedVolume[]) => volumes.every(({ made }) => made);
  if (
    there?.mark.state === 'arriving' &&
    there.mark.from?.host === step.from.host &&
    isWhole(there.mark.volumes)
  )
    return;
  throw refused(step, `its claim on ${context.host} is not as it was`);
}

async function requireArrived(
  context: StepContext,
  step: ReceiveStep,
  files: readonly string[],
): Promise<void> {
  const there = await findOwned(context, step);
  const isThere =
    there?.mark.state === 'ready' &&
    there.definition.disks.every(({ file }) => file !== undefined && files.includes(file));
  if (isThere) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} was defined on ${step.host} and is not there as it should be`,
  );
}
