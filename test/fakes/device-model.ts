import type { ObservedVm } from '../../src/core/observed.ts';
import type {
  AttachStep,
  DescribeStep,
  DetachStep,
  GrowStep,
  ReclaimStep,
  RewireStep,
} from '../../src/core/step.ts';
import { GIB } from '../builders.ts';

type DiskStep = GrowStep | AttachStep | DetachStep | ReclaimStep;

/** What a step about disks, cards or texts changes of a VM that takes everything at once. */
export function deviceChange(
  step: DiskStep | RewireStep | DescribeStep,
  vm: ObservedVm,
): Partial<ObservedVm> {
  if (step.kind === 'describe') return step.texts;
  return step.kind === 'rewire' ? cardsAfter(step, vm) : disksAfter(step, vm);
}

function disksAfter(step: DiskStep, vm: ObservedVm): Partial<ObservedVm> {
  const { mark, disks } = vm;
  if (mark === undefined) throw new Error(`${step.kind}: ${vm.name} has no mark`);
  if (step.kind === 'grow') {
    const { target, bytes } = step;
    return { disks: disks.map((disk) => (disk.target === target ? { ...disk, capacity: bytes } : disk)) };
  }
  if (step.kind === 'attach') {
    const { target, pool, volume, sizeGiB } = step.disk;
    const made = { target, pool, name: volume, made: true };
    const others = mark.volumes.filter((other) => other.target !== target || other.pool !== pool);
    const attached = { target, file: `/pool/${volume}`, capacity: sizeGiB * GIB };
    return { disks: [...disks, attached], mark: { ...mark, volumes: [...others, made] } };
  }
  const others = mark.volumes.filter(({ name }) => name !== step.volume.name);
  if (step.kind === 'reclaim') return { mark: { ...mark, volumes: others } };
  const kept = step.volume.made ? [{ ...step.volume, retained: step.retention }] : [];
  return {
    disks: disks.filter(({ target }) => target !== step.volume.target),
    mark: { ...mark, volumes: [...others, ...kept] },
  };
}

function cardsAfter({ mac, to }: RewireStep, { nics }: ObservedVm): Partial<ObservedVm> {
  const after = nics.map((nic) => (nic.mac === mac ? { ...nic, ...to } : nic));
  return { nics: after, macs: after.map((nic) => nic.mac) };
}
