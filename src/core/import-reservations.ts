import type { DesiredVm } from './desired.ts';
import type { HostEntry, Reservation } from './observed-names.ts';

/** What becomes of a line that somebody wrote for dnsmasq before the operator did. */
export interface ImportedLine {
  /** `same`: git says so too, and the line can go. `differs`: one of the two is wrong. `foreign`: no VM of git; it stays. */
  readonly kind: 'same' | 'differs' | 'foreign';
  readonly place: string;
  /** As read: `10.0.0.11 52:54:00:00:00:01`, `10.0.0.11 web`. */
  readonly line: string;
  readonly vm?: string;
  readonly source?: DesiredVm['source'];
  /** Its manifest must say it, or a VM that is made anew gets another one. */
  readonly mac?: string;
  /** What git has instead. */
  readonly reason?: string;
}

/** Finds for each reservation the VM that git has by now, by its address or its MAC address. */
export function importReservations(
  reservations: readonly Reservation[],
  vms: ReadonlyMap<string, DesiredVm>,
): ImportedLine[] {
  const all = [...vms.values()];
  const byAddress = new Map(all.map((vm) => [vm.ipaddress, vm]));
  const byMac = new Map(all.flatMap((vm) => vm.nics.map((nic) => [nic.mac?.toLowerCase(), vm] as const)));
  const firsts = new Map<string, Reservation>();
  return reservations.map((reservation): ImportedLine => {
    const { place, macs, address, name } = reservation;
    const line = [address, ...macs, name].filter((part) => part !== undefined).join(' ');
    const [mac] = macs;
    if (mac === undefined || address === undefined) return { kind: 'foreign', place, line };
    const vm = byAddress.get(address) ?? byMac.get(mac);
    if (vm === undefined) return { kind: 'foreign', place, line };
    const first = firsts.get(vm.name);
    firsts.set(vm.name, first ?? reservation);
    const about = { place, line, vm: vm.name, source: vm.source };
    const reason = differenceTo(vm, { mac, address }) ?? repetitionOf(first, { mac, address });
    if (reason !== undefined) return { kind: 'differs', ...about, reason };
    return { kind: 'same', ...about, ...(vm.nics[0]?.mac === undefined && { mac }) };
  });
}

type Pair = Required<Pick<Reservation, 'address'>> & { readonly mac: string };

function differenceTo({ ipaddress, nics }: DesiredVm, { mac, address }: Pair): string | undefined {
  const declared = nics[0]?.mac?.toLowerCase();
  if (address !== ipaddress) return `ipaddress ${ipaddress}`;
  return declared === undefined || declared === mac ? undefined : `mac ${declared}`;
}

/** The scripts left lines of former builds behind. */
function repetitionOf(first: Reservation | undefined, { mac, address }: Pair): string | undefined {
  return first === undefined || (first.address === address && first.macs.includes(mac))
    ? undefined
    : `no mac, and ${first.place} has ${first.macs.join(', ')}`;
}

/** The same for the lines of a hosts file; those that are about no VM of git are left out. */
export function importHosts(
  entries: readonly HostEntry[],
  vms: ReadonlyMap<string, DesiredVm>,
): ImportedLine[] {
  const all = [...vms.values()];
  const byName = new Map(all.flatMap((vm) => [[vm.hostname, vm] as const, [vm.name, vm] as const]));
  const byAddress = new Map(all.map((vm) => [vm.ipaddress, vm]));
  return entries.flatMap(({ place, address, names }): ImportedLine[] => {
    const [named] = names.flatMap((name) => byName.get(name) ?? []);
    const vm = byAddress.get(address) ?? named;
    if (vm === undefined) return [];
    const about = { place, line: [address, ...names].join(' '), vm: vm.name, source: vm.source };
    const isSame =
      vm.ipaddress === address && names.every((name) => name === vm.hostname || name === vm.name);
    if (isSame) return [{ kind: 'same', ...about }];
    return [{ kind: 'differs', ...about, reason: [vm.ipaddress, vm.hostname, vm.name].join(' ') }];
  });
}
