import { isInside, isIpv4, type Network, networkOf, prefixOfMask } from './ipv4.ts';
import type { HostEntry, Interface, Lease, Reservation } from './observed-names.ts';

const MAC = /^(?:[0-9a-f]{2}-)?((?:[0-9a-f]{1,2}|\*)(?::(?:[0-9a-f]{1,2}|\*)){5})$/;
const LEASE_TIME = /^(?:\d+[smhdw]?|infinite)$/;

/** Reads a `dhcp-host`: `MAC,IP`, with names, tags, client ids and a lease time anywhere between. */
export function parseReservation(value: string, place: string): Reservation {
  const parts = value.split(',').map((part) => part.trim().toLowerCase());
  const macs = parts.flatMap((part) => macOf(part) ?? []);
  const address = parts.find(isIpv4);
  const name = parts.find(
    (part) =>
      /^[a-z0-9][a-z0-9.-]*$/.test(part) && !isIpv4(part) && !LEASE_TIME.test(part) && part !== 'ignore',
  );
  return {
    place,
    macs,
    ...(address !== undefined && { address }),
    ...(name !== undefined && { name }),
  };
}

/** `52:54:0:1:2:3` as `52:54:00:01:02:03`. */
function macOf(text: string): string | undefined {
  const [, mac] = MAC.exec(text) ?? [];
  return mac
    ?.split(':')
    .map((byte) => byte.padStart(2, '0'))
    .join(':');
}

/** The lines of a file of reservations. */
export function parseReservations(content: string, path: string): Reservation[] {
  return numbered(content).map(([line, number]) =>
    parseReservation(line.replace(/^dhcp-host=/, ''), `${path}:${number}`),
  );
}

/** The lines of a hosts file; IPv6 is left out. */
export function parseHosts(content: string, path: string): HostEntry[] {
  return numbered(content).flatMap(([line, number]) => {
    const [address = '', ...names] = line.toLowerCase().split(/\s+/);
    return isIpv4(address) ? [{ address, names, place: `${path}:${number}` }] : [];
  });
}

/** The lines of /etc/ethers: `MAC IP-or-name`. */
export function parseEthers(content: string, path: string): Reservation[] {
  return numbered(content).map(([line, number]) =>
    parseReservation(line.split(/\s+/).slice(0, 2).join(','), `${path}:${number}`),
  );
}

function numbered(content: string): (readonly [string, number])[] {
  return content
    .split('\n')
    .map((line, index) => [line.replace(/(^|\s)#.*$/, '').trim(), index + 1] as const)
    .filter(([line]) => line !== '');
}

/** The IPv4 leases: a line is `EXPIRY MAC ADDRESS NAME CLIENT-ID`. */
export function parseLeases(content: string): Lease[] {
  return content.split('\n').flatMap((line) => {
    const [expires = '', mac = '', address = '', , clientId = '*'] = line.trim().split(' ');
    if (!isIpv4(address)) return [];
    return [{ mac: mac.toLowerCase(), address, clientId, expires: Number(expires) }];
  });
}

/**
 * The network of a `dhcp-range`: `START[,END|static][,NETMASK[,BROADCAST]][,TIME]`, tags before it. Without a netmask that
 * of the interface counts. Undefined where it is IPv6 or a proxy, or no interface has such a network.
 */
export function parseDhcpRange(value: string, interfaces: readonly Interface[]): Network | undefined {
  const parts = value.split(',').map((part) => part.trim());
  const first = parts.findIndex(isIpv4);
  const start = parts[first];
  if (start === undefined || parts.includes('proxy')) return undefined;
  const [prefix] = parts.slice(first + 1, first + 3).flatMap((part) => prefixOfMask(part) ?? []);
  if (prefix !== undefined) return networkOf(start, prefix);
  return interfaces
    .map((one) => networkOf(one.address, one.prefix))
    .find((network) => isInside(start, network));
}
