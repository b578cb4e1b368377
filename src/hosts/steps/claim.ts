import { isLeftBehind, type Mark, type MarkedVolume, type VolumeRef } from '../../core/mark.ts';
import { renderClaim } from '../../core/moved-definition.ts';
import { volumesFromTheTop } from '../../core/snapshot.ts';
import type { DepartStep, MigrateStep, ReceiveStep, VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { StepContext } from './context.ts';
import { findDomain, findOwned, type Owned } from './owned.ts';
import { deleteUnused } from './snapshot-parts.ts';
import { refused, requireFreeName, requireOff } from './two-hosts.ts';
import { findVolume, openPool } from './volumes.ts';

/**
 * What there is of the VM on the host that it moves to: nothing, a claim of this move, or what an earlier move left
 * behind. Throws where anything else has its name, its uuid or the name of one of its volumes.
 */
export async function requireClaimable(
  target: StepContext,
  step: DepartStep | ReceiveStep | MigrateStep,
  from: string,
): Promise<Owned | undefined> {
  const there = await findOwned(target, { ...step, host: target.host });
  if (there === undefined) await requireFreeName(target, step);
  else if (!isOf(there.mark, from))
    throw refused(step, `${target.host} has another copy of it (${there.mark.state})`);
  else await requireOff(target, step, there);
  const own = there === undefined ? [] : volumesFromTheTop(there.mark);
  const pools = new Set(step.volumes.map(({ to }) => to.pool));
  for (const pool of pools) await refreshPool(target.client, (await openPool(target, pool)).ref);
  for (const { to, isShared } of step.volumes) {
    if (isShared || own.some((ref) => isSame(ref, to))) continue;
    if ((await findVolume(target, to)) === undefined) continue;
    throw new OperatorError(
      'E_NOT_OURS',
      `${step.vm}: pool ${to.pool} of ${target.host} already has a volume ${to.name} that no VM of ours has. ` +
        'Look at it; to go on, give it another name and refresh the pool',
    );
  }
  return there;
}

function isOf(mark: Mark, from: string): boolean {
  return mark.state === 'arriving' ? mark.from?.host === from : isLeftBehind(mark);
}

/**
 * Defines the claim, which names every volume before it is made; gives its mark. What an earlier try copied counts only
 * while the source's files are as they were then. What an earlier move left behind is deleted first: the claim takes its
 * place, and the VM itself is on the other host.
 */
export async function claim(
  context: StepContext,
  step: ReceiveStep | MigrateStep,
  stamp: string,
): Promise<Mark> {
  const there = await requireClaimable(context, step, step.from.host);
  const earlier = there?.mark.state === 'arriving' ? there.mark : undefined;
  if (there !== undefined && earlier === undefined)
    await deleteUnused(context, step, volumesFromTheTop(there.mark));
  const isKept = earlier?.from?.stamp === stamp;
  const wanted = step.volumes
    .filter(({ isShared }) => !isShared)
    .map(({ to }) => ({
      ...to,
      made: isKept && (earlier?.volumes ?? []).some((v) => isSame(v, to) && v.made),
    }));
  const dropped = (earlier?.volumes ?? []).filter((old) => !wanted.some((volume) => isSame(volume, old)));
  const from = { ...step.from, stamp };
  const mark = (volumes: readonly MarkedVolume[]): Mark => ({
    ...step.mark,
    state: 'arriving',
    from,
    volumes,
  });
  await defineClaim(context, step, mark([...wanted, ...dropped]));
  if (dropped.length > 0) {
    await deleteUnused(context, step, dropped);
    await defineClaim(context, step, mark(wanted));
  }
  return mark(wanted);
}

/** Puts the claim in the place of whatever there is of the VM, which must be off. */
export async function defineClaim(context: StepContext, step: VmStep, mark: Mark): Promise<void> {
  const { client, facts } = context;
  const xml = renderClaim({ name: step.vm, arch: facts.arch, type: facts.virtType }, mark);
  await context.defineInTurn(() => client.domains.define(xml, { validate: true }));
  const found = await findDomain(context, step.uuid);
  if (found?.definition.mark?.state !== 'arriving' || found.definition.disks.length > 0)
    throw new OperatorError(
      'E_POSTCONDITION',
      `${step.vm} on ${step.host} was claimed, and the claim is not there`,
    );
}

function isSame(a: VolumeRef, b: VolumeRef): boolean {
  return a.pool === b.pool && a.name === b.name;
}
