import { Address4 } from 'ip-address';
import { addressNumber } from './ipv4.ts';
import { someNames } from './issue-limit.ts';

/** Some IPv4 addresses that VMs may have; numbers are addresses as 32-bit integers, both ends included. */
export interface AddressRange {
  readonly text: string;
  readonly first: number;
  readonly last: number;
  /** Of a network the first and the last address belong to nobody; one of /31 or /32 has no such. */
  readonly isNetwork: boolean;
}

/** Reads `10.0.0.0/16`, `10.1.0.10-10.1.0.99` or `10.1.0.7`; text says what is wrong with it. */
export function parseAddressRange(text: string): AddressRange | string {
  if (text.includes('/')) return parseNetwork(text);
  const ends = text.split('-');
  const first = addressNumber(ends[0]?.trim() ?? '');
  const last = addressNumber(ends.at(-1)?.trim() ?? '');
  if (first === undefined || last === undefined || ends.length > 2) {
    return 'expected a network such as 10.0.0.0/16, a range such as 10.1.0.10-10.1.0.99, or an address';
  }
  return first > last ? 'the range ends before it begins' : { text, first, last, isNetwork: false };
}

/** Why the address is none for a VM; undefined if it is. Without ranges, any unicast address is. */
export function addressProblem(
  text: string,
  ranges: readonly AddressRange[] | undefined,
): string | undefined {
  const address = addressNumber(text);
  if (address === undefined) return undefined;
  if (isSpecial(address)) return 'is no address of a machine';
  if (ranges === undefined) return undefined;
  for (const { isNetwork, first, last, text: network } of ranges) {
    if (isNetwork && address === first) return `is the network address of ${network}`;
    if (isNetwork && address === last) return `is the broadcast address of ${network}`;
  }
  if (ranges.some(({ first, last }) => first <= address && address <= last)) return undefined;
  const listed = someNames(ranges.map((range) => range.text));
  return `is outside the addresses that cluster.yaml allows (${listed === '' ? 'none' : listed})`;
}

/** Whether an address is in the network in which another one is; both are IPv4. */
export function isInNetwork(
  address: string,
  network: { readonly address: string; readonly prefix: number },
): boolean {
  return new Address4(address).isInSubnet(new Address4(`${network.address}/${network.prefix}`));
}

function parseNetwork(text: string): AddressRange | string {
  if (!Address4.isValid(text) || !/\/(\d|[12]\d|3[0-2])$/.test(text))
    return 'expected a network such as 10.0.0.0/16';
  const network = new Address4(text);
  const start = network.startAddress();
  if (start.bigInt() !== new Address4(network.addressMinusSuffix).bigInt()) {
    return `the network has bits of a host; did you mean "${start.correctForm()}/${network.subnetMask}"?`;
  }
  const isNetwork = network.subnetMask < 31;
  return { text, first: Number(start.bigInt()), last: Number(network.endAddress().bigInt()), isNetwork };
}

/** "This" network, loopback, multicast and beyond. */
function isSpecial(address: number): boolean {
  const top = Math.floor(address / 2 ** 24);
  return top === 0 || top === 127 || top >= 224;
}
