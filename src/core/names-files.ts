import { createHash } from 'node:crypto';
import type { NamesFile, NamesFiles } from './observed-names.ts';

/** What dnsmasq is told of one VM. */
export interface NameEntry {
  readonly vm: string;
  /** As in git: with its domain, where it has one. */
  readonly hostname: string;
  readonly address: string;
  readonly mac: string;
  /** That it had before: a guest that runs on with it keeps its address, and its lease is no obstacle to the new one. */
  readonly formerMac?: string;
}

const HEADER = '# Written whole by kvm-gitops at each change; what you add here is lost. Cluster: ';
/** Nobody can own a name below it (RFC 6761). */
const GENERATION_DOMAIN = 'kvm-gitops.invalid';

/**
 * Both files, sorted, so that the same VMs give the same bytes. `path` is where the names go: dnsmasq that goes on with
 * the same names in another file has not read this one.
 */
export function renderNames(
  { cluster, path }: { readonly cluster: string; readonly path: string },
  entries: readonly NameEntry[],
): NamesFiles<string> {
  const sorted = entries.toSorted((a, b) => (a.vm < b.vm ? -1 : 1));
  const reservations = sorted.map(reservationLine);
  const names = sorted.map(hostsLine);
  const generation = generationAddress([path, ...reservations, ...names].join('\n'));
  return {
    dhcpHosts: text([`${HEADER}${cluster}`, ...reservations]),
    hosts: text([`${HEADER}${cluster}`, `${generation} ${cluster}.${GENERATION_DOMAIN}`, ...names]),
  };
}

/** `id:*`: cloned guests may have one client id. The name is what the guest gets as its host name (option 12). */
function reservationLine({ mac, formerMac, address, hostname }: NameEntry): string {
  const macs = formerMac === undefined ? [mac] : [mac, formerMac];
  return [...macs, 'id:*', address, firstLabel(hostname)].join(',');
}

function hostsLine({ address, hostname, vm }: NameEntry): string {
  return [address, ...new Set([hostname, vm])].join(' ');
}

/** dnsmasq cuts a host name there, and logs each time that it ignored the rest. */
export function firstLabel(hostname: string): string {
  return hostname.split('.')[0] ?? hostname;
}

/** What is written, as an address of "this network" (0.0.0.0/8): whoever asks for it learns what dnsmasq has read. */
function generationAddress(content: string): string {
  const [a = 0, b = 0, c = 0] = createHash('sha256').update(content).digest();
  return `0.${a}.${b}.${c}`;
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** The name and the address by which dnsmasq shows that it has read this file of names. */
export function generationOf(hosts: string): { readonly name: string; readonly address: string } | undefined {
  const [, address, name] = /^(0\.\d+\.\d+\.\d+) (\S+\.kvm-gitops\.invalid)$/m.exec(hosts) ?? [];
  return address === undefined || name === undefined ? undefined : { name, address };
}

/** Whose file it is; undefined: we did not write it. */
export function clusterOfFile(content: string): string | undefined {
  const [first = ''] = content.split('\n', 1);
  return first.startsWith(HEADER) ? first.slice(HEADER.length) : undefined;
}

/** What our files say, by VM. */
export function readNames(files: NamesFiles<NamesFile>): ReadonlyMap<string, NameEntry> {
  const macs = new Map(
    contentLines(files.dhcpHosts.text).map((line) => {
      const parts = line.split(',');
      const [mac = '', formerMac] = parts.slice(0, parts.indexOf('id:*'));
      return [parts[parts.indexOf('id:*') + 1] ?? '', { mac, ...(formerMac !== undefined && { formerMac }) }];
    }),
  );
  const entries = contentLines(files.hosts.text).flatMap((line): NameEntry[] => {
    const [address = '', hostname = '', vm = hostname] = line.split(' ');
    const found = macs.get(address);
    return found === undefined ? [] : [{ vm, hostname, address, ...found }];
  });
  return new Map(entries.map((entry) => [entry.vm, entry]));
}

function contentLines(content: string): readonly string[] {
  return content.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}
