import type { Network } from './ipv4.ts';

/** What dnsmasq serves; Unknown when it cannot be read: then its files stay as they are. */
export type ObservedNames = KnownNames | UnknownNames;

interface UnknownNames {
  readonly kind: 'unknown';
  readonly reason: string;
}

export interface KnownNames {
  readonly kind: 'known';
  /** Our two files as they are. */
  readonly files: NamesFiles<NamesFile>;
  /** dnsmasq has read them as they are. */
  readonly isLoaded: boolean;
  /** Reservations that somebody else wrote. */
  readonly reservations: readonly Reservation[];
  /** Names that somebody else gave. */
  readonly hostEntries: readonly HostEntry[];
  /** The networks of its dhcp-ranges; undefined: it gives no addresses. */
  readonly networks?: readonly Network[];
  readonly leases: readonly Lease[];
  readonly interfaces: readonly Interface[];
}

/** One of each: for reservations, and for names. */
export interface NamesFiles<T> {
  readonly dhcpHosts: T;
  readonly hosts: T;
}

export interface NamesFile {
  readonly path: string;
  /** Empty where there is no such file. */
  readonly text: string;
}

/** A line in a file: `/etc/dnsmasq.d/old:12`. */
interface Placed {
  readonly place: string;
}

/** A `dhcp-host`. */
export interface Reservation extends Placed {
  /** Lower case. */
  readonly macs: readonly string[];
  readonly address?: string;
  readonly name?: string;
}

/** A line of a hosts file, or a `host-record`. */
export interface HostEntry extends Placed {
  readonly address: string;
  readonly names: readonly string[];
}

export interface Lease {
  readonly mac: string;
  readonly address: string;
  /** `*`: the client sent none. */
  readonly clientId: string;
  /** Seconds since 1970; 0: it never ends. */
  readonly expires: number;
}

/** Those that have not ended. */
export function currentLeases(leases: readonly Lease[], now: Date): readonly Lease[] {
  return leases.filter(({ expires }) => expires === 0 || expires * 1000 > now.getTime());
}

/** An address of the machine that dnsmasq is on. */
export interface Interface {
  readonly name: string;
  readonly address: string;
  /** Length of its network's prefix. */
  readonly prefix: number;
}
