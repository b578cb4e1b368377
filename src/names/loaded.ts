import { type ConfOption, dnsPort } from '../core/dnsmasq-conf.ts';
import { generationOf } from '../core/names-files.ts';
import type { Interface } from '../core/observed-names.ts';
import { OperatorError } from '../errors.ts';
import { askDns } from './ask-dns.ts';
import type { Machine } from './machine.ts';
import { type DnsServer, type NamesSettings, pathsIn } from './settings.ts';
import { waitFor } from './wait-for.ts';

const WAIT_MS = 5000;

/** Where its DNS is to be asked; undefined: it cannot be. */
export function dnsServerOf(
  { address }: Machine,
  { dns, interface: name }: NamesSettings,
  found: { readonly options: readonly ConfOption[]; readonly interfaces: readonly Interface[] },
): DnsServer | undefined {
  const port = dnsPort(found.options);
  if (dns === 'off' || port === 0) return undefined;
  if (dns !== undefined) return dns;
  const own = found.interfaces.find((one) => one.name === name)?.address;
  return { address: own ?? address, port };
}

/** Whether dnsmasq has read these names. Without DNS: whether it was told to. */
export async function hasLoaded(
  machine: Machine,
  { folder }: Pick<NamesSettings, 'folder'>,
  { server, hosts }: { readonly server: DnsServer | undefined; readonly hosts: string },
): Promise<boolean> {
  const generation = generationOf(hosts);
  if (generation === undefined) return false;
  if (server === undefined) return (await machine.read(pathsIn(folder).told))?.trim() === generation.address;
  return (await askDns(server, generation.name)).includes(generation.address);
}

/** Waits until dnsmasq has read these names: a signal only asks for it. */
export async function waitUntilLoaded(server: DnsServer, hosts: string, path: string): Promise<void> {
  const generation = generationOf(hosts);
  if (generation === undefined) return;
  const isSo = async () => (await askDns(server, generation.name)).includes(generation.address);
  if (!(await waitFor(isSo, WAIT_MS))) throw notLoaded(server, path);
}

function notLoaded({ address, port }: DnsServer, path: string): OperatorError {
  const message =
    `dnsmasq was signalled and does not show what ${path} says (DNS at ${address}, port ${port}): ` +
    `is there \`addn-hosts=${path}\` in its configuration, and may its user read that file? \`kvm-gitops config check\` looks`;
  return new OperatorError('E_POSTCONDITION', message);
}
