import { type DesiredState, type DesiredVm, disksOf, type Image } from './desired.ts';
import type { Fleet, PlacedVm } from './fleet.ts';
import type { MarkedVolume, VolumeRef } from './mark.ts';
import type { KnownHost, ObservedDisk, ObservedVm } from './observed.ts';

/**
 * The VM to take over: it stands on its host under its name, with the uuid that a person wrote into git, and is nobody's.
 * Anything less is a conflict.
 */
export function toAdopt(vm: DesiredVm, strangers: readonly PlacedVm[]): ObservedVm | undefined {
  const [only, ...others] = strangers;
  if (only === undefined || others.length > 0 || vm.bootDisk !== undefined) return undefined;
  const { host, vm: found } = only;
  const isNobodys =
    found.mark === undefined && (found.markError === undefined || found.hasCopiedMark === true);
  return isNobodys && host === vm.host && found.name === vm.name && found.uuid === vm.uuid
    ? found
    : undefined;
}

/**
 * The disks that become the VM's own, which a purge deletes: those that git declares, that are files in an active pool,
 * and that nothing else has a share in. The host looks again before it writes them down.
 */
export function adoptedVolumes(
  vm: DesiredVm,
  found: ObservedVm,
  {
    host,
    fleet,
    images,
  }: { readonly host: KnownHost; readonly fleet: Fleet; readonly images: readonly Image[] },
): MarkedVolume[] {
  const declared = new Set(disksOf(vm).map(({ target }) => target));
  return found.disks
    .filter((disk) => declared.has(disk.target))
    .flatMap((disk) => ownVolume(disk, found, { host, fleet, images }) ?? []);
}

/** The volume of a disk that only this VM uses; undefined where it is none of ours to delete. */
export function ownVolume(
  disk: ObservedDisk,
  owner: ObservedVm,
  {
    host,
    fleet,
    images,
  }: { readonly host: KnownHost; readonly fleet: Fleet; readonly images: readonly Image[] },
): MarkedVolume | undefined {
  const volume = disk.file === undefined ? undefined : volumeAt(disk.file, host);
  if (volume === undefined || disk.file === undefined || disk.isShared === true) return undefined;
  const isOf = (image: Image) =>
    (image.sourceVm?.name === owner.name && image.sourceVm.host === host.name) ||
    (image.pool === volume.pool && image.volume === volume.name);
  if (images.some(isOf)) return undefined;
  if (fleet.usersOf(disk.file).some(({ vm }) => vm !== owner)) return undefined;
  return { target: disk.target, ...volume, made: true };
}

function volumeAt(file: string, { pools }: KnownHost): VolumeRef | undefined {
  for (const { name: pool, active, path } of pools.values()) {
    if (!active || path === undefined || !file.startsWith(`${path}/`)) continue;
    const name = file.slice(path.length + 1);
    if (!name.includes('/')) return { pool, name };
  }
  return undefined;
}

/** Every base image that git names, on whatever host: none is ever a VM's to delete. */
export function imagesOf({ hosts, vms }: DesiredState): readonly Image[] {
  const used = [...vms.values()].flatMap(({ bootDisk }) => bootDisk?.image ?? []);
  return [...[...hosts.values()].flatMap(({ images }) => images), ...used];
}
