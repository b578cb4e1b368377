import { type AddressRange, addressProblem } from './address-range.ts';
import { checkAdopted, checkDisks, checkNetworks } from './check-adopted.ts';
import { checkCloudInit, type SopsProblems } from './check-cloud-init.ts';
import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { someNames } from './issue-limit.ts';
import { nodeAt, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';
import { seedVolume } from './resolve-seed.ts';
import { volumeName } from './resolve-vm.ts';
import { didYouMean } from './suggest.ts';

/** What VMs are checked against. */
export interface Surroundings {
  /** What is known of cluster.yaml: a part that cannot be read is absent, and then nothing is said of it. */
  readonly cluster: Partial<Cluster>;
  /** Names of images by their volumes. */
  readonly imagesByVolume: ReadonlyMap<string, string>;
  readonly ranges: readonly AddressRange[] | undefined;
  /** Names of KVM hosts by their addresses. */
  readonly hostAddresses: ReadonlyMap<string, string>;
  readonly sopsFiles: SopsProblems;
}

/** What is wrong with a VM beyond the form of its fields. */
export function checkVm(
  vm: DeclaredVm,
  { cluster, imagesByVolume, ranges, hostAddresses, sopsFiles }: Surroundings,
): Issue[] {
  return [
    ...memoryIssues(vm),
    ...diskIssues(vm),
    ...imageIssues(vm, cluster),
    ...poolIssues(vm, cluster),
    ...checkAdopted(vm, cluster.cluster),
    ...checkNetworks(vm),
    ...checkDisks(vm),
    ...volumeIssues(vm, imagesByVolume),
    ...addressIssues(vm, ranges, hostAddresses),
    ...checkCloudInit(vm, cluster, sopsFiles),
  ];
}

function issueOf(vm: DeclaredVm, key: string, message: string, hint?: string): Issue {
  return issueAt(vm.file, placeOf(vm.node, [key]), `${key} of ${vmLabel(vm.node)}: ${message}`, hint);
}

function memoryIssues(vm: DeclaredVm): Issue[] {
  const { memoryGb, maxMemoryGb } = vm.sound;
  if (memoryGb === undefined || maxMemoryGb === undefined || memoryGb <= maxMemoryGb) return [];
  return [issueOf(vm, 'memoryGb', `expected at most maxMemoryGb (${maxMemoryGb}), got ${memoryGb}`)];
}

function diskIssues(vm: DeclaredVm): Issue[] {
  const { numDisks = 0, diskSize } = vm.sound;
  const unreadable = diskSize === undefined && nodeAt(vm.node, ['diskSize']) !== undefined;
  if (numDisks === 0 || unreadable || (diskSize !== undefined && diskSize > 0)) return [];
  const got = diskSize ?? 'nothing';
  return [issueOf(vm, 'diskSize', `expected more than 0 GiB because numDisks is ${numDisks}, got ${got}`)];
}

function imageIssues(vm: DeclaredVm, { defaults, images }: Partial<Cluster>): Issue[] {
  const { image } = vm.sound;
  if (image === undefined) {
    const isSaid =
      nodeAt(vm.node, ['image']) !== undefined ||
      nodeAt(vm.node, ['uuid']) !== undefined ||
      defaults === undefined ||
      defaults.image !== undefined;
    if (isSaid) return [];
    const hint = 'give the VM one, or write defaults: {image: NAME} in cluster.yaml';
    return [issueOf(vm, 'image', 'missing, and cluster.yaml has no default', hint)];
  }
  if (images === undefined || Object.hasOwn(images, image)) return [];
  const names = Object.keys(images);
  const hint = names.length === 0 ? 'it declares none' : `declared are ${someNames(names)}`;
  return [
    issueOf(vm, 'image', `no image "${image}" is declared in cluster.yaml${didYouMean(image, names)}`, hint),
  ];
}

/** A pool that its host does not have, by decree. */
function poolIssues({ host, ...vm }: DeclaredVm, { hosts = {}, defaults = {} }: Partial<Cluster>): Issue[] {
  const settings = (host !== undefined && Object.hasOwn(hosts, host) ? hosts[host] : undefined) ?? {};
  const pool = vm.sound.pool ?? settings.pool ?? defaults.pool ?? 'default';
  const { pools = {} } = settings;
  if (!Object.hasOwn(pools, pool) || pools[pool] !== null) return [];
  const hint = `name another pool, or put the VM on another host`;
  return [
    issueOf(
      { host, ...vm },
      'pool',
      `${host} does not have pool "${pool}": cluster.yaml says null for it`,
      hint,
    ),
  ];
}

/** A purge deletes the volumes of a VM: none of them may be an image. In whatever pool, to be sure. */
function volumeIssues(vm: DeclaredVm, imagesByVolume: Surroundings['imagesByVolume']): Issue[] {
  const { name, disks: listed, numDisks = 0 } = vm.sound;
  if (name === undefined) return [];
  const count = Math.min(listed?.length ?? numDisks, 24) + 1;
  const disks = Array.from({ length: count }, (_, disk) => volumeName(name, disk));
  return [...disks, seedVolume(name)].flatMap((volume) => {
    const image = imagesByVolume.get(volume);
    const message = `its disk would have the name of the image "${image}", ${volume}`;
    return image === undefined ? [] : [issueOf(vm, 'name', message, 'rename one of them')];
  });
}

function addressIssues(
  vm: DeclaredVm,
  ranges: Surroundings['ranges'],
  hostAddresses: Surroundings['hostAddresses'],
): Issue[] {
  const { ipaddress } = vm.sound;
  if (ipaddress === undefined) return [];
  const host = hostAddresses.get(ipaddress);
  const problem =
    host === undefined ? addressProblem(ipaddress, ranges) : `is the address of the KVM host ${host}`;
  return problem === undefined ? [] : [issueOf(vm, 'ipaddress', `${ipaddress} ${problem}`)];
}
