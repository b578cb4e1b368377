import type { DesiredVm } from './desired.ts';
import { type KnownHost, volumeKey } from './observed.ts';

const GIB = 1024 ** 3;

/** Why the host, as it is now, cannot hold the VM's disks; undefined: it can. */
export function placementProblem(vm: DesiredVm, host: KnownHost): string | undefined {
  const { image, sizeGiB } = vm.bootDisk;
  const needed = new Set([image.pool, vm.bootDisk.pool, ...vm.dataDisks.map(({ pool }) => pool)]);
  for (const name of needed) {
    const pool = host.pools.get(name);
    if (pool === undefined)
      return `${host.name} has no storage pool ${name}: define it there, or name another in git`;
    if (!pool.active)
      return `storage pool ${name} of ${host.name} is not active: \`virsh pool-start ${name}\` there`;
    if (pool.path === undefined) return `storage pool ${name} of ${host.name} is not a folder of files`;
  }
  const volume = host.volumes.get(volumeKey({ pool: image.pool, name: image.volume }));
  if (volume === undefined) {
    return `base image ${image.name} is not on ${host.name}: no volume ${image.volume} in pool ${image.pool}`;
  }
  if (sizeGiB !== undefined && sizeGiB * GIB < volume.capacity) {
    return `bootDiskGb is ${sizeGiB}, and base image ${image.name} has ${volume.capacity / GIB} GiB: a disk does not shrink`;
  }
  return undefined;
}
