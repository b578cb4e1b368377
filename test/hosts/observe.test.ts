import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DesiredState } from '../../src/core/desired.ts';
import type { ObservedState } from '../../src/core/observed.ts';
import { createHosts } from '../../src/hosts/hosts.ts';
import type { Inventory } from '../../src/hosts/inventory.ts';
import { questionFor } from '../../src/reconcile/reconcile.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { imageFile } from '../../src/simulator/volumes.ts';
import { desiredState, desiredVm, GIB } from '../builders.ts';
import { connectionTo, HOST_A, NO_GUESTS, POOL, useBench } from './bench.ts';

const bench = useBench();
const INTERNAL_ERROR = 1;
const wanted = desiredState([desiredVm()]);
const never = new AbortController().signal;

const NO_IMAGES = {
  files: {
    sources: new Map(),
    keepNamed: async () => [],
    sizeOf: async () => undefined,
    open: async () => Promise.reject(new Error('no image is brought here')),
  },
  checked: { has: () => false, remember: async () => undefined },
};

describe('observing a host', () => {
  it('tells its size, its pools, and the images that were asked for', async () => {
    expect(await bench.observe(wanted)).toMatchObject({
      kind: 'known',
      name: 'a',
      cpus: 8,
      memoryMiB: 32 * 1024,
      virtType: 'kvm',
      arch: 'x86_64',
      pools: new Map([
        ['default', { name: 'default', active: true, path: POOL }],
        ['fast', { name: 'fast', active: true, path: '/fast' }],
      ]),
      volumes: new Map([['default/debian.qcow2', { capacity: 2 * GIB }]]),
      vms: [],
    });
  });

  it('tells whether VMs run, are paused, or are off, and the sizes of their disks', async () => {
    await bench.converge(
      desiredState(
        ['on', 'off', 'held'].map((name) => desiredVm({ name, power: name === 'off' ? 'off' : 'on' })),
      ),
    );
    const { domains } = await bench.libvirt();
    await domains.destroy(await domains.byName('held'));
    await domains.start(await domains.byName('held'), { paused: true });
    const { vms } = await bench.observe();
    expect(Object.fromEntries(vms.map(({ name, power }) => [name, power]))).toEqual({
      on: 'running',
      off: 'shutoff',
      held: 'paused',
    });
    expect(
      vms.every(
        ({ disks, persistent, autostart }) => disks[0]?.capacity === 2 * GIB && persistent && autostart,
      ),
    ).toBe(true);
  });

  it('tells one run of a VM from the next, and a VM whose memory was saved', async () => {
    await bench.converge(wanted);
    const { domains } = await bench.libvirt();
    const web = await domains.byName('web');
    const run = async () => (await bench.observe()).vms[0]?.run;
    const first = await run();
    expect(first).toBeGreaterThan(0);
    await domains.managedSave(web);
    expect((await bench.observe()).vms[0]).toMatchObject({ power: 'shutoff', managedSave: true });
    expect(await run()).toBeUndefined();
    await domains.start(web);
    expect(await run()).toBeGreaterThan(first ?? 0);
  });

  it('tells a VM that only runs on from one that is defined', async () => {
    await bench.converge(wanted);
    const { domains } = await bench.libvirt();
    await domains.undefine(await domains.byName('web'));
    expect((await bench.observe()).vms).toMatchObject([
      { name: 'web', persistent: false, power: 'running', autostart: false },
    ]);
    const { steps, held } = await bench.plan(wanted);
    expect(steps).toEqual([]);
    expect(held).toMatchObject([{ because: 'conflict', reason: expect.stringContaining('only runs on') }]);
  });

  it('sees an image that was copied into the pool by hand', async () => {
    bench.host.storage.removeFile(`${POOL}/debian.qcow2`);
    bench.host.storage.refresh(bench.host.storage.poolByName('default'));
    expect((await bench.observe(wanted)).volumes.size).toBe(0);
    bench.host.storage.putFile(`${POOL}/debian.qcow2`, imageFile(3 * GIB, 0));
    expect((await bench.observe(wanted)).volumes.get('default/debian.qcow2')?.capacity).toBe(3 * GIB);
  });

  it('looks at a pool again once, however many images are missing there', async () => {
    let refreshes = 0;
    bench.host.intercept = (_host, name) => {
      if (name === 'storagePoolRefresh') refreshes += 1;
      return 'pass';
    };
    const names = Array.from({ length: 10 }, (_, index) => `missing-${index}`);
    const vms = names.map((name) =>
      desiredVm({
        name,
        bootDisk: { ...desiredVm().bootDisk, image: { name, pool: 'default', volume: `${name}.qcow2` } },
      }),
    );
    // The first observation of a connection refreshes every pool.
    await bench.observe(wanted);
    refreshes = 0;
    expect((await bench.observe(desiredState(vms))).volumes.size).toBe(0);
    expect(refreshes).toBe(1);
  });

  it('knows a host whose image is missing while its pool is too busy to be looked at again', async () => {
    bench.host.storage.removeFile(`${POOL}/debian.qcow2`);
    bench.host.storage.refresh(bench.host.storage.poolByName('default'));
    bench.host.intercept = (_host, name) =>
      name === 'storagePoolRefresh' ? { error: INTERNAL_ERROR } : 'pass';
    expect((await bench.observe(wanted)).volumes.size).toBe(0);
  });

  it('knows a host with a pool that is not active, or not there', async () => {
    const pool = bench.host.storage.poolByName('default');
    bench.host.storage.stopPool(pool);
    const { pools, volumes } = await bench.observe(wanted);
    expect(pools.get('default')).toEqual({
      name: 'default',
      active: false,
      autostart: true,
      type: 'dir',
      path: POOL,
      capacity: 0,
      available: 0,
    });
    expect(volumes.size).toBe(0);
    const image = { name: 'x', pool: 'nowhere', volume: 'x.qcow2' };
    const elsewhere = desiredState([desiredVm({ bootDisk: { ...desiredVm().bootDisk, image } })]);
    expect((await bench.observe(elsewhere)).volumes.size).toBe(0);
  });

  it('leaves out a VM that goes while it is read', async () => {
    await bench.converge(
      desiredState([desiredVm({ power: 'off' }), desiredVm({ name: 'db', power: 'off' })]),
    );
    let done = false;
    bench.host.intercept = (_host, name) => {
      if (name === 'domainGetXmlDesc' && !done) {
        done = true;
        bench.host.domains.undefine(bench.host.domains.byName('web'), 0);
      }
      return 'pass';
    };
    expect((await bench.observe()).vms.map(({ name }) => name)).toEqual(['db']);
  });

  it.each(['connectListAllDomains', 'domainGetXmlDesc', 'connectGetAllDomainStats', 'storagePoolGetInfo'])(
    'is Unknown when %s fails: half a look is none',
    async (call) => {
      await bench.converge(wanted);
      bench.host.intercept = (_host, name) =>
        name === call ? { error: INTERNAL_ERROR, message: 'no luck' } : 'pass';
      await expect(bench.observe(wanted)).rejects.toThrow('a is unknown: no luck');
    },
  );

  it('sees a change of a definition at once, and of no other', async () => {
    await bench.converge(
      desiredState([desiredVm({ power: 'off' }), desiredVm({ name: 'db', power: 'off' })]),
    );
    await bench.observe();
    const { domains } = await bench.libvirt();
    await domains.setVcpus(await domains.byName('web'), 1, { config: true });
    const { vms } = await bench.observe();
    expect(Object.fromEntries(vms.map(({ name, vcpus }) => [name, vcpus]))).toEqual({ web: 1, db: 2 });
  });
});

describe('observing several hosts', () => {
  let simulator: Simulator;
  const open: { close(): void }[] = [];
  beforeAll(async () => {
    simulator = await startSimulator({ hosts: ['a', 'b'].map((name) => ({ ...HOST_A, name })) });
  });
  afterAll(async () => {
    for (const connection of open) connection.close();
    await simulator.stop();
  });

  function observe(
    names: Readonly<Record<string, string>>,
    desired: DesiredState = wanted,
    signal = never,
  ): Promise<ObservedState> {
    const connections = Object.entries(names).map(([name, host]) =>
      connectionTo(simulator, { ...simulator.host(host), name }),
    );
    open.push(...connections);
    const inventory: Inventory = {
      lastSeen: (host) => (host === 'b' ? ['db'] : undefined),
      expect: async () => undefined,
      remember: async (hosts) =>
        void remembered.splice(0, remembered.length, ...hosts.map(({ name }) => name)),
    };
    const settings = {
      ...NO_GUESTS,
      shutdownTimeoutMs: 100,
      force: 'never',
      letGoMs: 100,
      copyTimeoutMs: 100,
      migrationAddressOf: () => '127.0.0.1',
    } as const;
    return createHosts({
      connections,
      inventory,
      settings,
      images: NO_IMAGES,
      observeTimeoutMs: 300,
    }).observe(questionFor(desired), signal);
  }
  const remembered: string[] = [];
  const reasonOf = (state: ObservedState, name: string): unknown => {
    const host = state.hosts.get(name);
    return host?.kind === 'unknown' ? host.reason : host?.kind;
  };

  it('makes a host that hangs Unknown, with the time and what it had, and the others known', async () => {
    simulator.host('b').host.intercept = (_host, name) =>
      name === 'connectListAllDomains' ? { delayMs: 60_000 } : 'pass';
    const state = await observe({ a: 'a', b: 'b' });
    simulator.host('b').host.intercept = undefined;
    expect(reasonOf(state, 'a')).toBe('known');
    expect(state.hosts.get('b')).toEqual({
      kind: 'unknown',
      name: 'b',
      reason: 'it did not answer within 0.3 s',
      lastSeen: ['db'],
    });
    expect(remembered).toEqual(['a']);
  });

  it('makes two names for one host Unknown, both: every VM on it would look doubled', async () => {
    const state = await observe({ a: 'a', alias: 'a', b: 'b' });
    expect(reasonOf(state, 'a')).toMatch(
      /same libvirt host uuid .* as alias: they are one host under two names/,
    );
    expect(reasonOf(state, 'alias')).toMatch(/as a: they are one host/);
    expect(reasonOf(state, 'b')).toBe('known');
    expect(remembered).toEqual(['b']);
  });

  it('does not ask a host that git calls offline', async () => {
    const policy = { ...wanted, hosts: new Map(wanted.hosts) };
    const b = wanted.hosts.get('b');
    if (b !== undefined) policy.hosts.set('b', { ...b, state: 'offline' });
    let calls = 0;
    simulator.host('b').host.intercept = () => {
      calls++;
      return 'pass';
    };
    expect(reasonOf(await observe({ a: 'a', b: 'b' }, policy), 'b')).toBe(
      'cluster.yaml says that it is offline',
    );
    expect(calls).toBe(0);
  });

  it('throws when it is stopped, rather than call every host Unknown', async () => {
    await expect(observe({ a: 'a' }, wanted, AbortSignal.abort(new Error('stopped')))).rejects.toThrow(
      'stopped',
    );
  });

  it('refuses a step for a host that is not in the config', async () => {
    const inventory: Inventory = {
      lastSeen: () => undefined,
      expect: async () => undefined,
      remember: async () => undefined,
    };
    const settings = {
      ...NO_GUESTS,
      shutdownTimeoutMs: 100,
      force: 'never',
      letGoMs: 100,
      copyTimeoutMs: 100,
      migrationAddressOf: () => '127.0.0.1',
    } as const;
    const hosts = createHosts({
      connections: [],
      inventory,
      settings,
      images: NO_IMAGES,
      observeTimeoutMs: 100,
    });
    const step = { kind: 'start', host: 'x', vm: 'web', uuid: 'u', cluster: 'c', reason: '' } as const;
    await expect(hosts.apply(step, () => undefined)).rejects.toThrow('x is not in operator.yaml');
  });
});
