import { Address4 } from 'ip-address';

/** A network of IPv4 addresses. */
export interface Network {
  /** `10.0.0.0/16` */
  readonly text: string;
  /** First and last address, as 32-bit integers. */
  readonly first: number;
  readonly last: number;
}

/** The address as a number; undefined where it is no IPv4 address. */
export function addressNumber(text: string): number | undefined {
  return isIpv4(text) ? Number(new Address4(text).bigInt()) : undefined;
}

/** Four decimal numbers, without a prefix length. */
export function isIpv4(text: string): boolean {
  return !text.includes('/') && Address4.isValid(text);
}

/** The network that an address is in. */
export function networkOf(address: string, prefix: number): Network {
  const all = new Address4(`${address}/${prefix}`);
  const start = all.startAddress();
  return {
    text: `${start.correctForm()}/${prefix}`,
    first: Number(start.bigInt()),
    last: Number(all.endAddress().bigInt()),
  };
}

/** Whether the address is in the network. */
export function isInside(address: string, { first, last }: Network): boolean {
  const number = addressNumber(address);
  return number !== undefined && first <= number && number <= last;
}

/** `255.255.0.0` as 16; undefined: it is no netmask. */
export function prefixOfMask(mask: string): number | undefined {
  const bits = addressNumber(mask)?.toString(2).padStart(32, '0') ?? '';
  return /^1+0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined;
}
