import type { Image, NewVm, SourceVm } from './desired.ts';
import type { Fleet } from './fleet.ts';
import type { ImageSize, KnownHost, ObservedDisk, ObservedHost, ObservedVm } from './observed.ts';
import { volumeKey } from './observed.ts';
import type { Problem } from './plan-obstacles.ts';

/**
 * Why an image cannot be had that is the disk of a VM: it has to be read, and cannot be now. A VM that runs writes to its
 * disk, and a copy made meanwhile would be broken. Undefined: it can be read, or need not be.
 */
export function sourceProblem(image: Image, target: KnownHost, fleet: Fleet): Problem | undefined {
  const { name, sourceVm } = image;
  if (sourceVm === undefined || isAtHand(image, target)) return undefined;
  const prefix = `image ${name} is the disk of VM ${sourceVm.name} on ${sourceVm.host}`;
  const host = fleet.known.get(sourceVm.host);
  if (host === undefined) {
    const reason = `${prefix}: ${sourceVm.host} does not answer`;
    return { because: 'unknown', kind: 'create', reason };
  }
  const problem = unreadable(sourceVm, host);
  return problem === undefined
    ? undefined
    : { because: 'conflict', kind: 'create', reason: `${prefix}: ${problem}` };
}

/** How large the disk of the VM is; undefined where that does not show. */
export function sourceSize(
  { name, host }: SourceVm,
  hosts: ReadonlyMap<string, ObservedHost>,
): ImageSize | undefined {
  const found = hosts.get(host);
  const vm = found?.kind === 'known' ? found.vms.find((candidate) => candidate.name === name) : undefined;
  const { physical, capacity } = (vm && sourceDisk(vm)) ?? {};
  return physical === undefined || capacity === undefined ? undefined : { bytes: physical, capacity };
}

/** The disk of a VM that an image is: what it boots from. */
export function sourceDisk<Disk extends Pick<ObservedDisk, 'target' | 'file'>>({
  disks,
}: {
  readonly disks: readonly Disk[];
}): Disk | undefined {
  return disks.find(({ target }) => target === 'vda') ?? disks[0];
}

/** Whether an earlier try made the disk that the VM boots from. */
export function hasBootDisk({ bootDisk }: Pick<NewVm, 'bootDisk'>, { mark }: ObservedVm): boolean {
  return mark?.volumes.some(({ made, target }) => made && target === bootDisk.target) === true;
}

/** It is on the host and checked, or the operator has the file. */
function isAtHand({ pool, volume, content }: Image, target: KnownHost): boolean {
  if (content === undefined) return false;
  if (target.volumes.get(volumeKey({ pool, name: volume }))?.verified === true) return true;
  return target.images?.has(content.sha256) === true;
}

function unreadable({ name }: SourceVm, host: KnownHost): string | undefined {
  const source = host.vms.find((candidate) => candidate.name === name);
  if (source === undefined)
    return `there is no VM of that name. Define it there, or say in git on which host it is`;
  return notAtRest(source) ?? notInPool(source, host);
}

function notAtRest({ power, managedSave }: ObservedVm): string | undefined {
  if (power !== 'shutoff') return `it is ${power}: shut it off, a copy of a disk in use is broken`;
  return managedSave
    ? 'its memory was saved when it stopped, and its disk is not whole without that: start it and shut it down'
    : undefined;
}

function notInPool(source: ObservedVm, { pools }: KnownHost): string | undefined {
  const file = sourceDisk(source)?.file;
  if (file === undefined) return 'its first disk is no file';
  const folder = file.slice(0, file.lastIndexOf('/'));
  const isThere = [...pools.values()].some(({ path, active }) => active && path === folder);
  return isThere ? undefined : `${file} is in no active storage pool: define a pool for ${folder} there`;
}
