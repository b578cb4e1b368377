import { type DesiredVm, disksOf } from './desired.ts';
import type { Mark, VolumeRef } from './mark.ts';
import { type KnownHost, type ObservedPool, type ObservedVm, volumeKey } from './observed.ts';
import { SEED_TARGET } from './seed.ts';
import type { MovedVolume } from './step.ts';

/** A VM on the host that it leaves, and the one that it is to be on. */
export interface Way {
  readonly vm: DesiredVm;
  readonly found: ObservedVm;
  readonly mark: Mark;
  readonly from: KnownHost;
  readonly to: KnownHost;
  /** It goes on running. */
  readonly isLive?: boolean;
}

/**
 * The volumes of a VM as they are to be on the other host: under their names, in the pool that git gives the disk there.
 * What is kept of detached disks goes along.
 */
export function movedVolumes({ vm, found, mark, from, to }: Way): MovedVolume[] {
  const pools = new Map(disksOf(vm).map(({ target, pool }) => [target, pool]));
  if (vm.seed !== undefined) pools.set(SEED_TARGET, vm.seed.pool);
  return mark.volumes
    .filter(({ made }) => made)
    .map((marked) => {
      const { made: _, ...volume } = marked;
      const pool = pools.get(volume.target) ?? volume.pool;
      const disk = found.disks.find(({ target }) => target === volume.target);
      const alone = from.volumes.get(volumeKey(volume))?.capacity;
      return {
        from: { pool: volume.pool, name: volume.name },
        to: { ...volume, pool },
        bytes: (volume.retained === undefined ? disk?.capacity : alone) ?? alone ?? 0,
        isShared: isSameFolder(from.pools.get(volume.pool), to.pools.get(pool)),
      };
    });
}

/** Both mount the same folder of the same file server. */
export function isSameFolder(a: ObservedPool | undefined, b: ObservedPool | undefined): boolean {
  return (
    a?.source !== undefined &&
    b?.source !== undefined &&
    a.source.host === b.source.host &&
    a.source.path === b.source.path
  );
}

/** Where a volume's file is on a host; undefined: its pool is no folder there, or not active. */
export function fileOf({ pool, name }: VolumeRef, { pools }: Pick<KnownHost, 'pools'>): string | undefined {
  const found = pools.get(pool);
  return found?.active === true && found.path !== undefined ? `${found.path}/${name}` : undefined;
}

/** The VM as it is on the other host once it has arrived there, with that mark. */
export function asArrived(
  { vm, found, from, to, isLive }: Way,
  volumes: readonly MovedVolume[],
  mark: Mark,
): ObservedVm {
  const { run, live, liveDevices, request: _request, ...rest } = found;
  const files = new Map(volumes.map((volume) => [fileOf(volume.from, from), fileOf(volume.to, to)]));
  const there = <D extends { readonly file?: string }>({ file, ...disk }: D) => {
    const moved = file === undefined ? undefined : (files.get(file) ?? file);
    return { ...disk, ...(moved !== undefined && { file: moved }) };
  };
  return {
    ...rest,
    ...(isLive === true && {
      ...(run !== undefined && { run }),
      ...(live && { live }),
      ...(liveDevices && { liveDevices: { ...liveDevices, disks: liveDevices.disks.map(there) } }),
    }),
    power: isLive === true ? 'running' : 'shutoff',
    autostart: vm.autostart,
    disks: found.disks.map(there),
    mark,
  };
}
