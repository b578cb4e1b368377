import { parseReservation } from './dnsmasq-lines.ts';
import { isIpv4 } from './ipv4.ts';
import type { HostEntry, Reservation } from './observed-names.ts';

/** One option that dnsmasq was given, in a file or when it was started. */
export interface ConfOption {
  readonly key: string;
  readonly value: string;
  /** `/etc/dnsmasq.conf:12`, or `its command line`. */
  readonly place: string;
}

const COMMAND_LINE = 'its command line';

/** The short options that matter here. */
const LONG_NAMES: Readonly<Record<string, string>> = {
  '7': 'conf-dir',
  C: 'conf-file',
  F: 'dhcp-range',
  G: 'dhcp-host',
  H: 'addn-hosts',
  Z: 'read-ethers',
  h: 'no-hosts',
  l: 'dhcp-leasefile',
  p: 'port',
  8: 'log-facility',
};

/** Short options without a value, which may be joined: `-kd`. */
const FLAGS = /^-[951yZDNLERKzowefnbvhdkq3]+$/;

/** The lines of a configuration file: `key=value`, quotes and comments taken off. */
export function parseConf(content: string, path: string): ConfOption[] {
  return content.split('\n').flatMap((raw, index) => {
    const line = withoutComment(raw).trim();
    if (line === '') return [];
    const [key = '', ...rest] = line.split('=');
    return [{ key: key.trim(), value: unquote(rest.join('=').trim()), place: `${path}:${index + 1}` }];
  });
}

function withoutComment(line: string): string {
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '"') quoted = !quoted;
    if (line[at] === '#' && !quoted && (at === 0 || /\s/.test(line[at - 1] ?? ''))) return line.slice(0, at);
  }
  return line;
}

function unquote(value: string): string {
  return value.replaceAll('"', '');
}

/** The options of a command line: `--key=value`, `--key value`, `-kvalue`, `-k value`, `-kd`. */
export function parseArguments(argv: readonly string[]): ConfOption[] {
  const options: ConfOption[] = [];
  const add = (key: string | undefined, value: string) => {
    if (key !== undefined) options.push({ key, value, place: COMMAND_LINE });
  };
  for (let at = 1; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    if (!argument.startsWith('-')) continue;
    if (FLAGS.test(argument)) {
      for (const letter of argument.slice(1)) add(LONG_NAMES[letter], '');
      continue;
    }
    const [, long, joined] = /^--([^=]+)=?(.*)$/s.exec(argument) ?? [];
    const key = long ?? LONG_NAMES[argument[1] ?? ''];
    const value = joined ?? argument.slice(2);
    const next = argv[at + 1];
    // What belongs to an option that we do not know is passed over, as it does not begin with a dash.
    add(key, value === '' && next !== undefined && !next.startsWith('-') ? next : value);
  }
  return options;
}

/** A folder of files: which of its names count. */
export interface ConfFolder {
  readonly path: string;
  readonly includes: (name: string) => boolean;
}

/** Reads the value of `conf-dir`: `DIR`, then `*.ext` for what counts and `.ext` for what does not. */
export function confFolder(value: string): ConfFolder {
  const [path = '', ...patterns] = value.split(',').map((part) => part.trim());
  const wanted = patterns.filter((part) => part.startsWith('*')).map((part) => part.slice(1));
  const unwanted = patterns.filter((part) => part !== '' && !part.startsWith('*'));
  return {
    path,
    includes: (name) =>
      isReadByDnsmasq(name) &&
      !unwanted.some((end) => name.endsWith(end)) &&
      (wanted.every((end) => end === '') || wanted.some((end) => end !== '' && name.endsWith(end))),
  };
}

/** Of any folder: it passes over hidden files and what editors leave. */
export function isReadByDnsmasq(name: string): boolean {
  return !(name.startsWith('.') || name.endsWith('~') || (name.startsWith('#') && name.endsWith('#')));
}

/** The paths that it reads more from, each a file or a folder of them. */
export interface ConfPaths {
  readonly reservations: readonly string[];
  readonly hosts: readonly string[];
  readonly ethers: readonly string[];
  readonly leases: string;
}

/** Where the options say that the rest is. */
export function confPaths(options: readonly ConfOption[]): ConfPaths {
  const all = (...keys: readonly string[]) =>
    options.filter(({ key }) => keys.includes(key)).map(({ value }) => value);
  const has = (key: string) => options.some((option) => option.key === key);
  return {
    reservations: all('dhcp-hostsfile', 'dhcp-hostsdir'),
    hosts: [...(has('no-hosts') ? [] : ['/etc/hosts']), ...all('addn-hosts', 'hostsdir')],
    ethers: has('read-ethers') ? ['/etc/ethers'] : [],
    leases: all('dhcp-leasefile', 'dhcp-lease-file').at(-1) ?? '/var/lib/misc/dnsmasq.leases',
  };
}

/** The port of its DNS; 0: it serves none. */
export function dnsPort(options: readonly ConfOption[]): number {
  const value = options.findLast(({ key }) => key === 'port')?.value;
  return value === undefined ? 53 : Number(value);
}

/** Every `dhcp-host` among the options. */
export function reservationsIn(options: readonly ConfOption[]): Reservation[] {
  return options.flatMap(({ key, value, place }) =>
    key === 'dhcp-host' ? [parseReservation(value, place)] : [],
  );
}

/** Every `host-record` among the options: names and addresses in any order. */
export function hostRecordsIn(options: readonly ConfOption[]): HostEntry[] {
  return options.flatMap(({ key, value, place }) => {
    if (key !== 'host-record') return [];
    const parts = value.split(',').map((part) => part.trim().toLowerCase());
    const address = parts.find(isIpv4);
    const names = parts.filter((part) => /[a-z]/.test(part) && !part.includes(':'));
    return address === undefined ? [] : [{ address, names, place }];
  });
}
