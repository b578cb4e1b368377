import { movedDefinition } from '../../core/moved-definition.ts';
import type { DepartStep, MigrateStep } from '../../core/step.ts';
import { requireClaimable } from './claim.ts';
import type { StepContext } from './context.ts';
import { mappedFiles, requireSameBases, requireVolume } from './moved-disks.ts';
import type { Owned } from './owned.ts';
import { refused } from './two-hosts.ts';

interface Departure {
  readonly step: DepartStep | MigrateStep;
  readonly owned: Owned;
}

/** Looks on both hosts for what would stop a move, before anything of it is done. */
export async function requireMovable(
  source: StepContext,
  target: StepContext,
  { step, owned }: Departure,
): Promise<void> {
  const { snapshots = [] } = owned.mark;
  if (snapshots.length > 0) throw refused(step, 'it has snapshots');
  for (const { from } of step.volumes) await requireVolume(source, step.vm, from);
  await requireClaimable(target, step, source.host);
  const files = await mappedFiles(source, target, step.volumes);
  const xml = await source.client.domains.xml(owned.domain, { inactive: true });
  const moved = movedDefinition(xml, { files, mark: owned.mark });
  if ('problem' in moved) throw refused(step, moved.problem);
  await requireSameBases(source, target, step);
}
