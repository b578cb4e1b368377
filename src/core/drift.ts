import { type DesiredState, type DesiredVm, type DriftPolicy, disksOf } from './desired.ts';
import { arrangeFleet } from './fleet.ts';
import type { ObservedState, ObservedVm } from './observed.ts';
import { specHash } from './spec-hash.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** A field that git declares and that is otherwise on the host. */
export interface Difference {
  readonly host: string;
  readonly vm: string;
  readonly field: string;
  readonly git: string;
  readonly actual: string;
  /** `drift`: it was as git says, and the host has changed; `pending`: git has changed, and it is not applied yet. */
  readonly kind: 'drift' | 'pending';
  /** What follows from drift. */
  readonly policy: DriftPolicy;
}

/** Field by field, where the VMs of ours are otherwise than git declares. What git does not say is not compared. */
export function findDrift(desired: DesiredState, observed: ObservedState): Difference[] {
  return arrangeFleet(desired.cluster, observed)
    .owned.toSorted((a, b) => (`${a.host}/${a.vm.name}` < `${b.host}/${b.vm.name}` ? -1 : 1))
    .flatMap(({ host, vm, mark }) => {
      const wanted = desired.vms.get(vm.name);
      if (wanted?.host !== host || wanted.uuid !== vm.uuid || mark.state !== 'ready') return [];
      const kind = mark.spec === specHash(wanted) ? 'drift' : 'pending';
      return fieldsOf(wanted, vm)
        .filter(({ git, actual }) => git !== actual)
        .map((found) => ({ host, vm: vm.name, ...found, kind, policy: wanted.drift }));
    });
}

type Field = Pick<Difference, 'field' | 'git' | 'actual'>;

function fieldsOf(vm: DesiredVm, found: ObservedVm): Field[] {
  return [
    ...powerOf(vm, found),
    field('autostart', String(vm.autostart), String(found.autostart)),
    field('vcpus', String(vm.vcpus), String(found.vcpus)),
    field('memoryGb', gib(vm.memoryMiB), gib(found.memoryMiB)),
    field('maxMemoryGb', gib(vm.maxMemoryMiB), gib(found.maxMemoryMiB)),
    ...disksOf(vm).flatMap((disk) => diskField(disk, found)),
    ...vm.nics.flatMap(({ mac }, index) => cardField(mac, index, found)),
  ];
}

function powerOf({ power }: DesiredVm, found: ObservedVm): Field[] {
  if (power === 'manual') return [];
  return [field('power', power === 'on' ? 'running' : 'shutoff', found.power)];
}

function diskField(
  { target, sizeGiB }: { readonly target: string; readonly sizeGiB?: number },
  { disks }: ObservedVm,
): Field[] {
  const there = disks.find((disk) => disk.target === target);
  const size = sizeGiB === undefined ? 'there' : `${sizeGiB} GiB`;
  if (there === undefined) return [field(`disk ${target}`, size, 'missing')];
  if (there.capacity === undefined || sizeGiB === undefined) return [];
  const isSame = Math.abs(there.capacity - sizeGiB * GIB) < MIB;
  return isSame ? [] : [field(`disk ${target}`, size, `${Number((there.capacity / GIB).toFixed(3))} GiB`)];
}

function cardField(mac: string | undefined, index: number, { macs }: ObservedVm): Field[] {
  const isThere = mac === undefined || macs.some((other) => other.toLowerCase() === mac);
  return isThere ? [] : [field(`network card ${index + 1}`, mac, macs[index] ?? 'missing')];
}

function field(name: string, git: string, actual: string): Field {
  return { field: name, git, actual };
}

function gib(mib: number): string {
  return String(mib / 1024);
}
