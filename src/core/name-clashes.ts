import type { DesiredState } from './desired.ts';
import { isInside } from './ipv4.ts';
import type { Issue } from './issue.ts';
import type { NameEntry } from './names-files.ts';
import type { HostEntry, KnownNames, Reservation } from './observed-names.ts';

/** What a VM asks for and dnsmasq cannot give it, because of what somebody else wrote. */
export interface NameClash {
  readonly vm: string;
  readonly message: string;
}

/** One clash at most for each entry. */
export function findClashes(entries: readonly NameEntry[], names: KnownNames): NameClash[] {
  const clashOf = clashFinder(entries, names);
  return entries.flatMap((entry) => {
    const message = clashOf(entry);
    return message === undefined ? [] : [{ vm: entry.vm, message }];
  });
}

/** Clashes as mistakes of the commit, each where its VM is declared. */
export function clashIssues(clashes: readonly NameClash[], desired: DesiredState): Issue[] {
  return clashes.map(({ vm, message }) => {
    const source = desired.vms.get(vm)?.source;
    return {
      file: source?.file ?? 'cluster.yaml',
      ...(source && { line: source.line }),
      message: `${vm}: ${message}`,
    };
  });
}

function clashFinder(entries: readonly NameEntry[], names: KnownNames) {
  const reservations = indexBy(names.reservations, reservationKeys);
  const hostEntries = indexBy(names.hostEntries, ({ address, names: all }) => [address, ...all]);
  const hostnames = new Map(entries.map(({ hostname, vm }) => [hostname, vm]));
  return (entry: NameEntry): string | undefined => {
    const keys = [entry.address, entry.mac, entry.hostname, entry.vm];
    const nameOf = hostnames.get(entry.vm);
    return (
      addressClash(entry, names) ??
      first(keys, reservations, (one) => reservationClash(entry, one)) ??
      first(keys, hostEntries, (one) => hostClash(entry, one)) ??
      (nameOf === undefined || nameOf === entry.vm
        ? undefined
        : `its name is the hostname of ${nameOf}: DNS would give both addresses for it`)
    );
  };
}

function addressClash({ address }: NameEntry, { networks, interfaces }: KnownNames): string | undefined {
  const own = interfaces.find((one) => one.address === address);
  if (own !== undefined) return `ipaddress ${address} is that of dnsmasq's own machine (${own.name})`;
  if (networks === undefined || networks.some((network) => isInside(address, network))) return undefined;
  const listed = networks.map(({ text }) => text).join(', ');
  return (
    `ipaddress ${address} is outside the networks of every dhcp-range of dnsmasq (${listed}): ` +
    'it would get another one'
  );
}

function reservationClash(entry: NameEntry, one: Reservation): string | undefined {
  const isSame = one.macs.includes(entry.mac) && one.address === entry.address;
  if (isSame) return undefined;
  const whose = `in ${one.place}, which is not ours`;
  if (one.address === entry.address)
    return `ipaddress ${entry.address} is reserved for ${one.macs.join(', ') || one.name || 'another'} ${whose}`;
  if (one.macs.includes(entry.mac))
    return `its MAC address ${entry.mac} has ${one.address ?? 'an entry'} ${whose}`;
  return one.name === entry.hostname || one.name === entry.vm
    ? `its name ${one.name} is that of ${one.macs.join(', ') || 'another'} ${whose}`
    : undefined;
}

function hostClash(entry: NameEntry, one: HostEntry): string | undefined {
  const shared = one.names.find((name) => name === entry.hostname || name === entry.vm);
  if (one.address === entry.address) {
    if (shared !== undefined || one.names.length === 0) return undefined;
    return `ipaddress ${entry.address} is that of ${one.names[0]} in ${one.place}, which is not ours`;
  }
  return shared && `its name ${shared} has the address ${one.address} in ${one.place}, which is not ours`;
}

function reservationKeys({ macs, address, name }: Reservation): string[] {
  return [...macs, ...(address === undefined ? [] : [address]), ...(name === undefined ? [] : [name])];
}

function indexBy<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const index = new Map<string, T[]>();
  for (const item of items) {
    for (const key of keysOf(item)) index.set(key, [...(index.get(key) ?? []), item]);
  }
  return index;
}

function first<T>(
  keys: readonly string[],
  index: ReadonlyMap<string, readonly T[]>,
  find: (item: T) => string | undefined,
): string | undefined {
  for (const key of keys) {
    for (const item of index.get(key) ?? []) {
      const found = find(item);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
