import { dirname } from 'node:path';
import type { Ended, Machine } from '../../src/names/machine.ts';
import type { NamesSettings } from '../../src/names/settings.ts';

const PID = 4711;

/** Those of a dnsmasq on the machine of `fakeMachine`. */
export const SETTINGS: NamesSettings = {
  folder: '/names',
  process: { kind: 'pidFile', path: '/run/dnsmasq.pid' },
  sudo: false,
  interface: undefined,
  dns: 'off',
};

/** A machine in memory with a dnsmasq that reads the two files when it is signalled. */
export interface FakeMachine extends Machine {
  readonly files: Map<string, string>;
  /** What dnsmasq has read of our files: reservations and names. */
  loaded(): readonly (string | undefined)[];
  /** The commands that were run. */
  readonly commands: string[];
  signals: number;
  /** The calls so far; one for which it throws has no effect. */
  beforeCall: (number: number) => void;
  /** What a command answers instead, by its words. */
  readonly answers: Map<string, Partial<Ended>>;
  /** dnsmasq has ended. */
  end(): void;
}

export function fakeMachine(options: readonly string[] = []): FakeMachine {
  const files = new Map([
    ['/run/dnsmasq.pid', `${PID}\n`],
    [`/proc/${PID}/comm`, 'dnsmasq\n'],
    [
      `/proc/${PID}/cmdline`,
      ['dnsmasq', '--dhcp-range=10.0.0.100,10.0.0.199,255.255.255.0', ...options, ''].join('\0'),
    ],
    ['/etc/dnsmasq.conf', 'dhcp-hostsfile=/names/dhcp-hosts\naddn-hosts=/names/hosts\n'],
    ['/etc/hosts', '127.0.0.1 localhost\n'],
    ['/var/lib/misc/dnsmasq.leases', ''],
  ]);
  let loaded: readonly (string | undefined)[] = [];
  let calls = 0;
  const call = () => machine.beforeCall(++calls);
  const signal = () => {
    machine.signals++;
    loaded = [files.get('/names/dhcp-hosts'), files.get('/names/hosts')];
    return '';
  };
  const commands: Readonly<Record<string, (args: readonly string[]) => string>> = {
    dnsmasq: () => '',
    test: () => '',
    stat: () => '',
    id: () => 'root\n',
    sh: () => '/usr/bin/dhcp_release\n',
    grep: () => 'CapEff:\t000001ffffffffff\n',
    ip: () => JSON.stringify([{ ifname: 'br0', addr_info: [{ local: '10.0.0.1', prefixlen: 24 }] }, {}]),
    kill: ([way]) => (way === '-0' ? '' : signal()),
    systemctl: ([verb]) => (verb === 'show' ? `${PID}\n` : signal()),
    dhcp_release: ([, address = '', mac = '']) => {
      const leases = files.get('/var/lib/misc/dnsmasq.leases') ?? '';
      const left = leases.split('\n').filter((line) => !line.includes(` ${mac} ${address} `));
      files.set('/var/lib/misc/dnsmasq.leases', left.join('\n'));
      return '';
    },
  };
  const machine: FakeMachine = {
    name: 'a fake',
    address: '127.0.0.1',
    files,
    commands: [],
    answers: new Map(),
    signals: 0,
    loaded: () => loaded,
    beforeCall: () => {},
    end: () => void files.delete(`/proc/${PID}/comm`),
    async read(path) {
      call();
      return files.get(path);
    },
    async list(path) {
      call();
      const names = [...files.keys()].filter((file) => dirname(file) === path);
      return names.length === 0 ? undefined : names.map((file) => file.slice(path.length + 1));
    },
    async replace(path, text) {
      call();
      files.set(path, text);
    },
    async run(argv) {
      call();
      machine.commands.push(argv.join(' '));
      const [program = '', ...args] = argv[0] === 'sudo' ? argv.slice(2) : argv;
      const answer = machine.answers.get(argv.join(' '));
      if (answer !== undefined) return { code: 0, stdout: '', stderr: '', ...answer };
      const command = commands[program];
      if (command === undefined) return { code: 127, stdout: '', stderr: `${program}: not found` };
      return { code: 0, stdout: command(args), stderr: '' };
    },
    close() {},
  };
  return machine;
}
