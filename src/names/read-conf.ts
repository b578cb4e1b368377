import {
  type ConfOption,
  confFolder,
  confPaths,
  hostRecordsIn,
  isReadByDnsmasq,
  parseArguments,
  parseConf,
  reservationsIn,
} from '../core/dnsmasq-conf.ts';
import { parseEthers, parseHosts, parseReservations } from '../core/dnsmasq-lines.ts';
import type { HostEntry, Reservation } from '../core/observed-names.ts';
import type { Machine } from './machine.ts';

/** Where dnsmasq looks when it is not told (its CONFFILE). */
const USUAL_FILE = '/etc/dnsmasq.conf';
/** A configuration that includes itself. */
const MAX_DEPTH = 10;

/** Every option that dnsmasq was started with: from its arguments, and from the files that they lead to. */
export async function readOptions(
  machine: Machine,
  argv: readonly string[],
  signal?: AbortSignal,
): Promise<readonly ConfOption[]> {
  const given = parseArguments(argv);
  const named = given.some(({ key }) => key === 'conf-file');
  const start = named ? [] : [{ key: 'conf-file', value: USUAL_FILE, place: 'its defaults' }];
  return follow([...given, ...start], 0);

  async function follow(options: readonly ConfOption[], depth: number): Promise<readonly ConfOption[]> {
    if (depth > MAX_DEPTH) return [];
    const found = await Promise.all(
      options.map(async (option) => [option, ...(await follow(await included(option), depth + 1))]),
    );
    return found.flat();
  }

  async function included({ key, value }: ConfOption): Promise<readonly ConfOption[]> {
    if (key === 'conf-file') return parseConf((await machine.read(value, signal)) ?? '', value);
    if (key !== 'conf-dir') return [];
    const folder = confFolder(value);
    const files = await filesIn(machine, folder.path, folder.includes, signal);
    return files.flatMap(({ path, text }) => parseConf(text, path));
  }
}

interface TextFile {
  readonly path: string;
  readonly text: string;
}

async function filesIn(
  machine: Machine,
  folder: string,
  counts: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<readonly TextFile[]> {
  const names = ((await machine.list(folder, signal)) ?? []).filter(counts).toSorted();
  const paths = names.map((name) => `${folder.replace(/\/$/, '')}/${name}`);
  const texts = await Promise.all(paths.map((path) => machine.read(path, signal)));
  return paths.map((path, index) => ({ path, text: texts[index] ?? '' }));
}

/** What others have told dnsmasq: all that it reads but our own files. */
export interface Foreign {
  readonly reservations: readonly Reservation[];
  readonly hostEntries: readonly HostEntry[];
}

/** Reads the files that the options name, and what the options say themselves. */
export async function readForeign(
  machine: Machine,
  options: readonly ConfOption[],
  own: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Foreign> {
  const paths = confPaths(options);
  const texts = async (all: readonly string[]) =>
    (await Promise.all(all.map((path) => fileOrFolder(path)))).flat().filter(({ path }) => !own.has(path));
  const [reservations, hosts, ethers] = await Promise.all([
    texts(paths.reservations),
    texts(paths.hosts),
    texts(paths.ethers),
  ]);
  return {
    reservations: [
      ...reservationsIn(options),
      ...reservations.flatMap(({ text, path }) => parseReservations(text, path)),
      ...ethers.flatMap(({ text, path }) => parseEthers(text, path)),
    ],
    hostEntries: [...hostRecordsIn(options), ...hosts.flatMap(({ text, path }) => parseHosts(text, path))],
  };

  async function fileOrFolder(path: string): Promise<readonly TextFile[]> {
    if (own.has(path)) return [];
    if ((await machine.list(path, signal)) !== undefined)
      return filesIn(machine, path, isReadByDnsmasq, signal);
    const text = await machine.read(path, signal);
    return text === undefined ? [] : [{ path, text }];
  }
}
