import { dirname } from 'node:path';
import { type DnsmasqProcess, signalCommand } from './dnsmasq-process.ts';
import type { Machine } from './machine.ts';
import type { NamesSettings } from './settings.ts';

/** What came of trying one thing. */
export interface Finding {
  readonly ok: boolean;
  readonly detail: string;
}

/** Rights that a unit of systemd may be given; deploy/README.md has it. */
const CAPABILITIES =
  'the capabilities of deploy/README.md, which a check has only when it is run with them too';

/** Whether our files can be written into the folder, and dnsmasq's own user gets to them. */
export async function checkFolder(
  machine: Machine,
  { folder }: Pick<NamesSettings, 'folder'>,
  { pid }: DnsmasqProcess,
): Promise<Finding> {
  const isThere = (await machine.run(['test', '-d', folder])).code === 0;
  if (!isThere) return { ok: false, detail: `it is not there, on ${machine.name}: make it for the operator` };
  const isOurs = (await machine.run(['test', '-w', folder, '-a', '-x', folder])).code === 0;
  if (!isOurs) return { ok: false, detail: `${await whoWeAre(machine)} may not write to it` };
  const closed = await closedTo(await readUser(machine, pid), folder, machine);
  return closed === undefined
    ? { ok: true, detail: 'can be written, and read by dnsmasq' }
    : { ok: false, detail: `dnsmasq's user may not go into ${closed}: \`chmod o+x ${closed}\`` };
}

interface User {
  readonly uid: string;
  readonly gids: readonly string[];
}

/** As whom a process runs: dnsmasq drops root, and reads our files after that. */
async function readUser(machine: Machine, pid: number): Promise<User> {
  const status = (await machine.read(`/proc/${pid}/status`)) ?? '';
  const numbers = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/) ?? [];
  return { uid: numbers('Uid')[1] ?? '0', gids: [numbers('Gid')[1] ?? '0', ...numbers('Groups')] };
}

/** The outermost folder on the way that the user may not go into. */
async function closedTo({ uid, gids }: User, folder: string, machine: Machine): Promise<string | undefined> {
  if (uid === '0') return undefined;
  const { stdout } = await machine.run(['stat', '-L', '-c', '%u %g %a %n', '--', ...wayTo(folder)]);
  const closed = stdout
    .trim()
    .split('\n')
    .map((line) => /^(\d+) (\d+) (\d+) (.*)$/.exec(line) ?? [])
    .find(([, owner, group, mode = '']) => {
      const shift = owner === uid ? 6 : gids.includes(group ?? '') ? 3 : 0;
      return ((Number.parseInt(mode, 8) >> shift) & 1) === 0;
    });
  return closed?.[4];
}

function wayTo(folder: string): string[] {
  return folder === '/' ? ['/'] : [...wayTo(dirname(folder)), folder];
}

/** Whether dnsmasq can be told to read its files again. */
export async function checkSignal(
  machine: Machine,
  settings: NamesSettings,
  { pid }: DnsmasqProcess,
): Promise<Finding> {
  const command = signalCommand(settings, pid);
  if (settings.sudo) return sudoAllows(machine, command);
  if (settings.process.kind === 'unit') {
    const isRoot = (await machine.run(['id', '-u'])).stdout.trim() === '0';
    if (isRoot) return { ok: true, detail: command.join(' ') };
    const hint = 'log in as root, or set dnsmasq.sudo';
    return { ok: false, detail: `${await whoWeAre(machine)} may not use \`${command.join(' ')}\`: ${hint}` };
  }
  const { code, stderr } = await machine.run(['kill', '-0', `${pid}`]);
  if (code === 0) return { ok: true, detail: command.join(' ') };
  const who = `${await whoWeAre(machine)} may not signal process ${pid} (${stderr.trim()})`;
  return { ok: false, detail: `${who}: root may, so may sudo (dnsmasq.sudo), or ${CAPABILITIES}` };
}

const CAP_NET_RAW = 13;

/** Whether a lease can be ended. */
export async function checkRelease(machine: Machine, { sudo }: NamesSettings): Promise<Finding> {
  const there = await machine.run(['sh', '-c', 'command -v dhcp_release']);
  if (there.code !== 0) return { ok: false, detail: 'dhcp_release is not there: install dnsmasq-utils' };
  if (sudo) return sudoAllows(machine, ['dhcp_release', 'br0', '192.0.2.1', '52:54:00:00:00:00', '*']);
  const { stdout } = await machine.run(['grep', 'CapEff', '/proc/self/status']);
  const has = BigInt(`0x${stdout.trim().split(/\s+/)[1] ?? '0'}`);
  if ((has >> BigInt(CAP_NET_RAW)) & 1n) return { ok: true, detail: there.stdout.trim() };
  const who = `${await whoWeAre(machine)} may not use ${there.stdout.trim()}`;
  return { ok: false, detail: `${who}: root may, so may sudo (dnsmasq.sudo), or ${CAPABILITIES}` };
}

async function sudoAllows(machine: Machine, command: readonly string[]): Promise<Finding> {
  const { code, stdout, stderr } = await machine.run(['sudo', '-n', '-l', ...command]);
  if (code === 0) return { ok: true, detail: `sudo ${stdout.trim()}` };
  const why = stderr.trim() === '' ? '' : ` (${stderr.trim()})`;
  return {
    ok: false,
    detail: `sudo does not let ${await whoWeAre(machine)} run \`${command.join(' ')}\`${why}`,
  };
}

async function whoWeAre(machine: Machine): Promise<string> {
  return (await machine.run(['id', '-un'])).stdout.trim();
}
