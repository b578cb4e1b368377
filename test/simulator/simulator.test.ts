import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectHost, type Session } from '../../src/hosts/host-link.ts';
import { ConnectionClosedError } from '../../src/libvirt/errors.ts';
import { type Libvirt, openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { Interception } from '../../src/simulator/host.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { machineXml, makeMachine } from '../contract/machine.ts';
import { waitFor } from '../lab/wait.ts';

const POOLS = [{ name: 'default', path: '/data01/primary' }];
const SOON = { timeoutMs: 30_000, intervalMs: 5 };

describe('a simulated host', () => {
  let dir: string;
  let simulator: Simulator | undefined;
  let sessions: Session<Libvirt>[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kg-simulator-'));
    sessions = [];
  });
  afterEach(async () => {
    for (const session of sessions) session.close();
    await simulator?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(
    host: Partial<SimulatorOptions['hosts'][number]> = {},
    options: Partial<SimulatorOptions> = {},
  ) {
    simulator = await startSimulator({
      dir,
      hosts: [{ name: 'k1', cpus: 4, memoryMiB: 8192, pools: POOLS, shutdownMs: 1, ...host }],
      ...options,
    });
    return simulator.host('k1').host;
  }

  async function connect(timeoutMs = 5000): Promise<Libvirt> {
    if (simulator === undefined) throw new Error('not started');
    const { knownHosts, operatorKey: key, user } = simulator;
    const { name, address, port } = simulator.host('k1');
    const target = {
      name,
      address,
      port,
      user,
      key,
      knownHosts,
      connectTimeoutMs: timeoutMs,
      keepaliveMs: 5000,
    };
    const session = await connectHost(
      { target, libvirt: { uri: 'qemu:///system', sudo: false } },
      (stream, signal) => openLibvirt(stream, { signal, callTimeoutMs: 5000 }),
      AbortSignal.timeout(10_000),
    );
    sessions.push(session);
    return session.client;
  }

  it('lets a guest shut down in its own time', async () => {
    const host = await start();
    const libvirt = await connect();
    const domain = await libvirt.domains.start(await makeMachine(libvirt, 'web'));
    await libvirt.domains.shutdown(domain);
    await waitFor('its end', () => !host.isRunning('web'), SOON);
    expect(await libvirt.domains.state(domain)).toEqual({ state: 'shutoff', reason: 1 });
  });

  it('has guests that ignore the power button when told so', async () => {
    const host = await start();
    const libvirt = await connect();
    const domain = await libvirt.domains.start(await makeMachine(libvirt, 'web'));
    host.ignoreShutdown('web');
    await libvirt.domains.shutdown(domain);
    host.ignoreShutdown('web', false);
    expect(host.isRunning('web')).toBe(true);
    await libvirt.domains.shutdown(domain);
    await waitFor('its end', () => !host.isRunning('web'), SOON);
  });

  it('tells of a guest that somebody shut down from inside', async () => {
    const host = await start();
    const libvirt = await connect();
    await libvirt.domains.start(await makeMachine(libvirt, 'web'));
    const heard: string[] = [];
    await libvirt.events.subscribe((event) => {
      if (event.kind === 'lifecycle') heard.push(`${event.eventName} ${event.detailName}`);
    });
    host.powerOff('web');
    await waitFor('two events', () => heard.length === 2, SOON);
    expect(heard).toEqual(['shutdown guest', 'stopped shutdown']);
  });

  it('goes on where a saved guest was, and refuses to undefine it as long as its memory is kept', async () => {
    await start();
    const libvirt = await connect();
    const { domains } = libvirt;
    const domain = await domains.start(await makeMachine(libvirt, 'web'));
    await domains.managedSave(domain);
    expect(await domains.hasManagedSave(domain)).toBe(true);
    await expect(domains.undefine(domain)).rejects.toThrow('managed save image exists');
    await domains.start(domain);
    expect(await domains.hasManagedSave(domain)).toBe(false);
  });

  it('has base images that can be overlaid', async () => {
    await start({ images: [{ volume: 'base.qcow2', sizeGiB: 2, dataBytes: 1000 }] });
    const { pools, volumes } = await connect();
    const base = await volumes.byName(await pools.byName('default'), 'base.qcow2');
    expect(await volumes.info(base)).toMatchObject({ capacityBytes: 2 * 1024 ** 3 });
  });

  it('has no room for more than its disk holds', async () => {
    await start({ diskGiB: 1 });
    const { pools, volumes } = await connect();
    const xml = "<volume><name>big</name><capacity unit='GiB'>2</capacity></volume>";
    await expect(volumes.create(await pools.byName('default'), xml)).rejects.toThrow('No space left');
  });

  it.each([
    ['virt-ssh-helper', 'virt-ssh-helper qemu:///system'],
    ['nc', 'nc -U /run/libvirt/libvirt-sock'],
  ] as const)('can be reached by %s alone', async (way, detail) => {
    await start({ ways: [way] });
    await connect();
    expect(sessions[0]).toMatchObject({ way, detail });
  });

  it('cannot be reached where every way is closed, and the error says why', async () => {
    await start({ ways: [] });
    await expect(connect()).rejects.toMatchObject({
      code: 'E_LIBVIRT_UNREACHABLE',
      message: expect.stringContaining('No such file or directory'),
    });
  });

  it('hangs while its cable is out, and then goes on', async () => {
    const host = await start();
    const libvirt = await connect();
    host.cut();
    await expect(libvirt.node.hostname({ timeoutMs: 50 })).rejects.toThrow('within 50 ms');
    await expect(connect(100)).rejects.toMatchObject({ code: 'E_SSH_UNREACHABLE' });
    const waiting = libvirt.node.hostname();
    host.heal();
    expect(await waiting).toBe('k1');
    await connect();
  });

  it('refuses connections while it is off', async () => {
    const host = await start();
    const libvirt = await connect();
    host.crash();
    await expect(libvirt.node.hostname()).rejects.toBeInstanceOf(ConnectionClosedError);
    await expect(connect()).rejects.toMatchObject({ code: 'E_SSH_UNREACHABLE' });
    host.boot();
    expect(await (await connect()).node.hostname()).toBe('k1');
  });

  it.each([
    ['before it is done', 'drop-connection', 0],
    ['after it is done', 'drop-reply', 1],
  ] as const)('can lose a call %s', async (_, verdict, defined) => {
    const host = await start();
    const libvirt = await connect();
    host.intercept = (_host, name): Interception => (name === 'domainDefineXmlFlags' ? verdict : 'pass');
    await expect(libvirt.domains.define(machineXml('web'))).rejects.toThrow(
      'the outcome of domainDefineXmlFlags is unknown',
    );
    expect(host.vms()).toHaveLength(defined);
  });

  it('can refuse and delay calls, counted for each host', async () => {
    const seen: string[] = [];
    const host = await start(
      {},
      {
        intercept: (name, procedure, index) => {
          seen.push(`${name} ${index} ${procedure}`);
          return 'pass';
        },
      },
    );
    const { node } = await connect();
    expect(seen).toEqual(['k1 0 authList', 'k1 1 connectOpen']);
    host.intercept = () => ({ error: 38, message: 'out of luck' });
    await expect(node.hostname()).rejects.toMatchObject({ codeName: 'SYSTEM_ERROR', message: 'out of luck' });
    host.intercept = (_host, procedure) => (procedure === 'nodeGetInfo' ? { delayMs: 30 } : 'pass');
    const order: string[] = [];
    await Promise.all([
      node.info().then(() => order.push('info')),
      node.hostname().then(() => order.push('hostname')),
    ]);
    expect(order).toEqual(['hostname', 'info']);
  });

  it('comes back with its disks when it keeps them, as from a power cut', async () => {
    await start({}, { persist: true });
    const before = await connect();
    const on = await before.domains.start(await makeMachine(before, 'on'));
    await before.domains.setAutostart(on, true);
    await before.domains.start(await makeMachine(before, 'off'));
    const xml = await before.domains.xml(on, { inactive: true });
    const pool = await before.pools.byName('default');
    await simulator?.stop();
    const host = await start({}, { persist: true });
    const after = await connect();
    expect(await after.domains.xml(on, { inactive: true })).toBe(xml);
    expect(await after.pools.byName('default')).toEqual(pool);
    expect(await after.pools.volumes(pool)).toHaveLength(2);
    expect([host.isRunning('on'), host.isRunning('off')]).toEqual([true, false]);
  });
});
