import { createHash } from 'node:crypto';
import type { DesiredState } from './desired.ts';
import type { DetachStep, Plan, PurgeStep, ReclaimStep, RemoveStep, Step } from './step.ts';
import { withhold } from './withhold.ts';

/**
 * Holds back the removals and purges, of VMs and of disks, that a person has to confirm. It only ever takes steps away.
 *
 *   a removal or purge of a VM with `protect: true`, or of a disk of it
 *   every removal, when git declares no VM at all
 *   every removal, when `policy.tombstoneDays` is 0: its disks would be gone at once
 *   every removal, when there are more than `policy.maxRemovals`; and every purge likewise
 */
export function guard(plan: Plan, desired: DesiredState): Plan {
  const why = guardRule(plan, desired);
  const guarded = plan.steps.filter(isEnding).flatMap((step) => {
    const reason = why(step);
    return reason === undefined ? [] : [{ step, reason }];
  });
  if (guarded.length === 0) return plan;

  const confirmation = fingerprint(
    desired.cluster,
    guarded.map(({ step }) => step),
  );
  const reasons = new Map<Step, string>(guarded.map(({ step, reason }) => [step, reason]));
  const kept = withhold(plan, (step) => {
    const reason = reasons.get(step);
    return reason === undefined ? undefined : { because: 'guard', reason };
  });
  return { ...kept, confirmation };
}

type Ending = RemoveStep | PurgeStep | DetachStep | ReclaimStep;

const NOUNS = { remove: 'VMs', purge: 'VMs', detach: 'disks', reclaim: 'kept volumes' } as const;

function isEnding(step: Step): step is Ending {
  return step.kind in NOUNS;
}

function guardRule({ steps }: Plan, desired: DesiredState): (step: Ending) => string | undefined {
  const endings = steps.filter(isEnding);
  const { maxRemovals, tombstoneDays } = desired.policy;
  const counts = { remove: 0, purge: 0, detach: 0, reclaim: 0 };
  for (const { kind } of endings) counts[kind]++;
  return (step) => {
    const alike = counts[step.kind];
    if (step.mark.protect) return 'it is protected (protect: true)';
    if (step.kind === 'remove' && desired.vms.size === 0) return 'git declares no VM at all';
    if ((step.kind === 'remove' || step.kind === 'detach') && tombstoneDays === 0)
      return 'policy.tombstoneDays is 0: its disks are deleted at once, and no revert brings them back';
    if (alike > maxRemovals)
      return `${alike} ${NOUNS[step.kind]} at once, and policy.maxRemovals is ${maxRemovals}`;
    return undefined;
  };
}

/** Names a set of removals and nothing else, so that an unrelated commit does not void a confirmation. */
function fingerprint(cluster: string, steps: readonly Ending[]): string {
  const lines = steps
    .map((step) => [step.kind, step.host, step.vm, step.uuid, occasion(step)].join(' '))
    .toSorted();
  return createHash('sha256')
    .update([cluster, ...lines].join('\n'))
    .digest('hex')
    .slice(0, 12);
}

/** A confirmation is for one removal: the VM that comes back, or is made again under its name, needs a new one. */
function occasion(step: Ending): string {
  switch (step.kind) {
    case 'purge':
      return step.mark.removed?.at ?? '';
    case 'remove':
      return step.mark.commit;
    case 'detach':
      return `${step.volume.pool}/${step.volume.name}`;
    case 'reclaim':
      return `${step.volume.pool}/${step.volume.name} ${step.volume.retained?.at}`;
  }
}
