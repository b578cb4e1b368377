import { volumeBytes } from '../capacity.ts';
import { type DesiredState, type DesiredVm, disksOf } from '../desired.ts';
import { arrangeFleet, type Fleet, isActive } from '../fleet.ts';
import type { KnownHost, ObservedState, ObservedVm } from '../observed.ts';
import { imageProblem, poolProblem } from '../placement.ts';
import { type Load, loadOf } from './fit.ts';
import { underHost } from './under-host.ts';

/** A VM that may be given another host. */
export interface Mover {
  readonly vm: DesiredVm;
  readonly load: Load;
  /** Why it has to stay where it is. */
  readonly stays?: string;
  /** Why that host could not hold it, however much room there were. */
  readonly unfit: (host: string) => string | undefined;
}

/** Looks at VMs of git as what could be moved. */
export function moversOf(vms: Iterable<DesiredVm>, desired: DesiredState, observed: ObservedState): Mover[] {
  const fleet = arrangeFleet(desired.cluster, observed);
  return [...vms].map((vm) => {
    const found = fleet.copiesOf(vm).find((copy) => copy.host === vm.host)?.vm;
    const from = fleet.known.get(vm.host);
    const stays = reasonToStay(vm, found, fleet);
    return {
      vm,
      load: movingLoad(vm, found, { desired, observed }),
      ...(stays !== undefined && { stays }),
      unfit: (host) => unfit(vm, { from, to: fleet.known.get(host) }, desired),
    };
  });
}

function reasonToStay(vm: DesiredVm, found: ObservedVm | undefined, fleet: Fleet): string | undefined {
  const elsewhere = fleet.copiesOf(vm).find((copy) => copy.host !== vm.host && isActive(copy));
  if (elsewhere !== undefined) return `it is still on ${elsewhere.host}, and is to come here first`;
  const snapshots = found?.mark?.snapshots?.map(({ name }) => name) ?? vm.snapshots ?? [];
  return snapshots.length === 0 ? undefined : `it has snapshots (${snapshots.join(', ')}): merge them first`;
}

/** One that is off takes only disks. They are copied as large as they are, which may be more than git says. */
function movingLoad(
  vm: DesiredVm,
  found: ObservedVm | undefined,
  { desired, observed }: { readonly desired: DesiredState; readonly observed: ObservedState },
): Load {
  const load = loadOf(vm, desired, observed);
  const isOff = vm.power === 'off' && !vm.autostart;
  return {
    ...load,
    ...(isOff && { vcpus: 0, memoryMiB: 0 }),
    disksOn: (name) => {
      const policy = desired.hosts.get(name);
      const there = policy === undefined ? vm : underHost(vm, policy);
      const host = observed.hosts.get(name);
      const bytes = new Map(load.disksOn(name));
      for (const disk of disksOf(there)) {
        const only =
          'image' in disk ? { ...there, dataDisks: [] } : { ...withoutBootDisk(there), dataDisks: [disk] };
        const declared = volumeBytes(disk.pool, only, host?.kind === 'known' ? host : undefined);
        const capacity = found?.disks.find(({ target }) => target === disk.target)?.capacity ?? 0;
        bytes.set(disk.pool, (bytes.get(disk.pool) ?? 0) + Math.max(0, capacity - declared));
      }
      return bytes;
    },
  };
}

function withoutBootDisk(vm: DesiredVm): DesiredVm {
  const { bootDisk, ...rest } = vm;
  return bootDisk === undefined ? vm : rest;
}

function unfit(
  vm: DesiredVm,
  { from, to }: { readonly from: KnownHost | undefined; readonly to: KnownHost | undefined },
  { hosts }: DesiredState,
): string | undefined {
  const policy = to && hosts.get(to.name);
  if (to === undefined || policy === undefined) return 'it does not answer';
  if (from !== undefined && from.arch !== to.arch)
    return `it is ${to.arch}, and ${from.name} is ${from.arch}`;
  if (from !== undefined && from.virtType !== to.virtType)
    return `guests run there by ${to.virtType}, and on ${from.name} by ${from.virtType}`;
  const there = underHost(vm, policy);
  for (const { pool } of disksOf(there)) {
    const problem = poolProblem(pool, to, policy);
    if (problem !== undefined) return problem;
  }
  const { bootDisk } = there;
  return bootDisk === undefined || bootDisk.clone === 'full' ? undefined : imageProblem(bootDisk, to);
}
