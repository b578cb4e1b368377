import { type ConfOption, confFolder } from '../core/dnsmasq-conf.ts';
import { errorMessage } from '../errors.ts';
import { askDns } from './ask-dns.ts';
import { checkFolder, checkRelease, checkSignal, type Finding } from './check-rights.ts';
import { type DnsmasqProcess, findDnsmasq } from './dnsmasq-process.ts';
import { dnsServerOf, hasLoaded } from './loaded.ts';
import type { Machine } from './machine.ts';
import { readSetup, type Setup } from './names.ts';
import { type NamesSettings, pathsIn } from './settings.ts';

/** One thing that was tried. */
export interface NamesCheck extends Finding {
  readonly what: string;
}

interface Subject {
  readonly machine: Machine;
  readonly settings: NamesSettings;
  readonly process: DnsmasqProcess;
  readonly setup: Setup;
}

/** Tries all that names need of dnsmasq and its machine, and changes nothing. */
export async function checkNames(machine: Machine, settings: NamesSettings): Promise<NamesCheck[]> {
  const whole = `dnsmasq on ${machine.name}`;
  let subject: Subject;
  try {
    const process = await findDnsmasq(machine, settings);
    subject = { machine, settings, process, setup: await readSetup(machine, settings) };
  } catch (error) {
    return [{ what: whole, ok: false, detail: errorMessage(error) }];
  }
  const checks: readonly (readonly [string, () => Promise<Finding>])[] = [
    [whole, () => checkSyntax(subject)],
    ['dnsmasq reads our files', () => checkIncludes(subject)],
    [`folder ${settings.folder}`, () => checkFolder(machine, settings, subject.process)],
    ['signal to dnsmasq', () => checkSignal(machine, settings, subject.process)],
    ['DHCP of dnsmasq', async () => checkRanges(subject)],
    ['DNS of dnsmasq', () => checkDns(subject)],
    ['release of leases', () => checkRelease(machine, settings)],
  ];
  return Promise.all(checks.map(async ([what, check]) => ({ what, ...(await attempt(check)) })));
}

async function attempt(check: () => Promise<Finding>): Promise<Finding> {
  try {
    return await check();
  } catch (error) {
    return { ok: false, detail: errorMessage(error) };
  }
}

/** What the next restart would meet. */
async function checkSyntax({ machine, process: { pid, argv } }: Subject): Promise<Finding> {
  const [program = 'dnsmasq', ...args] = argv;
  const { code, stderr } = await machine.run([program, '--test', ...args]);
  return { ok: code === 0, detail: `process ${pid}; dnsmasq --test: ${stderr.trim()}` };
}

async function checkIncludes({ machine, settings, process, setup }: Subject): Promise<Finding> {
  const paths = pathsIn(settings.folder);
  const wanted = [
    ['dhcp-hostsfile', paths.dhcpHosts],
    ['addn-hosts', paths.hosts],
  ] as const;
  const missing = wanted.filter(([key, path]) => includeOf(setup.options, key, path) === undefined);
  if (missing.length > 0) {
    const lines = missing.map(([key, path]) => `\`${key}=${path}\``).join(' and ');
    return { ok: false, detail: `its configuration lacks ${lines}: add it, then restart dnsmasq, once` };
  }
  const places = wanted.flatMap(([key, path]) => includeOf(setup.options, key, path)?.place ?? []);
  const newer = await filesSince(machine, process.pid, places);
  return newer.length === 0
    ? { ok: true, detail: places.join(', ') }
    : { ok: false, detail: `${newer.join(', ')} was changed after dnsmasq was started: restart it, once` };
}

function includeOf(options: readonly ConfOption[], key: string, path: string): ConfOption | undefined {
  return options.find((option) => option.key === key && confFolder(option.value).path === path);
}

/** Which of the files, as `PATH:LINE`, are younger than the process. */
async function filesSince(machine: Machine, pid: number, places: readonly string[]): Promise<string[]> {
  const files = [...new Set(places.flatMap((place) => /^(\/.*):\d+$/.exec(place)?.[1] ?? []))];
  const started = await startOf(machine, pid);
  if (files.length === 0 || started === undefined) return [];
  const { code, stdout } = await machine.run(['stat', '-L', '-c', '%Y', '--', ...files]);
  const times = code === 0 ? stdout.trim().split('\n').map(Number) : [];
  return files.filter((_, index) => (times[index] ?? 0) > started + 1);
}

const TICKS_PER_SECOND = 100;

/** When a process was started, in seconds since 1970. */
async function startOf(machine: Machine, pid: number): Promise<number | undefined> {
  const [all, own] = await Promise.all([machine.read('/proc/stat'), machine.read(`/proc/${pid}/stat`)]);
  const boot = /^btime (\d+)$/m.exec(all ?? '')?.[1];
  // The 22nd field; the second one, in brackets, may have spaces.
  const ticks = own?.slice(own.lastIndexOf(')') + 2).split(' ')[19];
  return boot === undefined || ticks === undefined
    ? undefined
    : Number(boot) + Number(ticks) / TICKS_PER_SECOND;
}

function checkRanges({ setup: { options } }: Subject): Finding {
  const ranges = options.filter(({ key }) => key === 'dhcp-range').map(({ value }) => value);
  const detail = ranges.length === 0 ? 'off: it has no dhcp-range, and gives names alone' : ranges.join('; ');
  return { ok: true, detail };
}

async function checkDns({ machine, settings, setup }: Subject): Promise<Finding> {
  const server = dnsServerOf(machine, settings, setup);
  if (server === undefined)
    return { ok: true, detail: 'off: that it was signalled is all that shows that it has read the files' };
  await askDns(server, 'localhost');
  const hosts = (await machine.read(pathsIn(settings.folder).hosts)) ?? '';
  const isLoaded = await hasLoaded(machine, settings, { server, hosts });
  const has = hosts === '' ? 'nothing is written yet' : `it ${isLoaded ? 'has' : 'has not'} read our files`;
  return { ok: true, detail: `answers at ${server.address}, port ${server.port}; ${has}` };
}
