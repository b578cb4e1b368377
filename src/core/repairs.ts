import { compareApplied } from './applied.ts';
import type { DesiredState } from './desired.ts';
import { arrangeFleet, type Fleet } from './fleet.ts';
import type { ObservedState } from './observed.ts';
import { unfinishedSnapshot } from './snapshot.ts';
import { isNamesStep, type Step, stepId, type VmStep } from './step.ts';

/** What completes a move, or takes it back. */
const ENDS_MOVE: readonly Step['kind'][] = ['receive', 'migrate', 'recall', 'abandon', 'start'];
/** What may have to be done before one of them. */
const MEANS: readonly Step['kind'][] = ['image', 'pool', 'retire'];

/**
 * The steps, by id, that are no change of git, and that a freeze therefore lets pass:
 *
 *   start of a VM whose `power` has not changed in git    it stopped or crashed, or its host was booted
 *   what ends a move whose VM has left already            it is off meanwhile
 *   what a person asked for by a command, of snapshots;   nobody could start the VM before that
 *   and what was begun of them
 *   names and leases                                      those of a VM that waits stay as they are
 *   images, pools and the end of an old copy that one     these are held by nothing else
 *   of these waits for
 */
export function repairsIn(
  steps: readonly Step[],
  desired: DesiredState,
  observed: ObservedState,
): ReadonlySet<string> {
  const fleet = arrangeFleet(desired.cluster, observed);
  const ends = steps.filter((step) => isNamesStep(step) || ('vm' in step && isRepair(step, desired, fleet)));
  const needed = new Set(ends.flatMap(({ after = [] }) => after));
  const means = steps.filter(({ kind }) => MEANS.includes(kind)).map(stepId);
  return new Set([...ends.map(stepId), ...means.filter((id) => needed.has(id))]);
}

function isRepair(step: VmStep, desired: DesiredState, fleet: Fleet): boolean {
  const copies = fleet.copiesOf({ name: step.vm, uuid: step.uuid });
  if (copies.some(({ vm, mark }) => vm.uuid === step.uuid && mark.state === 'migrating'))
    return ENDS_MOVE.includes(step.kind);
  const here = copies.find(({ host, vm }) => host === step.host && vm.name === step.vm);
  if (here === undefined) return false;
  if (step.kind === 'snapshot' || step.kind === 'merge' || step.kind === 'revert')
    return here.vm.request !== undefined || unfinishedSnapshot(here.mark) !== undefined;
  const wanted = desired.vms.get(step.vm);
  if (step.kind !== 'start' || wanted === undefined || here.mark.state !== 'ready') return false;
  return compareApplied(wanted, here.mark).changed?.has('power') !== true;
}
