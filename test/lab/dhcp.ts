import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import type { LabNetwork } from './network.ts';
import { killRecorded, recordProcess } from './processes.ts';
import { spawnTied } from './tied.ts';
import { waitFor } from './wait.ts';

export interface Lease {
  readonly mac: string;
  readonly ip: string;
  /** The host name that the guest has sent; `*` where it sent none. */
  readonly name: string;
}

/** A dnsmasq on the lab's bridge: a guest with a lease has booted. */
export interface Dhcp {
  /** Leases that it has given, oldest first. */
  leases(): readonly Lease[];
  stop(): Promise<void>;
}

/**
 * Starts it; done when it listens. Dynamic addresses are PREFIX.100 to PREFIX.199, those from .20 to .99 are free for
 * tests. It ends with the lab.
 */
export async function startDhcp(lab: Lab): Promise<Dhcp> {
  const folder = join(lab.dir, 'dhcp');
  const processes = join(lab.dir, 'processes');
  mkdirSync(folder, { recursive: true });
  const [leaseFile, pidFile, spawnLog] = [
    join(folder, 'leases'),
    join(folder, 'pid.inside'),
    join(folder, 'start.log'),
  ];
  rmSync(pidFile, { force: true });
  mkdirSync(join(folder, 'names'), { recursive: true });
  mkdirSync(join(folder, 'conf.d'), { recursive: true });
  // In a pid namespace whose first process ends with its standard input, and takes dnsmasq along.
  const isolate = [
    'unshare',
    '--pid',
    '--fork',
    '--kill-child',
    'bash',
    '-c',
    'dnsmasq "$@" && read -r _',
    'dhcp',
  ];
  const fifo = join(folder, 'power');
  const child = await spawnTied([...isolate, ...dnsmasqOptions(lab.network, folder)], {
    log: spawnLog,
    keep: lab.keep,
    fifo,
  });
  const pid = await waitFor(
    `dnsmasq on ${lab.network.bridge}`,
    () => {
      if (child.exitCode === null) return existsSync(pidFile) && pidOutside(pidFile);
      throw new Error(readFileSync(spawnLog, 'utf8'));
    },
    { timeoutMs: 30_000, intervalMs: 10 },
  );
  writeFileSync(join(folder, 'pid'), `${pid}\n`);
  if (child.pid !== undefined) recordProcess(processes, 'dnsmasq', child.pid);
  return { leases: () => readLeases(leaseFile), stop: () => killRecorded(processes, 'dnsmasq') };
}

/** Its number as the machine has it: in its own file is that of its namespace. */
function pidOutside(pidFile: string): string | undefined {
  const inside = readFileSync(pidFile, 'utf8').trim();
  const isIt = (pid: string) => {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--pid-file=${pidFile}\0`)) return false;
      const numbers = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return numbers?.split(/\s+/).at(-1) === inside && numbers !== inside;
    } catch {
      return false; // It has ended.
    }
  };
  return readdirSync('/proc').find((name) => /^\d+$/.test(name) && isIt(name));
}

/** What operator.yaml says of it. */
export function dnsmasqKeys({ dir, network }: Lab): Readonly<Record<string, unknown>> {
  const folder = join(dir, 'dhcp');
  return {
    folder: join(folder, 'names'),
    pidFile: join(folder, 'pid'),
    dns: `${network.gateway}:53`,
  };
}

function dnsmasqOptions({ bridge, prefix }: LabNetwork, folder: string): readonly string[] {
  return [
    '--conf-file=/dev/null',
    '--user=root',
    `--log-facility=${join(folder, 'log')}`,
    '--log-dhcp',
    '--no-resolv',
    '--no-hosts',
    `--interface=${bridge}`,
    '--except-interface=lo',
    '--bind-interfaces',
    `--dhcp-range=${prefix}.100,${prefix}.199,255.255.255.0,1h`,
    '--dhcp-authoritative',
    '--no-ping',
    `--dhcp-leasefile=${join(folder, 'leases')}`,
    `--pid-file=${join(folder, 'pid.inside')}`,
    `--conf-dir=${join(folder, 'conf.d')}`,
    `--dhcp-hostsfile=${join(folder, 'names', 'dhcp-hosts')}`,
    `--addn-hosts=${join(folder, 'names', 'hosts')}`,
  ];
}

/** A line is `EXPIRY MAC ADDRESS NAME CLIENT-ID`. */
function readLeases(file: string): readonly Lease[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, mac, ip, name] = line.split(' ');
    return mac === undefined || ip === undefined || name === undefined ? [] : [{ mac, ip, name }];
  });
}
