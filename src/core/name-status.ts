import type { DesiredState } from './desired.ts';
import type { NameClash } from './name-clashes.ts';
import { type NameEntry, readNames } from './names-files.ts';
import { currentLeases, type KnownNames, type Lease } from './observed-names.ts';
import type { Held } from './step.ts';

/** What dnsmasq has of a VM. */
export interface NameStatus {
  readonly vm: string;
  readonly names: readonly string[];
  readonly address: string;
  /** Absent: not known yet. */
  readonly mac?: string;
  /**
   * `loaded`: dnsmasq has read it as git has it. `written`: our files have it, and dnsmasq has not read them.
   * `differs`: our files have something else. `missing`: they have nothing.
   */
  readonly state: 'loaded' | 'written' | 'differs' | 'missing';
  readonly lease?: HeldLease;
  /** Why it does not get what git has. */
  readonly problem?: string;
  /** Where it is declared; absent: git has it no more. */
  readonly source?: string;
}

/** Of its MAC address, or in the way of its own. */
export interface HeldLease {
  readonly mac: string;
  readonly address: string;
  /** ISO 8601; absent: for ever. */
  readonly until?: string;
}

interface Context {
  readonly known: KnownNames;
  readonly clashes: readonly NameClash[];
  readonly held: readonly Held[];
  readonly now: Date;
}

/** Every VM in git, and every entry of one that git has no more, by name. */
export function nameStatuses({ vms }: DesiredState, context: Context): NameStatus[] {
  const { known, clashes, held } = context;
  const present = readNames(known.files);
  const problems = new Map([
    ...held.flatMap(({ subject, kind, reason }) =>
      kind === 'publish' || kind === 'start' ? [[subject, reason] as const] : [],
    ),
    ...clashes.map(({ vm, message }) => [vm, message] as const),
  ]);
  const wanted = [...vms.values()].map(({ name, hostname, ipaddress, nics, source }): NameStatus => {
    const entry = present.get(name);
    const mac = entry?.mac ?? nics[0]?.mac?.toLowerCase();
    const problem = problems.get(name);
    return {
      vm: name,
      names: [...new Set([hostname, name])],
      address: ipaddress,
      ...(mac !== undefined && { mac }),
      state: stateOf({ hostname, address: ipaddress }, entry, known),
      ...leaseOf({ mac, address: ipaddress }, context),
      ...(problem !== undefined && { problem }),
      source: `${source.file}:${source.line}`,
    };
  });
  const gone = [...present.values()].filter(({ vm }) => !vms.has(vm));
  return [...wanted, ...gone.map((entry) => goneStatus(entry, context))].toSorted((a, b) =>
    a.vm < b.vm ? -1 : 1,
  );
}

function goneStatus(entry: NameEntry, context: Context): NameStatus {
  const { vm, hostname, address, mac } = entry;
  return {
    vm,
    names: [...new Set([hostname, vm])],
    address,
    mac,
    state: stateOf(entry, entry, context.known),
    ...leaseOf(entry, context),
  };
}

function stateOf(
  { hostname, address }: Pick<NameEntry, 'hostname' | 'address'>,
  entry: NameEntry | undefined,
  { isLoaded }: KnownNames,
): NameStatus['state'] {
  if (entry === undefined) return 'missing';
  if (entry.address !== address || entry.hostname !== hostname) return 'differs';
  return isLoaded ? 'loaded' : 'written';
}

/** Its own lease of its own address, else another one of its own, else whose its address is. */
function leaseOf(
  { mac, address }: { readonly mac: string | undefined; readonly address: string },
  { known, now }: Context,
): { readonly lease: HeldLease } | undefined {
  const leases = currentLeases(known.leases, now);
  const found =
    leases.find((lease) => lease.mac === mac && lease.address === address) ??
    leases.find((lease) => lease.mac === mac) ??
    leases.find((lease) => lease.address === address);
  return found && { lease: heldLease(found) };
}

function heldLease({ mac, address, expires }: Lease): HeldLease {
  return { mac, address, ...(expires !== 0 && { until: new Date(expires * 1000).toISOString() }) };
}
