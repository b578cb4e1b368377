import type { DesiredState, DesiredVm } from './desired.ts';
import type { Issue } from './issue.ts';
import type { MarkedVolume } from './mark.ts';
import { type KnownHost, type ObservedState, type ObservedVm, volumeKey } from './observed.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** A disk that git wants in some size, and what there is of it. */
export interface DiskSize {
  readonly target: string;
  readonly wanted: number;
  /** Undefined: there is none yet, or its size cannot be read. */
  readonly found: number | undefined;
}

/** Every disk of which git says how large it is. What a default says of a disk that is larger does not count. */
export function diskSizes(vm: DesiredVm, found: ObservedVm, host: KnownHost): DiskSize[] {
  const { bootDisk, dataDisks } = vm;
  const boot = bootDisk?.sizeGiB === undefined ? [] : [{ ...bootDisk, sizeGiB: bootDisk.sizeGiB }];
  return [...boot, ...dataDisks].flatMap((disk) => {
    const { target, sizeGiB } = disk;
    const there = found.disks.find((other) => other.target === target);
    const kept = there === undefined ? keptVolume(found, disk) : undefined;
    const capacity = kept === undefined ? there?.capacity : host.volumes.get(volumeKey(kept))?.capacity;
    const size = { target, wanted: sizeGiB * GIB, found: capacity };
    return 'sizeIsDefault' in disk && disk.sizeIsDefault === true && isShrink(size) ? [] : [size];
  });
}

/** The volume with data that the VM has for that disk, though it is not attached. */
export function keptVolume(
  { mark }: ObservedVm,
  disk: { readonly target: string; readonly pool: string },
): MarkedVolume | undefined {
  return mark?.volumes.find(({ target, pool, made }) => made && target === disk.target && pool === disk.pool);
}

/** Less than a MiB is no difference: not every disk that was made elsewhere comes to whole ones. */
export function isShrink({ wanted, found }: DiskSize): boolean {
  return found !== undefined && found - wanted >= MIB;
}

export function isGrowth({ wanted, found }: DiskSize): boolean {
  return found !== undefined && wanted - found >= MIB;
}

/** `disk vdb has 40 GiB on t01, and git wants 20 GiB: a disk does not shrink` */
export function shrinkReason({ target, wanted, found }: DiskSize, host: string): string {
  return `disk ${target} has ${formatGiB(found ?? 0)} on ${host}, and git wants ${formatGiB(wanted)}: a disk does not shrink`;
}

/** Exact, where it matters: `20 GiB`, `0.015625 GiB`. */
export function formatGiB(bytes: number): string {
  return `${Number((bytes / GIB).toFixed(6))} GiB`;
}

/** Disks that git wants smaller than they are, as mistakes of the commit. */
export function shrinkIssues(desired: DesiredState, observed: ObservedState): Issue[] {
  return [...observed.hosts.values()].flatMap((host) => {
    if (host.kind === 'unknown') return [];
    return host.vms.flatMap((found) => {
      const vm = desired.vms.get(found.name);
      const isOurs = found.mark?.cluster === desired.cluster && found.mark.state !== 'building';
      if (vm === undefined || !isOurs || vm.host !== host.name || vm.uuid !== found.uuid) return [];
      return diskSizes(vm, found, host)
        .filter(isShrink)
        .map((size) => ({
          file: vm.source.file,
          line: vm.source.line,
          message: `${vm.name}: ${shrinkReason(size, host.name)}`,
          hint: `write at least ${formatGiB(size.found ?? 0)}; for less, move the data to a new disk and drop this one`,
        }));
    });
  });
}
