import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { connectHost, type Session } from '../../src/hosts/host-link.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';
import { isLibvirtError, LibvirtError } from '../../src/libvirt/errors.ts';
import { type Libvirt, openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { DomainRef } from '../../src/libvirt/protocol/procedure.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { labAvailable } from '../lab/available.ts';
import { buildGuestImage, installBaseImage, withHabits } from '../lab/guest.ts';
import { Lab } from '../lab/lab.ts';
import { dataDisk, machineXml, makeMachine, makeVolume, POOL_PATH } from './machine.ts';

/** A KVM host with nothing on it but its pool `default`, in /data01/primary, and what a test needs besides libvirt. */
export interface Site {
  readonly name: string;
  readonly target: SshTarget;
  /** Deletes a file of the pool behind libvirt's back. */
  removeFile(name: string): Promise<void>;
  /** Makes a VM whose guest runs an agent, does not hear the power button, and has a file system on its `vdb`. */
  makeAgentGuest(libvirt: Libvirt, name: string): Promise<DomainRef>;
  crash(): Promise<void>;
  boot(): Promise<void>;
  stop(): Promise<void>;
}

/** What the tests of one topic use. */
export interface Bench {
  readonly site: Site;
  readonly libvirt: Libvirt;
  /** One more connection; closed after the test. */
  connect(): Promise<Session<Libvirt>>;
}

export { POOL_PATH };

/** Runs the tests against the simulator, and against a real libvirtd where there can be a lab. */
export function onEveryHost(topic: string, tests: (bench: Bench) => void): void {
  const lab = labAvailable();
  describe(`${topic}: simulator`, () => {
    withBench(startSimulated, tests);
  });
  const why = lab.ok ? '' : ` (left out: ${lab.reason})`;
  describe.skipIf(!lab.ok)(`${topic}: real libvirtd${why}`, () => {
    withBench(startReal, tests);
  });
}

function withBench(start: () => Promise<Site>, tests: (bench: Bench) => void): void {
  let site: Site | undefined;
  let sessions: Session<Libvirt>[] = [];
  const bench: Bench = {
    get site() {
      if (site === undefined) throw new Error('only inside a test');
      return site;
    },
    get libvirt() {
      const [first] = sessions;
      if (first === undefined) throw new Error('only inside a test');
      return first.client;
    },
    async connect() {
      const session = await connectTo(bench.site.target);
      sessions.push(session);
      return session;
    },
  };
  beforeAll(async () => {
    site = await start();
    await bench.connect();
  });
  afterEach(async () => {
    for (const session of sessions.splice(1)) session.close();
    // A test that crashed the host has ended the connection.
    if (bench.libvirt.closed !== undefined) {
      sessions = [];
      await bench.connect();
    }
    await clear(bench.libvirt);
  });
  afterAll(async () => {
    for (const session of sessions) session.close();
    await site?.stop();
  });
  tests(bench);
}

function connectTo(target: SshTarget): Promise<Session<Libvirt>> {
  const host = { target, libvirt: { uri: 'qemu:///system', sudo: false } };
  return connectHost(
    host,
    (stream, signal, openMore) => openLibvirt(stream, { signal, openMore }),
    AbortSignal.timeout(20_000),
  );
}

/** Leaves the host as it was: no domain, no volume, no pool but `default`. */
async function clear({ domains, pools, volumes }: Libvirt): Promise<void> {
  for (const domain of await domains.list()) {
    await domains.destroy(domain).catch(ignoreWrongState);
    await domains.undefine(domain, { managedSave: true }).catch((error: unknown) => {
      // A transient one was gone when it was destroyed.
      if (!isLibvirtError(error, 'NO_DOMAIN')) throw error;
    });
  }
  const pool = await pools.byName('default');
  for (const volume of await pools.volumes(pool)) await volumes.delete(volume);
  for (const other of (await pools.list()).filter(({ name }) => name !== 'default')) {
    await pools.stop(other).catch(ignoreWrongState);
    await pools.undefine(other);
  }
}

function ignoreWrongState(error: unknown): void {
  if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error;
}

async function startSimulated(): Promise<Site> {
  const simulator = await startSimulator({
    hosts: [
      {
        name: 't01',
        cpus: 2,
        memoryMiB: 4096,
        virtType: 'qemu',
        bridges: ['br0'],
        pools: [{ name: 'default', path: POOL_PATH }],
      },
    ],
  });
  const { host, address, port } = simulator.host('t01');
  const { operatorKey, knownHosts, user } = simulator;
  return {
    name: 't01',
    target: targetOf({ address, port, user, key: operatorKey, knownHosts }),
    removeFile: async (name) => host.storage.removeFile(`${POOL_PATH}/${name}`),
    async makeAgentGuest(libvirt, name) {
      const domain = await makeMachine(libvirt, name, { dataDisks: [dataDisk(name)] });
      host.runAgent(name);
      host.ignoreShutdown(name);
      return domain;
    },
    crash: async () => host.crash(),
    boot: async () => host.boot(),
    stop: () => simulator.stop(),
  };
}

async function startReal(): Promise<Site> {
  const lab = await Lab.start({ hosts: 1 });
  const host = lab.host('t01');
  const { operatorKey, knownHosts } = lab;
  const { address, sshPort } = host;
  return {
    name: 't01',
    target: targetOf({ address, port: sshPort, user: 'root', key: operatorKey, knownHosts }),
    removeFile: async (name) => void (await host.exec(['rm', `${POOL_PATH}/${name}`])),
    async makeAgentGuest(libvirt, name) {
      const image = await withHabits(await buildGuestImage(), ['agent', 'deaf'], lab.dir);
      await installBaseImage(host, image, `${name}-vda.qcow2`);
      const data = dataDisk(name);
      await makeVolume(libvirt, data.volume);
      // Half of that is too little to boot.
      return libvirt.domains.define(machineXml(name, { dataDisks: [data], memoryMiB: 128 }));
    },
    crash: () => host.crash(),
    boot: () => host.boot(),
    stop: () => lab.stop(),
  };
}

function targetOf(reached: Pick<SshTarget, 'address' | 'port' | 'user' | 'key' | 'knownHosts'>): SshTarget {
  return { name: 't01', connectTimeoutMs: 10_000, keepaliveMs: 5000, ...reached };
}

/** What libvirt says to a call that has to fail. */
export async function failureOf(call: Promise<unknown>): Promise<{
  readonly code: string | number;
  readonly domain: number;
  readonly message: string;
}> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    return { code: error.codeName, domain: error.domain, message: error.message };
  }
  throw new Error('libvirt refused nothing');
}
