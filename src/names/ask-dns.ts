import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { errorMessage, OperatorError } from '../errors.ts';
import type { DnsServer } from './settings.ts';

/** What a server says when it does not know a name. */
const UNKNOWN_NAME = new Set(['ENOTFOUND', 'ENODATA', 'EREFUSED', 'ESERVFAIL']);

/** The IPv4 addresses that a server has for a name; E_DNSMASQ when it does not answer. */
export async function askDns({ address, port }: DnsServer, name: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  const server = isIP(address) === 0 ? (await lookup(address)).address : address;
  resolver.setServers([isIP(server) === 6 ? `[${server}]:${port}` : `${server}:${port}`]);
  try {
    return await resolver.resolve4(name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && UNKNOWN_NAME.has(String(error.code))) return [];
    const hint = 'say in dnsmasq.dns where it can be asked, or `off`';
    const message = `dnsmasq does not answer DNS at ${address}, port ${port}: ${errorMessage(error)}; ${hint}`;
    throw new OperatorError('E_DNSMASQ', message, { cause: error });
  }
}
