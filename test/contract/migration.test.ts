import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { renderClaim } from '../../src/core/moved-definition.ts';
import { connectHost, type Session } from '../../src/hosts/host-link.ts';
import type { SshTarget } from '../../src/hosts/ssh-target.ts';
import { type Libvirt, openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { DomainRef } from '../../src/libvirt/protocol/procedure.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { labAvailable } from '../lab/available.ts';
import { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { machineXml, makeMachine, makeVolume, markOf, POOL_PATH } from './machine.ts';
import { failureOf } from './site.ts';

/** Two hosts that reach each other, and how. */
interface Pair {
  readonly targets: readonly [SshTarget, SshTarget];
  /** Where the first reaches the second. */
  readonly address: string;
  stop(): Promise<void>;
}

const NAME = 'goer';
const DISK = `${NAME}-vda.qcow2`;
const FLAGS = { live: true, persistDest: true, nonSharedInc: true } as const;
const NO_COOKIE = Buffer.alloc(0);
const lab = labAvailable();

describe('migration: simulator', () => {
  phases(startSimulated);
});
describe.skipIf(!lab.ok)(`migration: real libvirtd${lab.ok ? '' : ` (left out: ${lab.reason})`}`, () => {
  phases(startReal);
});

function phases(start: () => Promise<Pair>): void {
  let pair: Pair;
  let sessions: Session<Libvirt>[] = [];
  /** On the source and on the target, to look on. */
  let from: Libvirt;
  let to: Libvirt;
  let domain: DomainRef;

  beforeAll(async () => {
    pair = await start();
  }, 120_000);
  afterAll(() => pair.stop());
  beforeEach(async () => {
    [from, to] = [await connect(0), await connect(1)];
    domain = await makeMachine(from, NAME);
    await makeVolume(to, DISK);
    const { type, arch } = { type: 'qemu', arch: 'x86_64' };
    await to.domains.define(renderClaim({ name: NAME, type, arch }, { ...markOf(NAME), state: 'building' }));
    await from.domains.start(domain);
  });
  afterEach(async () => {
    for (const { domains, pools, volumes } of [from, to]) {
      for (const found of await domains.list()) {
        await domains.destroy(found).catch(() => undefined);
        await domains.undefine(found);
      }
      const pool = await pools.byName('default');
      for (const volume of await pools.volumes(pool)) await volumes.delete(volume);
    }
    for (const session of sessions.splice(0)) session.close();
  });

  async function connect(which: 0 | 1): Promise<Libvirt> {
    const host = { target: pair.targets[which], libvirt: { uri: 'qemu:///system', sudo: false } };
    const session = await connectHost(
      host,
      (stream, signal, openMore) => openLibvirt(stream, { signal, openMore }),
      AbortSignal.timeout(20_000),
    );
    sessions = [...sessions, session];
    return session.client;
  }

  /** Begin and prepare, on connections of their own. */
  async function prepared() {
    const [source, target] = [await connect(0), await connect(1)];
    const always = [
      ['persistent_xml', machineXml(NAME)],
      ['migrate_disks', 'vda'],
    ] as const;
    const live = await from.domains.xml(domain, { migratable: true, secure: true });
    const begun = await source.migration.begin(domain, [['destination_xml', live], ...always], FLAGS);
    const both = [['destination_xml', begun.xml], ...always] as const;
    const { uri, cookie } = await target.migration.prepare(
      { params: [...both, ['migrate_uri', `tcp://${pair.address}`]], cookie: begun.cookie },
      FLAGS,
    );
    const params = [...both, ['migrate_uri', uri ?? ''], ['destination_name', NAME]] as const;
    return { source, target, params, cookie };
  }

  async function states(): Promise<readonly [source: unknown, target: unknown]> {
    return [await from.domains.state(domain), await to.domains.state(await to.domains.byName(NAME))];
  }

  async function untilEnded(): Promise<void> {
    const isOff = async () => JSON.stringify((await states())[1]).includes('shutoff');
    await waitFor('the process that waits to end', isOff, { timeoutMs: 20_000 });
  }

  const RUNS = { state: 'running', reason: 1 };
  const LEAVES = { state: 'paused', reason: 2 };
  const WAITS = { state: 'paused', reason: 2 };

  it('takes a guest over in five phases, with its disk, over a domain of its name and uuid', async () => {
    const { source, target, params, cookie } = await prepared();
    expect(await states()).toEqual([RUNS, WAITS]);
    const sent = await source.migration.perform(domain, { params, cookie }, FLAGS);
    expect(await states()).toEqual([LEAVES, WAITS]);
    const ended = await target.migration.finish({ params, cookie: sent, cancelled: false }, FLAGS);
    expect(await states()).toEqual([LEAVES, { state: 'running', reason: 2 }]);
    await source.migration.confirm(domain, { params, cookie: ended, cancelled: false }, FLAGS);
    expect(await states()).toEqual([
      { state: 'shutoff', reason: 4 },
      { state: 'running', reason: 2 },
    ]);
    const next = await to.domains.xml(await to.domains.byName(NAME), { inactive: true });
    expect(next).toContain(`${POOL_PATH}/${DISK}`);
  });

  it('ends the process that waits when the connection that prepared it is closed', async () => {
    const { target } = await prepared();
    await target.close();
    await untilEnded();
    expect(await states()).toEqual([RUNS, { state: 'shutoff', reason: 2 }]);
    expect(await to.domains.xml(await to.domains.byName(NAME))).not.toContain('<disk');
  });

  it('leaves the guest paused where it was when the connections are closed after all is sent', async () => {
    const { source, target, params, cookie } = await prepared();
    await source.migration.perform(domain, { params, cookie }, FLAGS);
    await Promise.all([source.close(), target.close()]);
    await untilEnded();
    expect(await states()).toEqual([LEAVES, { state: 'shutoff', reason: 2 }]);
    await from.domains.resume(domain);
    expect(await from.domains.state(domain)).toEqual({ state: 'running', reason: 5 });
    expect((await failureOf(from.domains.resume(domain))).code).toBe('OPERATION_INVALID');
  });

  it('gives up what was prepared, and says so by a failure', async () => {
    const { source, target, params } = await prepared();
    const gaveUp = await failureOf(
      target.migration.finish({ params, cookie: NO_COOKIE, cancelled: true }, FLAGS),
    );
    expect(gaveUp).toMatchObject({ code: 'MIGRATE_FINISH_OK', message: expect.stringMatching(/aborted/) });
    expect(await states()).toEqual([RUNS, { state: 'shutoff', reason: 6 }]);
    await source.close();
    expect((await from.domains.state(domain)).state).toBe('running');
  });

  it('lets the guest go on where nobody listens', async () => {
    const { source, target, params, cookie } = await prepared();
    await target.close();
    await untilEnded();
    const failed = await failureOf(source.migration.perform(domain, { params, cookie }, FLAGS));
    expect(['SYSTEM_ERROR', 'OPERATION_FAILED', 'INTERNAL_ERROR']).toContain(failed.code);
    expect((await from.domains.state(domain)).state).toBe('running');
  });

  it('has no job to show or to abort where nothing moves', async () => {
    expect(await from.migration.jobStats(domain)).toEqual({});
    expect(await failureOf(from.migration.abortJob(domain))).toMatchObject({
      code: 'OPERATION_INVALID',
      message: 'Requested operation is not valid: no job is active on the domain',
    });
  });
}

function targetOf(reached: Pick<SshTarget, 'name' | 'address' | 'port' | 'user' | 'key' | 'knownHosts'>) {
  return { connectTimeoutMs: 10_000, keepaliveMs: 5000, ...reached };
}

async function startSimulated(): Promise<Pair> {
  const host = {
    cpus: 2,
    memoryMiB: 4096,
    virtType: 'qemu',
    pools: [{ name: 'default', path: POOL_PATH }],
  } as const;
  const simulator = await startSimulator({
    hosts: [
      { ...host, name: 't01' },
      { ...host, name: 't02' },
    ],
  });
  const { operatorKey: key, knownHosts, user } = simulator;
  const reach = (name: string) => {
    const { address, port } = simulator.host(name);
    return targetOf({ name, address, port, user, key, knownHosts });
  };
  return { targets: [reach('t01'), reach('t02')], address: '127.0.0.1', stop: () => simulator.stop() };
}

async function startReal(): Promise<Pair> {
  const started = await Lab.start({ hosts: 2 });
  const { operatorKey: key, knownHosts } = started;
  const reach = (name: string) => {
    const { address, sshPort: port } = started.host(name);
    return targetOf({ name, address, port, user: 'root', key, knownHosts });
  };
  const targets = [reach('t01'), reach('t02')] as const;
  return { targets, address: targets[1].address, stop: () => started.stop() };
}
