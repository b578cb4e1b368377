import { type DesiredVm, disksOf } from './desired.ts';
import type { ObservedDisk, ObservedVm } from './observed.ts';
import { SEED_TARGET } from './seed.ts';
import { change } from './size.ts';
import type { Held } from './step.ts';

/** Where an existing VM is not as declared in a way that this version does not change. Only declared fields count. */
export function differences(vm: DesiredVm, found: ObservedVm): Held[] {
  const changes = [
    ...vm.nics.map(({ mac }) => macChange(mac, found)),
    ...diskChanges(vm, found),
    ...found.disks
      .filter(({ target }) => target === vm.bootDisk?.target)
      .map((disk) => bootDiskChange(vm, disk)),
    ...droppedDisks(vm, found),
  ].filter((text) => text !== undefined);
  if (changes.length === 0) return [];
  return [
    {
      host: vm.host,
      subject: vm.name,
      because: 'change',
      kind: 'update',
      reason: `${changes.join(', ')}: this version does not change the disks and cards of an existing VM; do it on ${vm.host}, or put git back`,
    },
  ];
}

function macChange(mac: string | undefined, { macs }: ObservedVm): string | undefined {
  const isThere = mac === undefined || macs.some((other) => other.toLowerCase() === mac.toLowerCase());
  return isThere ? undefined : `no network card ${mac}`;
}

function bootDiskChange({ bootDisk }: DesiredVm, { target, capacity }: ObservedDisk): string | undefined {
  const sizeGiB = bootDisk?.sizeGiB;
  return capacity === undefined || sizeGiB === undefined
    ? undefined
    : change(`${target} GiB`, capacity / 1024 ** 3, sizeGiB);
}

/** Disks that we made and that git no longer names. */
function droppedDisks(vm: DesiredVm, { mark }: ObservedVm): string[] {
  const wanted = new Set(disksOf(vm).map(({ target }) => target));
  const dropped = mark?.volumes.filter(({ target }) => !wanted.has(target) && target !== SEED_TARGET) ?? [];
  return dropped.map(({ name }) => `disk ${name} is not in git`);
}

function diskChanges(vm: DesiredVm, found: ObservedVm): (string | undefined)[] {
  const there = new Map(found.disks.map((disk) => [disk.target, disk]));
  return vm.dataDisks.map(({ target, sizeGiB }) => {
    const disk = there.get(target);
    if (disk === undefined) return `no disk ${target}`;
    // Less than a MiB is no difference: not every disk that was made elsewhere comes to whole ones.
    return disk.capacity === undefined || Math.abs(disk.capacity - sizeGiB * 1024 ** 3) < 1024 ** 2
      ? undefined
      : change(`${target} GiB`, disk.capacity / 1024 ** 3, sizeGiB);
  });
}
