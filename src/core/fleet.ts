import { isLeftBehind, type Mark } from './mark.ts';
import type { KnownHost, ObservedState, ObservedVm, UnknownHost } from './observed.ts';

/** A VM that carries our cluster's mark. */
export interface OwnedVm {
  readonly host: string;
  readonly vm: ObservedVm;
  readonly mark: Mark;
}

/** Any VM, with the host that it is on. */
export interface PlacedVm {
  readonly host: string;
  readonly vm: ObservedVm;
}

/** The observed state, arranged for the questions that planning asks. */
export interface Fleet {
  readonly known: ReadonlyMap<string, KnownHost>;
  readonly unknown: ReadonlyMap<string, UnknownHost>;
  readonly owned: readonly OwnedVm[];
  /** Every MAC address in a definition on any host, lower case. */
  macs(): ReadonlySet<string>;
  /** The VMs of ours with that name or that uuid, on any host. */
  copiesOf(vm: Identity): readonly OwnedVm[];
  /** VMs with that name on that host, or with that uuid on any, that have no mark of ours that can be read. */
  strangersLike(vm: Identity & { readonly host: string }): readonly PlacedVm[];
  /** A host, other than `except`, that does not answer now and had a VM of ours with that name when it last did. */
  lastSeenOn(name: string, except?: string): UnknownHost | undefined;
  /** A host that never answered, as far as we remember: any VM may be there. */
  readonly neverSeen?: UnknownHost | undefined;
  /** VMs, ours or not, that have this file as a disk. */
  usersOf(file: string): readonly PlacedVm[];
}

interface Identity {
  readonly name: string;
  readonly uuid: string;
}

/** Arranges what was observed from the view of one cluster: what another cluster marked is a stranger's. */
export function arrangeFleet(cluster: string, observed: ObservedState): Fleet {
  const hosts = [...observed.hosts.values()];
  const known = hosts.filter((host) => host.kind === 'known');
  const unknown = hosts.filter((host) => host.kind === 'unknown');
  const vms = known.flatMap((host) => host.vms.map((vm) => ({ host: host.name, vm })));
  const owned = vms.flatMap(({ host, vm }) =>
    vm.mark?.cluster === cluster ? [{ host, vm, mark: vm.mark }] : [],
  );
  const strangers = vms.filter(({ vm }) => vm.mark?.cluster !== cluster);
  // One index for both: a name that looks like another VM's uuid would read as a conflict, and nothing worse.
  const copies = indexBy(owned, ({ vm }) => [vm.name, vm.uuid]);
  const others = indexBy(strangers, ({ host, vm }) => [`${host}/${vm.name}`, vm.uuid]);
  const seen = indexBy(unknown, ({ lastSeen }) => lastSeen ?? []);
  // Most passes create and purge nothing.
  const users = once(() => {
    // What a move left behind is a copy: its files are others, though of the same name.
    const live = vms.filter(({ vm: { mark } }) => mark === undefined || !isLeftBehind(mark));
    return indexBy(live, ({ vm }) => vm.disks.flatMap(({ file }) => file ?? []));
  });
  return {
    known: new Map(known.map((host) => [host.name, host])),
    unknown: new Map(unknown.map((host) => [host.name, host])),
    owned,
    macs: once(() => new Set(vms.flatMap(({ vm }) => vm.macs.map((mac) => mac.toLowerCase())))),
    copiesOf: ({ name, uuid }) => either(copies, name, uuid),
    strangersLike: ({ host, name, uuid }) => either(others, `${host}/${name}`, uuid),
    neverSeen: unknown.find(({ lastSeen }) => lastSeen === undefined),
    lastSeenOn: (name, except) => seen.get(name)?.find((host) => host.name !== except),
    usersOf: (file) => users().get(file) ?? [],
  };
}

/** Ours, and not on its way out: or it was, and somebody started it. */
export function isActive({ mark, vm }: OwnedVm): boolean {
  return mark.state !== 'tombstone' || vm.power !== 'shutoff';
}

function indexBy<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const index = new Map<string, T[]>();
  for (const item of items) {
    for (const key of keysOf(item)) {
      const group = index.get(key);
      if (group === undefined) index.set(key, [item]);
      else group.push(item);
    }
  }
  return index;
}

function either<T>(index: ReadonlyMap<string, readonly T[]>, a: string, b: string): readonly T[] {
  const ofA = index.get(a) ?? [];
  const more = (index.get(b) ?? []).filter((item) => !ofA.includes(item));
  return more.length === 0 ? ofA : [...ofA, ...more];
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
