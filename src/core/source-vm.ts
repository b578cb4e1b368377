import type { NewVm } from './desired.ts';
import type { KnownHost } from './observed.ts';

export type Resolved = { readonly vm: NewVm } | { readonly problem: string };

/**
 * Finds the disk of the VM that an image is, as it is on the host now: pool and volume. A VM that runs writes to it, and
 * a copy made meanwhile would be broken.
 */
export function resolveSourceVm(vm: NewVm, host: KnownHost): Resolved {
  const { image } = vm.bootDisk;
  const { name, sourceVm } = image;
  if (sourceVm === undefined) return { vm };
  const problem = (text: string) => ({ problem: `image ${name} is the disk of VM ${sourceVm}: ${text}` });
  const source = host.vms.find((candidate) => candidate.name === sourceVm);
  if (source === undefined) return problem(`${host.name} has no VM of that name; define it there`);
  if (source.power !== 'shutoff')
    return problem(`it is ${source.power} on ${host.name}: shut it off, a copy of a disk in use is broken`);
  const file = source.disks.find(({ target }) => target === 'vda')?.file ?? source.disks[0]?.file;
  if (file === undefined) return problem(`its first disk on ${host.name} is no file`);
  const folder = file.slice(0, file.lastIndexOf('/'));
  const pool = [...host.pools.values()].find(({ path, active }) => active && path === folder);
  if (pool === undefined)
    return problem(`${file} is in no active storage pool of ${host.name}: define a pool for ${folder}`);
  const found = { ...image, pool: pool.name, volume: file.slice(folder.length + 1) };
  return { vm: { ...vm, bootDisk: { ...vm.bootDisk, image: found } } };
}
