import type { ManifestsRemote } from './manifests-remote.ts';

export interface SmallVm {
  readonly host: string;
  readonly name: string;
  /** Last number of its address, which has to be unique. */
  readonly address: number;
  readonly power?: 'on' | 'off' | 'manual';
  readonly dataDisks?: number;
  readonly memoryGb?: number;
}

/** Declares VMs in a file of their own, one group for each. */
export function declare(remote: ManifestsRemote, file: string, vms: readonly SmallVm[]): void {
  const groups = vms.map(({ host, name, address, power = 'off', dataDisks = 0, memoryGb = 0.25 }) => {
    const disks = dataDisks === 0 ? '' : `, numDisks: ${dataDisks}, diskSize: 1`;
    const spec = `name: ${name}, ipaddress: 10.77.21.${address}, vcpus: 1, memoryGb: ${memoryGb}, power: ${power}`;
    return `- host: ${host}\n  vmspecs:\n    - { ${spec}${disks} }\n`;
  });
  remote.write(`manifests/${file}`, groups.join(''));
}

/** Takes VMs out of a JSON manifest. */
export function undeclare(remote: ManifestsRemote, file: string, names: readonly string[]): void {
  const groups: { vmspecs: { name: string }[] }[] = JSON.parse(remote.read(`manifests/${file}`));
  const left = groups.map((group) => ({
    ...group,
    vmspecs: group.vmspecs.filter(({ name }) => !names.includes(name)),
  }));
  remote.write(`manifests/${file}`, `${JSON.stringify(left, null, 2)}\n`);
}
