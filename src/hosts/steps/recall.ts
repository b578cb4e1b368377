import { volumesFromTheTop, withDisksOf } from '../../core/snapshot.ts';
import type { AbandonStep, RecallStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { findOwned, requireOwned, writeMark } from './owned.ts';
import { deleteUnused } from './snapshot-parts.ts';
import { contextOn, goOn, refused, requireNothingOn, requireOff } from './two-hosts.ts';
import { findVolume } from './volumes.ts';

/** Deletes what a move that is given up has copied, then its claim; only while the VM itself is seen on its host. */
export async function abandon(context: StepContext, step: AbandonStep): Promise<void> {
  const { client } = context;
  const owned = await findOwned(context, step);
  if (owned === undefined) return;
  if (owned.mark.state !== 'arriving')
    throw refused(step, `on ${step.host} it is ${owned.mark.state} by now: nothing is deleted`);
  await requireOff(context, step, owned);
  const source = await contextOn(context, step.from);
  const there = await findOwned(source, { ...step, host: step.from });
  if (there === undefined || there.mark.state === 'arriving')
    throw refused(step, `it is not on ${step.from}: nothing is deleted`);
  // Nothing of it runs here, nor will: a guest that waits there for that goes on, whatever becomes of the volumes.
  if (there.mark.to?.live === true && there.mark.to.host === context.host) await goOn(source, there);
  const volumes = volumesFromTheTop(owned.mark);
  // Not `findVolume` alone: a pool that is gone for now still has the volume, and nothing else would know of it.
  for (const { pool } of volumes) await client.pools.byName(pool);
  await deleteUnused(context, step, volumes);
  for (const volume of volumes)
    if ((await findVolume(context, volume)) !== undefined)
      throw new OperatorError(
        'E_POSTCONDITION',
        `${step.vm} on ${step.host}: volume ${volume.name} was deleted and is there`,
      );
  await client.domains.undefine(owned.domain);
  if ((await findOwned(context, step)) !== undefined)
    throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} was undefined and is there`);
}

/** Has the VM be ready again on the host that it was to leave, once nothing of it is on the other one. */
export async function recall(context: StepContext, step: RecallStep): Promise<void> {
  const owned = await requireOwned(context, step, ['migrating', 'ready']);
  if (owned.mark.state === 'ready') return;
  if (owned.mark.to?.live !== true) await requireOff(context, step, owned);
  await requireNothingOn(context, step, step.to);
  if (owned.mark.to?.live === true) await goOn(context, owned);
  await context.client.domains.setAutostart(owned.domain, step.autostart);
  await writeMark(context, step, withDisksOf(step.mark, owned.mark));
}
