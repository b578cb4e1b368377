import type { ObservedVm } from '../../src/core/observed.ts';
import { type Snapshot, withSnapshots } from '../../src/core/snapshot.ts';
import type { MergeStep, RevertStep, SnapshotStep } from '../../src/core/step.ts';

/** The VM once a step on its snapshots is done. */
export function snapshotsAfter(vm: ObservedVm, step: SnapshotStep | MergeStep | RevertStep): ObservedVm {
  const before = vm.mark?.snapshots ?? [];
  const { request, ...rest } = vm;
  const left = request?.snapshot === step.snapshot ? rest : vm;
  const wasPaused = before.some(({ name, paused }) => paused === true && name === step.snapshot);
  return {
    ...left,
    ...(wasPaused && vm.power === 'paused' && { power: 'shutoff' }),
    ...(vm.mark && { mark: withSnapshots(vm.mark, after(before, step)) }),
  };
}

function after(
  before: readonly Snapshot[],
  step: SnapshotStep | MergeStep | RevertStep,
): readonly Snapshot[] {
  const found = before.find(({ name }) => name === step.snapshot);
  const others = before.filter((one) => one !== found);
  if (step.kind === 'merge') return others;
  if (step.kind === 'revert')
    return found === undefined
      ? before
      : [...before.slice(0, before.indexOf(found)), { ...found, state: 'ready' }];
  const { snapshot: name, at, by } = step;
  return [
    ...others,
    found === undefined ? { name, at, by, state: 'ready', disks: [] } : { ...found, state: 'ready' },
  ];
}
