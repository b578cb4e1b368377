import type { Mark } from './mark.ts';
import type { ObservedVm } from './observed.ts';
import {
  type Snapshot,
  type SnapshotRequest,
  snapshotsOf,
  takeOutOfGit,
  unfinishedSnapshot,
} from './snapshot.ts';
import type { Held, MergeStep, RevertStep, SnapshotStep } from './step.ts';

type Base = Pick<SnapshotStep, 'host' | 'vm' | 'uuid' | 'cluster'>;
type ChainStep = SnapshotStep | MergeStep | RevertStep;

/** What follows for the snapshots of a VM. */
export interface SnapshotPlan {
  /** Before all else: the VM cannot be started or stopped until they are done. */
  readonly first: readonly ChainStep[];
  /** After it is started or stopped, so that a snapshot that cannot be taken keeps no VM down. */
  readonly last: readonly ChainStep[];
  readonly held: readonly Held[];
  /** The VM as it is when `first` is done. */
  readonly settled: ObservedVm;
}

interface Wanted {
  readonly base: Base;
  readonly now: Date;
  /** The names that git declares; undefined: git no longer declares the VM, and its snapshots stay. */
  readonly declared: readonly string[] | undefined;
}

/**
 *   on the VM                       | what follows
 *   --------------------------------|----------------------------------------------------------
 *   one that was cut short          | it is finished
 *   asked for by command            | it is done; what is moot by now is only struck off
 *   declared, and not there         | it is taken
 *   by git, and no longer declared  | it is merged
 *   by command, and not declared    | nothing
 *   declared, and to be deleted     | held: git would have it taken again, and what it froze is lost
 */
export function planSnapshots(found: ObservedVm, mark: Mark, wanted: Wanted): SnapshotPlan {
  const { base, declared } = wanted;
  const unfinished = unfinishedSnapshot(mark);
  const cutShort = unfinished && finish(unfinished, mark, base);
  const contradicted = contradictedBy(declared, found.request);
  const asked = declared === undefined || contradicted ? undefined : answer(found, cutShort, base);
  const steps = [...(cutShort ? [cutShort] : []), ...(asked ? [asked] : [])];
  const touched = new Set(steps.map(({ snapshot }) => snapshot));
  const isDiscarded = new Set(newerThanReverted(mark, steps));
  const left = snapshotsOf(mark).filter(({ name }) => !isDiscarded.has(name));
  const others = declared === undefined ? [] : byGit(left, wanted);
  const isFirst = (step: ChainStep) =>
    step.kind === 'revert' || (step === cutShort && unfinished?.paused === true);
  const all = [...steps, ...others.filter(({ snapshot }) => !touched.has(snapshot))];
  const first = all.filter(isFirst);
  return {
    first,
    last: all.filter((step) => !isFirst(step)),
    held: contradicted ? [contradiction(contradicted, base)] : [],
    settled: first.length === 0 ? found : off(found),
  };
}

function off(vm: ObservedVm): ObservedVm {
  const { run: _run, live: _live, ...rest } = vm;
  return { ...rest, power: 'shutoff' };
}

/** The request, where it is to delete what git declares. */
function contradictedBy(
  declared: readonly string[] = [],
  request: SnapshotRequest | undefined,
): SnapshotRequest | undefined {
  return request?.action === 'delete' && declared.includes(request.snapshot) ? request : undefined;
}

function contradiction({ snapshot }: SnapshotRequest, { host, vm }: Base): Held {
  const reason = `${snapshot} is to be deleted by command, and git declares it: ${takeOutOfGit(snapshot)}`;
  return { host, subject: vm, because: 'conflict', kind: 'merge', reason };
}

function newerThanReverted(mark: Mark, steps: readonly ChainStep[]): readonly string[] {
  const all = snapshotsOf(mark).map(({ name }) => name);
  const revert = steps.find(({ kind }) => kind === 'revert');
  const at = all.indexOf(revert?.snapshot ?? '');
  return at < 0 ? [] : all.slice(at + 1);
}

function finish({ name, at, by, state }: Snapshot, mark: Mark, base: Base): ChainStep {
  const force = forceOf(mark);
  switch (state) {
    case 'reverting':
      return {
        ...base,
        ...force,
        kind: 'revert',
        snapshot: name,
        reason: `going back to ${name} was cut short`,
      };
    case 'merging':
      return { ...base, kind: 'merge', snapshot: name, reason: `merging ${name} was cut short` };
    case 'taking':
    case 'ready':
      return { ...base, kind: 'snapshot', snapshot: name, at, by, reason: `taking ${name} was cut short` };
  }
}

function forceOf(mark: Mark | undefined): Pick<Mark, 'force'> {
  return mark?.force === undefined ? {} : { force: mark.force };
}

/** What is cut short comes first; a request for the same snapshot waits for the next pass. */
function answer(
  { request, mark }: ObservedVm,
  cutShort: ChainStep | undefined,
  base: Base,
): ChainStep | undefined {
  if (request === undefined) return undefined;
  const { action, snapshot, at } = request;
  if (cutShort !== undefined && action === 'revert') return undefined;
  if (cutShort?.snapshot === snapshot) return undefined;
  switch (action) {
    case 'create':
      return {
        ...base,
        kind: 'snapshot',
        snapshot,
        at,
        by: 'command',
        reason: `${snapshot}, asked for by command`,
      };
    case 'delete':
      return { ...base, kind: 'merge', snapshot, reason: `${snapshot}, asked for by command` };
    case 'revert':
      return {
        ...base,
        ...forceOf(mark),
        kind: 'revert',
        snapshot,
        reason: `to ${snapshot}, asked for by command`,
      };
  }
}

function byGit(
  there: readonly Snapshot[],
  { base, declared = [], now }: Wanted,
): readonly (SnapshotStep | MergeStep)[] {
  const gone = there.filter(({ name, by }) => by === 'git' && !declared.includes(name));
  const missing = declared.filter((name) => !there.some((snapshot) => snapshot.name === name));
  return [
    ...gone.map(
      ({ name }): MergeStep => ({
        ...base,
        kind: 'merge',
        snapshot: name,
        reason: `${name} is gone from git`,
      }),
    ),
    ...missing.map((name) => declaredSnapshot(name, base, now)),
  ];
}

/** Takes a snapshot that git declares. */
export function declaredSnapshot(name: string, base: Base, now: Date): SnapshotStep {
  return {
    ...base,
    kind: 'snapshot',
    snapshot: name,
    at: now.toISOString(),
    by: 'git',
    reason: `${name}, in git`,
  };
}
