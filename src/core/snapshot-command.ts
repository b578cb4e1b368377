import { OperatorError } from '../errors.ts';
import type { OwnedVm } from './fleet.ts';
import { type SnapshotRequest, snapshotsOf, takeOutOfGit, unfinishedSnapshot } from './snapshot.ts';
import type { MergeStep, RevertStep, SnapshotStep } from './step.ts';

/** What a person has agreed to, and what git says. */
interface Consent {
  /** The VM may be shut down. */
  readonly stop?: boolean;
  /** The newer snapshots may go. */
  readonly discardNewer?: boolean;
  /** The snapshots of the VM that git declares. */
  readonly declared?: readonly string[];
}

const NAME = /^(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The step that does what a person asked for by command. Throws E_USAGE where it cannot be done, saying what would. */
export function snapshotStep(
  owned: OwnedVm,
  { action, snapshot, at }: SnapshotRequest,
  consent: Consent,
): SnapshotStep | MergeStep | RevertStep {
  const { host, vm, mark } = owned;
  const problem = problemOf(owned, { action, snapshot }, consent);
  if (problem !== undefined) throw new OperatorError('E_USAGE', `${vm.name}: ${problem}`);
  const base = {
    host,
    vm: vm.name,
    uuid: vm.uuid,
    cluster: mark.cluster,
    reason: 'asked for by command',
    snapshot,
  };
  switch (action) {
    case 'create':
      return { ...base, kind: 'snapshot', at, by: 'command' };
    case 'delete':
      return { ...base, kind: 'merge' };
    case 'revert':
      return { ...base, ...(mark.force !== undefined && { force: mark.force }), kind: 'revert' };
  }
}

function problemOf(
  { vm, mark }: OwnedVm,
  { action, snapshot }: Pick<SnapshotRequest, 'action' | 'snapshot'>,
  { stop = false, discardNewer = false, declared = [] }: Consent,
): string | undefined {
  if (mark.state !== 'ready') return `it is ${mark.state}: put it back into git first`;
  const all = snapshotsOf(mark).map(({ name }) => name);
  const at = all.indexOf(snapshot);
  const there = all.length === 0 ? 'it has none' : `it has ${all.join(', ')}`;
  if (action === 'create') {
    if (!NAME.test(snapshot))
      return `${snapshot} is no name for a snapshot: 1 to 63 of a-z, 0-9 and "-", at least one letter`;
    if (at < 0) return busy(mark);
    const isDropped = snapshotsOf(mark)[at]?.by === 'git' && !declared.includes(snapshot);
    return isDropped
      ? `git no longer declares ${snapshot}, and it is merged in the next pass: take one of another name, or try again then`
      : `there is a snapshot ${snapshot} already`;
  }
  if (at < 0) return `there is no snapshot ${snapshot}: ${there}`;
  if (action === 'delete' && declared.includes(snapshot))
    return `git declares ${snapshot}, and would have it taken again: ${takeOutOfGit(snapshot)}`;
  if (action === 'delete') return busy(mark, snapshot);
  const newer = all.slice(at + 1);
  if (newer.length > 0 && !discardNewer)
    return `${newer.join(', ')} ${newer.length === 1 ? 'is' : 'are'} newer and would be lost: add --discard-newer`;
  if (vm.power !== 'shutoff' && !stop) return 'it runs: shut it off, or add --stop';
  return busy(mark, snapshot);
}

function busy(mark: OwnedVm['mark'], besides?: string): string | undefined {
  const other = unfinishedSnapshot(mark);
  if (other === undefined || other.name === besides) return undefined;
  return `its snapshot ${other.name} is ${other.state} just now: try again when it is done`;
}
