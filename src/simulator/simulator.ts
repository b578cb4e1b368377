import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type HostOptions, type Intercept, SimulatedHost } from './host.ts';
import { keepOnDisk, readHostState, restoreHost } from './host-file.ts';
import { type KeyPair, keyPairIn } from './keys.ts';
import { SshFront, type Way } from './ssh-front.ts';

export interface SimulatorOptions {
  readonly hosts: readonly (HostOptions & {
    /** Where it listens; a free port unless told. */
    readonly port?: number;
    readonly ways?: readonly Way[];
  })[];
  /** Folder for keys, known_hosts and state; a temporary one, gone with the simulator, unless told. */
  readonly dir?: string;
  /** Keeps the hosts' disks in the folder. The end of the simulator is a power cut, its next start a boot. */
  readonly persist?: boolean;
  /** All hosts show the same key: cheaper for a big fleet. */
  readonly oneHostKey?: boolean;
  readonly intercept?: Intercept;
}

/** A host that can be reached now. */
export interface RunningHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** The line of known_hosts that pins its key. */
  readonly knownHostsLine: string;
  readonly host: SimulatedHost;
}

export interface Simulator {
  readonly dir: string;
  readonly hosts: readonly RunningHost[];
  readonly user: string;
  /** Private key that every host lets in. */
  readonly operatorKey: string;
  /** File with the hosts' pinned keys. */
  readonly knownHosts: string;
  host(name: string): RunningHost;
  /** Ends every connection and every listener. */
  stop(): Promise<void>;
}

const ADDRESS = '127.0.0.1';
const USER = 'root';

/** Starts simulated KVM hosts in this process, each with an SSH server of its own on the loopback interface. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const dir =
    options.dir === undefined ? mkdtempSync(join(tmpdir(), 'kvm-gitops-sim-')) : resolve(options.dir);
  mkdirSync(join(dir, 'hosts'), { recursive: true });
  const operator = keyPairIn(dir, 'operator');
  const parts = options.hosts.map((wanted) => buildHost(wanted, { dir, operator, options }));
  const hosts = await Promise.all(parts.map(({ listen }) => listen()));
  const knownHosts = join(dir, 'known_hosts');
  writeFileSync(knownHosts, hosts.map(({ knownHostsLine }) => `${knownHostsLine}\n`).join(''));
  return {
    dir,
    hosts,
    user: USER,
    operatorKey: operator.path,
    knownHosts,
    host: (name) => {
      const found = hosts.find((host) => host.name === name);
      if (found === undefined) throw new Error(`no simulated host ${name}`);
      return found;
    },
    stop: async () => {
      for (const { save } of parts) save();
      for (const { host } of hosts) host.crash();
      await Promise.all(parts.map(({ front }) => front.close()));
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface Setting {
  readonly dir: string;
  readonly operator: KeyPair;
  readonly options: SimulatorOptions;
}

function buildHost(wanted: SimulatorOptions['hosts'][number], { dir, operator, options }: Setting) {
  const { name } = wanted;
  const { host, save } = options.persist ? persistentHost(wanted, dir) : freshHost(wanted);
  host.intercept = options.intercept;
  const hostKey = keyPairIn(join(dir, 'hosts'), options.oneHostKey ? 'hostkey' : `${name}.key`);
  const front = new SshFront(host, {
    hostKey: hostKey.privateKey,
    authorizedKey: operator.publicKey,
    user: USER,
    ways: wanted.ways,
  });
  const listen = async (): Promise<RunningHost> => {
    const port = await front.listen(wanted.port ?? 0);
    const knownHostsLine = `[${ADDRESS}]:${port} ${hostKey.publicKey}`;
    return { name, address: ADDRESS, port, knownHostsLine, host };
  };
  return { front, save, listen };
}

function freshHost(wanted: HostOptions): { host: SimulatedHost; save: () => void } {
  const host = new SimulatedHost(wanted);
  host.install(wanted);
  return { host, save: () => undefined };
}

function persistentHost(wanted: HostOptions, dir: string): { host: SimulatedHost; save: () => void } {
  const path = join(dir, 'hosts', `${wanted.name}.json`);
  const state = readHostState(path);
  const host = new SimulatedHost(wanted, state?.uuid);
  if (state === undefined) host.install(wanted);
  else restoreHost(host, state);
  return { host, save: keepOnDisk(host, path) };
}
