import type { DesiredVm, HostPolicy } from '../desired.ts';

/** The VM as git would want it under another host: where it names no pool, its disks are in that host's. */
export function underHost(vm: DesiredVm, { name, pool, images }: HostPolicy): DesiredVm {
  if (vm.host === name) return vm;
  const { bootDisk, dataDisks, seed, ...rest } = vm;
  const place = <Disk extends { readonly pool: string; readonly poolIsDeclared?: boolean }>(disk: Disk) =>
    disk.poolIsDeclared === true ? disk : { ...disk, pool };
  return {
    ...rest,
    host: name,
    ...(bootDisk && {
      bootDisk: {
        ...place(bootDisk),
        image: images.find((image) => image.name === bootDisk.image.name) ?? bootDisk.image,
      },
    }),
    dataDisks: dataDisks.map(place),
    ...(seed && { seed: bootDisk?.poolIsDeclared === true ? seed : { ...seed, pool } }),
  };
}
