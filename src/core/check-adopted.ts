import { vmUuid } from './identity.ts';
import type { Issue } from './issue.ts';
import { nodeAt, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';

/** What makes a disk of an image: senseless for a VM that has its disks already. */
const MAKING = ['image', 'clone', 'bootDiskGb'] as const;

/** What is wrong with the lines of a VM that was there before the repository: one that says its uuid. */
export function checkAdopted(vm: DeclaredVm, cluster: string | undefined): Issue[] {
  const { name, uuid } = vm.sound;
  if (uuid === undefined) return [];
  const issue = (key: string, message: string, hint: string): Issue =>
    issueAt(vm.file, placeOf(vm.node, [key]), `${key} of ${vmLabel(vm.node)}: ${message}`, hint);
  const making = MAKING.filter((key) => nodeAt(vm.node, [key]) !== undefined).map((key) =>
    issue(key, 'a VM with a uuid was there before and has its disks', 'list them under "disks"'),
  );
  const isDerived =
    name !== undefined && cluster !== undefined && vmUuid(cluster, name) === uuid.toLowerCase();
  if (!isDerived) return making;
  const hint = 'only a VM that was there before the repository says its uuid';
  return [...making, issue('uuid', 'it is the one that the VM has anyway: leave it out', hint)];
}

/** What stands under `disks` beside what it says twice, and the boot disk of a VM that is made of an image. */
export function checkDisks(vm: DeclaredVm): Issue[] {
  const { disks = [], uuid } = vm.sound;
  const issue = (path: readonly PropertyKey[], message: string, hint: string): Issue =>
    issueAt(vm.file, placeOf(vm.node, path), `${path.join('.')} of ${vmLabel(vm.node)}: ${message}`, hint);
  const twice = nodeAt(vm.node, ['disks']) === undefined ? [] : ['numDisks', 'diskSize'];
  return [
    ...twice
      .filter((key) => nodeAt(vm.node, [key]) !== undefined)
      .map((key) => issue([key], 'it has "disks" too', 'list every data disk there')),
    ...disks.flatMap(({ target }, index) => {
      if (target === undefined) return [];
      const path = ['disks', index, 'target'];
      if (disks.findIndex((disk) => disk.target === target) !== index)
        return [issue(path, `${target} is there twice`, 'each disk has its own')];
      if (uuid !== undefined || /^vd[b-z]$/.test(target)) return [];
      return [issue(path, `expected vdb to vdz, got ${target}`, 'vda is the boot disk, made of the image')];
    }),
  ];
}

/** `networks` and the fields for a single card say the same thing twice. */
export function checkNetworks(vm: DeclaredVm): Issue[] {
  if (nodeAt(vm.node, ['networks']) === undefined) return [];
  return (['bridge', 'mac'] as const)
    .filter((key) => nodeAt(vm.node, [key]) !== undefined)
    .map((key) =>
      issueAt(
        vm.file,
        placeOf(vm.node, [key]),
        `${key} of ${vmLabel(vm.node)}: it has "networks" too`,
        `give each card under "networks" its ${key}`,
      ),
    );
}
