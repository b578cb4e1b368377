import { LibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

type DomainRef = Parameters<Libvirt['domains']['addresses']>[0];

/** The surest first: the guest itself, then libvirt's own DHCP, then whom the host has lately talked to. */
const SOURCES = ['agent', 'lease', 'arp'] as const;

/** IPv4 addresses that a domain has now; none where nobody knows, as of one that is off. */
export async function guestAddresses(
  { domains }: Libvirt,
  domain: DomainRef,
  macs: readonly string[],
): Promise<readonly string[]> {
  for (const source of SOURCES) {
    const found = await ask(() => domains.addresses(domain, source));
    const own = found.filter(({ mac, type, address }) => {
      return type === 'ipv4' && macs.includes(mac?.toLowerCase() ?? '') && !isSpecial(address);
    });
    if (own.length > 0) return own.map(({ address }) => address);
  }
  return [];
}

/** Loopback, and what a machine gives itself that got no address. */
function isSpecial(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('169.254.');
}

async function ask<T>(question: () => Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await question();
  } catch (error) {
    // No agent, no such network, off, or an ARP table that libvirt cannot read: it does not know.
    if (error instanceof LibvirtError) return [];
    throw error;
  }
}
