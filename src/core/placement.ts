import { type BootDisk, type DesiredVm, disksOf, type HostPolicy, type NewVm } from './desired.ts';
import { imageKey, isBrought } from './images.ts';
import { type KnownHost, volumeKey } from './observed.ts';
import { poolConflict } from './plan-pools.ts';

const GIB = 1024 ** 3;

/** Why the host cannot hold the VM's disks, not even once its declared pools are set up; undefined: it can. */
export function placementProblem(
  vm: NewVm,
  host: KnownHost,
  policy: Pick<HostPolicy, 'pools'>,
): string | undefined {
  for (const name of poolsNeeded(vm)) {
    const problem = poolProblem(name, host, policy);
    if (problem !== undefined) return problem;
  }
  return imageProblem(vm.bootDisk, host);
}

/** The pools that its creation reads and writes. */
export function poolsNeeded(vm: DesiredVm): ReadonlySet<string> {
  const pools = disksOf(vm).map(({ pool }) => pool);
  return new Set(vm.bootDisk === undefined ? pools : [vm.bootDisk.image.pool, ...pools]);
}

/** Why no disk can be made in that pool of the host, not even once it is set up; undefined: it can. */
export function poolProblem(
  name: string,
  host: KnownHost,
  { pools }: Pick<HostPolicy, 'pools'>,
): string | undefined {
  const declared = pools.find((pool) => pool.name === name);
  if (declared !== undefined) return poolConflict(declared, host);
  const pool = host.pools.get(name);
  if (pool === undefined)
    return `${host.name} has no storage pool ${name}: declare it in cluster.yaml or define it there, or name another in git`;
  if (!pool.active)
    return `storage pool ${name} of ${host.name} is not active: \`virsh pool-start ${name}\` there`;
  return pool.path === undefined
    ? `storage pool ${name} of ${host.name} is not a folder of files`
    : undefined;
}

/** Why no disk can be made of its image on that host; undefined: it can. */
export function imageProblem({ image, sizeGiB }: BootDisk, host: KnownHost): string | undefined {
  // What is in a pool that has yet to be started shows then.
  if (host.pools.get(image.pool)?.active !== true) return undefined;
  const volume = host.volumes.get(volumeKey({ pool: image.pool, name: image.volume }));
  if (volume === undefined && !isBrought(image)) {
    return `base image ${image.name} is not on ${host.name}: no volume ${image.volume} in pool ${image.pool}`;
  }
  const capacity = volume?.capacity ?? host.images?.get(imageKey(image) ?? '')?.capacity;
  return sizeGiB !== undefined && capacity !== undefined && sizeGiB * GIB < capacity
    ? `bootDiskGb is ${sizeGiB}, and base image ${image.name} has ${capacity / GIB} GiB: a disk does not shrink`
    : undefined;
}
