import { expect, it } from 'vitest';
import { parseDomain } from '../../src/core/domain-definition.ts';
import { renderVolume } from '../../src/core/volume-xml.ts';
import { waitFor } from '../lab/wait.ts';
import { MIB, machineXml, makeMachine, makeVolume } from './machine.ts';
import { failureOf, onEveryHost, POOL_PATH } from './site.ts';

const NOT_RUNNING = 'Requested operation is not valid: domain is not running';

onEveryHost('starting and stopping', (bench) => {
  it('starts a domain, which then has an id', async () => {
    const { domains } = bench.libvirt;
    const { name, uuid } = await makeMachine(bench.libvirt, 'web');
    const started = await domains.start(await domains.byName(name));
    expect(started).toEqual({ name, uuid, id: expect.any(Number) });
    expect(started.id).toBeGreaterThan(0);
    expect(await domains.byName('web')).toEqual(started);
    expect(await domains.state(started)).toEqual({ state: 'running', reason: 1 });
    expect(await domains.xml(started)).toContain(`<domain type='qemu' id='${started.id}'`);
    expect(await domains.xml(started, { inactive: true })).toContain("<domain type='qemu'>");
  });

  it('refuses to start what runs', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    expect(await failureOf(domains.start(domain))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: 'Requested operation is not valid: domain is already running',
    });
  });

  it('starts paused when it is told to', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'), { paused: true });
    expect(await domains.state(domain)).toEqual({ state: 'paused', reason: 1 });
  });

  it('pulls the plug', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.destroy(domain);
    expect(await domains.state(domain)).toEqual({ state: 'shutoff', reason: 2 });
    expect(await failureOf(domains.destroy(domain))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 20,
      message: NOT_RUNNING,
    });
  });

  it('does not shut down what is off', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(await failureOf(domains.shutdown(domain))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: NOT_RUNNING,
    });
  });

  it('presses the power button, and says so when there is no agent to ask', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    expect(await failureOf(domains.shutdown(domain, { mode: 'agent' }))).toMatchObject({
      code: 'AGENT_UNRESPONSIVE',
      domain: 10,
    });
    await domains.shutdown(domain);
  });

  it.each(['default', 'acpi', 'agent'] as const)('shuts nothing down that is paused (%s)', async (mode) => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'), { paused: true });
    expect(await failureOf(domains.shutdown(domain, { mode }))).toEqual({
      code: 'OPERATION_INVALID',
      domain: 10,
      message: NOT_RUNNING,
    });
    expect(await domains.state(domain)).toEqual({ state: 'paused', reason: 1 });
  });

  it('does not start without its disk', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    expect(await failureOf(domains.start(domain))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 18,
      message: `Cannot access storage file '${POOL_PATH}/web-vda.qcow2' (as uid:0, gid:0): No such file or directory`,
    });
    expect(await domains.state(domain)).toEqual({ state: 'shutoff', reason: 6 });
  });

  it('does not start without the image behind its disk', async () => {
    const { domains, pools, volumes } = bench.libvirt;
    const base = await makeVolume(bench.libvirt, 'base.qcow2');
    const backing = { path: `${POOL_PATH}/base.qcow2`, format: 'qcow2' };
    await volumes.create(await pools.byName('default'), renderVolume('web-vda.qcow2', 16 * MIB, backing));
    await volumes.delete(base);
    const domain = await domains.define(machineXml('web'));
    expect(await failureOf(domains.start(domain))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 18,
      message: `Cannot access backing file '${POOL_PATH}/base.qcow2' of storage file '${POOL_PATH}/web-vda.qcow2' (as uid:0, gid:0): No such file or directory`,
    });
  });

  it('does not start without its bridge', async () => {
    const { domains } = bench.libvirt;
    await makeVolume(bench.libvirt, 'web-vda.qcow2');
    const domain = await domains.define(machineXml('web', { nics: [{ bridge: 'br9' }] }));
    expect(await failureOf(domains.start(domain))).toEqual({
      code: 'SYSTEM_ERROR',
      domain: 0,
      message: "Cannot get interface MTU on 'br9': No such device",
    });
  });

  it('lets only one domain at a time write to a disk', async () => {
    const { domains } = bench.libvirt;
    await domains.start(await makeMachine(bench.libvirt, 'web'));
    const twin = machineXml('twin').replace('/twin-vda', '/web-vda');
    const failure = await failureOf(domains.start(await domains.define(twin)));
    expect(failure).toMatchObject({ code: 'INTERNAL_ERROR', domain: 10 });
    expect(failure.message).toContain(
      `Failed to get "write" lock\nIs another process using the image [${POOL_PATH}/web-vda.qcow2]?`,
    );
  });

  it('takes a new definition of a running domain for its next start', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.define(machineXml('web', { vcpus: 2 }), { validate: true });
    expect(parseDomain(await domains.xml(domain)).vcpus).toBe(1);
    expect(parseDomain(await domains.xml(domain, { inactive: true })).vcpus).toBe(2);
    await domains.destroy(domain);
    expect(parseDomain(await domains.xml(domain)).vcpus).toBe(2);
  });

  it('lets a domain run on without a definition until it stops', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.undefine(domain);
    expect(await domains.list({ persistent: false })).toEqual([domain]);
    expect(await domains.list({ persistent: true })).toEqual([]);
    expect(await failureOf(domains.setAutostart(domain, true))).toMatchObject({
      code: 'OPERATION_INVALID',
      message: 'Requested operation is not valid: cannot set autostart for transient domain',
    });
    expect(await failureOf(domains.undefine(domain))).toMatchObject({
      code: 'OPERATION_INVALID',
      message: 'Requested operation is not valid: cannot undefine transient domain',
    });
    await domains.destroy(domain);
    await waitFor('it to be gone', async () => (await domains.list()).length === 0, { timeoutMs: 30_000 });
  });

  it('loses autostart with the definition', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.setAutostart(domain, true);
    await domains.undefine(domain);
    await domains.define(machineXml('web'));
    expect(await domains.autostart(domain)).toBe(false);
  });

  it('lists by what is asked for', async () => {
    const { domains } = bench.libvirt;
    const on = await domains.start(await makeMachine(bench.libvirt, 'on'));
    const off = await makeMachine(bench.libvirt, 'off');
    await domains.setAutostart(off, true);
    expect(await domains.list({ active: true })).toEqual([on]);
    expect(await domains.list({ active: false })).toEqual([off]);
    expect(await domains.list({ autostart: true })).toEqual([off]);
    expect(await domains.list({ autostart: false })).toEqual([on]);
    expect(await domains.list({ autostart: true, active: true })).toEqual([]);
    expect(await domains.list({ managedSave: true })).toEqual([]);
    expect(await domains.list({ managedSave: false, persistent: true })).toHaveLength(2);
    expect(await domains.list({ snapshot: true })).toEqual([]);
  });

  it('changes the memory of a running domain, but not its maximum', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    await domains.setMemory(domain, 96 * 1024, { live: true, config: true });
    expect(parseDomain(await domains.xml(domain, { inactive: true })).memoryMiB).toBe(96);
    const maximum = domains.setMemory(domain, 96 * 1024, { live: true, maximum: true });
    expect(await failureOf(maximum)).toMatchObject({
      code: 'OPERATION_INVALID',
      message: 'Requested operation is not valid: cannot resize the maximum memory on an active domain',
    });
  });

  it('changes what runs and the definition in one call, or neither', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.start(await makeMachine(bench.libvirt, 'web'));
    const both = { live: true, config: true };
    await domains.setMemory(domain, 256 * 1024, { config: true, maximum: true });
    await domains.setVcpus(domain, 2, { config: true, maximum: true });
    expect(await failureOf(domains.setMemory(domain, 256 * 1024, both))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message: 'invalid argument: cannot set memory higher than max memory',
    });
    expect(await failureOf(domains.setVcpus(domain, 2, both))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message:
        'invalid argument: requested vcpus is greater than max allowable vcpus for the live domain: 2 > 1',
    });
    const inactive = async () => parseDomain(await domains.xml(domain, { inactive: true }));
    expect(await inactive()).toMatchObject({ vcpus: 1, memoryMiB: 64, maxMemoryMiB: 256 });
    await domains.setMemory(domain, 96 * 1024, both);
    expect(await inactive()).toMatchObject({ memoryMiB: 96 });
  });

  it('gives a running domain more vcpus up to its maximum, and takes none back', async () => {
    const { domains } = bench.libvirt;
    await makeVolume(bench.libvirt, 'web-vda.qcow2');
    const xml = machineXml('web').replace("'>1</vcpu>", "' current='1'>2</vcpu>");
    const domain = await domains.start(await domains.define(xml));
    await domains.setVcpus(domain, 2, { live: true });
    expect(await domains.vcpus(domain, { live: true })).toBe(2);
    expect(await domains.vcpus(domain, { config: true })).toBe(1);
    const fewer = domains.setVcpus(domain, 1, { live: true });
    expect(await failureOf(fewer)).toMatchObject({ code: 'INTERNAL_ERROR', domain: 10 });
    const more = domains.setVcpus(domain, 3, { live: true });
    expect(await failureOf(more)).toMatchObject({ code: 'INVALID_ARG', domain: 10 });
  });

  it('has no saved memory to throw away', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    expect(await domains.hasManagedSave(domain)).toBe(false);
    expect(await failureOf(domains.removeManagedSave(domain))).toMatchObject({
      code: 'SYSTEM_ERROR',
      domain: 10,
    });
  });

  it('comes back from a power cut with its definitions, pools and what starts by itself', async () => {
    const { domains } = bench.libvirt;
    const on = await domains.start(await makeMachine(bench.libvirt, 'on'));
    await domains.setAutostart(on, true);
    await domains.start(await makeMachine(bench.libvirt, 'off'));
    const transient = await domains.start(await makeMachine(bench.libvirt, 'gone'));
    await domains.undefine(transient);
    await bench.site.crash();
    await waitFor('the connection to end', () => bench.libvirt.closed !== undefined, { timeoutMs: 30_000 });
    await bench.site.boot();
    const after = (await bench.connect()).client;
    const running = async () => (await after.domains.list({ active: true })).map(({ name }) => name);
    await waitFor('autostart', async () => (await running()).includes('on'), { timeoutMs: 30_000 });
    expect(await running()).toEqual(['on']);
    expect((await after.domains.list()).map(({ name }) => name).toSorted()).toEqual(['off', 'on']);
    const found = await after.domains.byName('off');
    expect(await after.domains.state(found)).toEqual({ state: 'shutoff', reason: 0 });
    expect(await after.pools.volumes(await after.pools.byName('default'))).toHaveLength(3);
  });
});
