import { OperatorError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { NamesSettings } from './settings.ts';

/** The dnsmasq that runs. */
export interface DnsmasqProcess {
  readonly pid: number;
  /** As it was started. */
  readonly argv: readonly string[];
}

type Settings = Pick<NamesSettings, 'process' | 'sudo'>;

/** Finds the process that the settings name, and makes sure that it is a dnsmasq: SIGHUP ends most other programs. */
export async function findDnsmasq(
  machine: Machine,
  settings: Settings,
  signal?: AbortSignal,
): Promise<DnsmasqProcess> {
  const { pid, source } = await findPid(machine, settings, signal);
  const [comm, cmdline] = await Promise.all([
    machine.read(`/proc/${pid}/comm`, signal),
    machine.read(`/proc/${pid}/cmdline`, signal),
  ]);
  if (comm === undefined || cmdline === undefined)
    throw notRunning(machine, `${source} says ${pid}, and no such process runs`);
  if (comm.trim() !== 'dnsmasq')
    throw notRunning(machine, `${source} says ${pid}, and that is ${comm.trim()}`);
  return { pid, argv: cmdline.split('\0').slice(0, -1) };
}

async function findPid(machine: Machine, { process }: Settings, signal?: AbortSignal) {
  if (process.kind === 'pidFile') {
    const text = (await machine.read(process.path, signal))?.trim();
    if (text !== undefined && /^[1-9]\d*$/.test(text)) return { pid: Number(text), source: process.path };
    throw notRunning(machine, `${process.path} ${text === undefined ? 'is not there' : 'holds no number'}`);
  }
  const argv = ['systemctl', 'show', '--property=MainPID', '--value', process.name];
  const { code, stdout, stderr } = await machine.run(argv, signal);
  const text = stdout.trim();
  if (code === 0 && /^[1-9]\d*$/.test(text)) return { pid: Number(text), source: `unit ${process.name}` };
  throw notRunning(machine, `systemd has no process of ${process.name}${stderr && `: ${stderr.trim()}`}`);
}

/** Tells it to read its files again. */
export async function signalDnsmasq(machine: Machine, settings: Settings): Promise<void> {
  const { pid } = await findDnsmasq(machine, settings);
  await runPrivileged(machine, settings, signalCommand(settings, pid));
}

/** What sends it SIGHUP; needs root. */
export function signalCommand({ process }: Pick<Settings, 'process'>, pid: number): readonly string[] {
  return process.kind === 'pidFile'
    ? ['kill', '-HUP', `${pid}`]
    : ['systemctl', 'kill', '--kill-who=main', '--signal=HUP', process.name];
}

/** Runs what needs root; its failure is E_DNSMASQ. */
export async function runPrivileged(
  machine: Machine,
  { sudo }: Pick<Settings, 'sudo'>,
  argv: readonly string[],
): Promise<void> {
  const whole = sudo ? ['sudo', '-n', ...argv] : argv;
  const { code, stderr } = await machine.run(whole);
  if (code === 0) return;
  const message = `${machine.name}: ${whole.join(' ')}: ${stderr.trim() || `exit code ${code}`}`;
  throw new OperatorError('E_DNSMASQ', message);
}

function notRunning({ name }: Machine, why: string): OperatorError {
  return new OperatorError('E_DNSMASQ', `dnsmasq is not found on ${name}: ${why}`);
}
