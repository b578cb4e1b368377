import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LibvirtError } from '../../src/libvirt/errors.ts';
import type { DomainEvent } from '../../src/libvirt/events.ts';
import { type Libvirt, openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { Packet } from '../../src/libvirt/packet.ts';
import { eventMessages } from '../../src/libvirt/protocol/event.ts';
import { argsOf, Peer, streamPair } from './peer.ts';

const domain = { name: 'web', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 3 };
const pool = { name: 'primary', uuid: '10112233-4455-6677-8899-aabbccddeeff' };

async function open(options = {}): Promise<{ libvirt: Libvirt; peer: Peer }> {
  const [near, far] = streamPair();
  const peer = new Peer(far);
  const opening = openLibvirt(near, options);
  peer.reply('authList', (await peer.packet(0)).serial, { types: [0] });
  peer.reply('connectOpen', (await peer.packet(1)).serial, undefined);
  const libvirt = await opening;
  onTestFinished(() => peer.stream.destroy() && libvirt.close());
  return { libvirt, peer };
}

describe('openLibvirt', () => {
  it('asks how to authenticate, then opens qemu:///system', async () => {
    const { peer } = await open();
    expect(peer.received.map((packet) => packet.procedure)).toEqual([66, 1]);
    expect(argsOf('connectOpen', await peer.packet(1))).toEqual({ name: 'qemu:///system', flags: 0 });
  });

  it('opens the URI that it is given', async () => {
    const { peer } = await open({ uri: 'test:///default' });
    expect(argsOf('connectOpen', await peer.packet(1))).toMatchObject({ name: 'test:///default' });
  });

  it('asks polkit where the daemon wants that', async () => {
    const [near, far] = streamPair();
    const peer = new Peer(far);
    const opening = openLibvirt(near);
    peer.reply('authList', (await peer.packet(0)).serial, { types: [2] });
    peer.refuse(
      'authPolkit',
      (await peer.packet(1)).serial,
      45,
      'authentication failed: access denied by policy',
    );
    await expect(opening).rejects.toThrow('access denied by policy');
    expect(near.destroyed).toBe(true);
  });

  it('says what to change when the daemon wants a password', async () => {
    const [near, far] = streamPair();
    const peer = new Peer(far);
    const opening = openLibvirt(near);
    peer.reply('authList', (await peer.packet(0)).serial, { types: [1] });
    await expect(opening).rejects.toThrow(/auth_unix_rw/);
    expect(near.destroyed).toBe(true);
  });

  it('destroys the stream when libvirt refuses, or when it is given up', async () => {
    const [near, far] = streamPair();
    const controller = new AbortController();
    const opening = openLibvirt(near, { signal: controller.signal });
    await new Peer(far).packet(0);
    controller.abort(new Error('shutting down'));
    await expect(opening).rejects.toThrow('shutting down');
    expect(near.destroyed).toBe(true);
  });

  it('takes leave when it is closed, and does not mind a daemon that is gone', async () => {
    const { libvirt, peer } = await open();
    const closing = libvirt.close();
    const leave = await peer.packet(2);
    expect(leave.procedure).toBe(2);
    peer.stream.destroy();
    await closing;
    expect(libvirt.closed).toBeDefined();
  });
});

describe('options become libvirt’s flags', () => {
  type Case = [string, (libvirt: Libvirt) => Promise<unknown>, (packet: Packet) => unknown, unknown];
  it.each<Case>([
    ['no filter is no flag', (l) => l.domains.list(), (p) => argsOf('connectListAllDomains', p).flags, 0],
    [
      'a yes',
      (l) => l.domains.list({ autostart: true }),
      (p) => argsOf('connectListAllDomains', p).flags,
      1024,
    ],
    [
      'a no has a flag of its own',
      (l) => l.domains.list({ managedSave: false, active: false }),
      (p) => argsOf('connectListAllDomains', p).flags,
      512 + 2,
    ],
    ['pools', (l) => l.pools.list({ active: true }), (p) => argsOf('connectListAllStoragePools', p).flags, 2],
    [
      'inactive XML',
      (l) => l.domains.xml(domain, { inactive: true }),
      (p) => argsOf('domainGetXmlDesc', p).flags,
      2,
    ],
    [
      'validation',
      (l) => l.domains.define('<domain/>', { validate: true }),
      (p) => argsOf('domainDefineXmlFlags', p),
      { xml: '<domain/>', flags: 1 },
    ],
    [
      'acpi',
      (l) => l.domains.shutdown(domain, { mode: 'acpi' }),
      (p) => argsOf('domainShutdownFlags', p).flags,
      1,
    ],
    [
      'undefine',
      (l) => l.domains.undefine(domain, { managedSave: true, snapshotsMetadata: true, nvram: true }),
      (p) => argsOf('domainUndefineFlags', p),
      { domain, flags: 7 },
    ],
    [
      'metadata',
      (l) =>
        l.domains.setMetadata(domain, { uri: 'urn:x', key: 'x', xml: '<a/>' }, { live: true, config: true }),
      (p) => argsOf('domainSetMetadata', p),
      { domain, type: 2, metadata: '<a/>', key: 'x', uri: 'urn:x', flags: 3 },
    ],
    [
      'maximum memory',
      (l) => l.domains.setMemory(domain, 1024, { config: true, maximum: true }),
      (p) => argsOf('domainSetMemoryFlags', p),
      { domain, memoryKiB: 1024, flags: 6 },
    ],
    [
      'the highest bits',
      (l) => l.domains.stats({ state: true, block: true }, { backing: true, nowait: true }),
      (p) => argsOf('connectGetAllDomainStats', p),
      { domains: [], stats: 33, flags: 0x6000_0000 },
    ],
    [
      'resize',
      (l) => l.volumes.resize({ pool: 'p', name: 'v', key: '/p/v' }, 2 ** 40, { shrink: true }),
      (p) => {
        const { capacityBytes, flags } = argsOf('storageVolResize', p);
        return { capacityBytes, flags };
      },
      { capacityBytes: 2 ** 40, flags: 4 },
    ],
  ])('%s', async (_, act, read, expected) => {
    const { libvirt, peer } = await open();
    const call = act(libvirt);
    const sent = await peer.packet(2);
    expect(read(sent)).toEqual(expected);
    peer.stream.destroy();
    await expect(call).rejects.toThrow('closed');
  });
});

describe('answers', () => {
  it('metadata that is not there is undefined, and any other refusal is an error', async () => {
    const { libvirt, peer } = await open();
    const absent = libvirt.domains.metadata(domain, 'urn:x');
    peer.refuse('domainGetMetadata', (await peer.packet(2)).serial, 80, 'metadata not found');
    await expect(absent).resolves.toBeUndefined();
    const refused = libvirt.domains.metadata(domain, 'urn:x');
    peer.refuse('domainGetMetadata', (await peer.packet(3)).serial, 42, 'Domain not found');
    await expect(refused).rejects.toBeInstanceOf(LibvirtError);
  });

  it('numbers of states have names', async () => {
    const { libvirt, peer } = await open();
    const state = libvirt.domains.state(domain);
    peer.reply('domainGetState', (await peer.packet(2)).serial, { state: 5, reason: 1 });
    await expect(state).resolves.toEqual({ state: 'shutoff', reason: 1 });
    const info = libvirt.pools.info(pool);
    const sizes = { capacityBytes: 2 ** 45, allocationBytes: 1, availableBytes: 2 ** 45 - 1 };
    peer.reply('storagePoolGetInfo', (await peer.packet(3)).serial, { state: 2, ...sizes });
    await expect(info).resolves.toEqual({ state: 'running', ...sizes });
  });

  it('versions are text', async () => {
    const { libvirt, peer } = await open();
    const version = libvirt.node.hypervisorVersion();
    peer.reply('connectGetVersion', (await peer.packet(2)).serial, { version: 7_002_022 });
    await expect(version).resolves.toBe('7.2.22');
  });

  it('memory is asked for twice: how many counters there are, then their values', async () => {
    const { libvirt, peer } = await open();
    const stats = libvirt.node.memoryStats();
    peer.reply('nodeGetMemoryStats', (await peer.packet(2)).serial, { stats: [], count: 2 });
    const second = await peer.packet(3);
    expect(argsOf('nodeGetMemoryStats', second)).toEqual({ count: 2, cell: -1, flags: 0 });
    const values = [
      { field: 'total', valueKiB: 1000 },
      { field: 'free', valueKiB: 600 },
    ];
    peer.reply('nodeGetMemoryStats', second.serial, { stats: values, count: 2 });
    await expect(stats).resolves.toEqual({ total: 1000, free: 600 });
  });
});

describe('events.subscribe', () => {
  const { domainLifecycle, domainMetadataChange } = eventMessages;

  it('tells lifecycle and metadata events by name, those included that come with the reply', async () => {
    const { libvirt, peer } = await open();
    const seen: DomainEvent[] = [];
    const subscribing = libvirt.events.subscribe((event) => seen.push(event));
    const lifecycle = await peer.packet(2);
    expect(argsOf('connectDomainEventCallbackRegisterAny', lifecycle)).toEqual({
      eventId: 0,
      domain: undefined,
    });
    peer.reply('connectDomainEventCallbackRegisterAny', lifecycle.serial, { callbackId: 11 });
    peer.event(domainLifecycle.number, domainLifecycle.body, { callbackId: 11, domain, event: 5, detail: 1 });
    peer.event(domainLifecycle.number, domainLifecycle.body, { callbackId: 99, domain, event: 5, detail: 1 });
    const metadata = await peer.packet(3);
    expect(argsOf('connectDomainEventCallbackRegisterAny', metadata)).toMatchObject({ eventId: 23 });
    peer.reply('connectDomainEventCallbackRegisterAny', metadata.serial, { callbackId: 12 });
    const unsubscribe = await subscribing;
    peer.event(domainMetadataChange.number, domainMetadataChange.body, {
      callbackId: 12,
      domain,
      type: 2,
      uri: 'urn:x',
    });
    peer.event(domainLifecycle.number, domainLifecycle.body, {
      callbackId: 11,
      domain,
      event: 77,
      detail: 1,
    });
    await vi.waitFor(() => expect(seen).toHaveLength(3));
    expect(seen).toEqual([
      { kind: 'lifecycle', domain, event: 5, eventName: 'stopped', detail: 1, detailName: 'destroyed' },
      { kind: 'metadata', domain, type: 2, uri: 'urn:x' },
      { kind: 'lifecycle', domain, event: 77, eventName: 'unknown', detail: 1, detailName: 'unknown' },
    ]);

    const unsubscribed = unsubscribe();
    const calls = [await peer.packet(4), await peer.packet(5)];
    expect(calls.map((call) => argsOf('connectDomainEventCallbackDeregisterAny', call).callbackId)).toEqual([
      11, 12,
    ]);
    peer.event(domainLifecycle.number, domainLifecycle.body, { callbackId: 11, domain, event: 5, detail: 1 });
    for (const { serial } of calls) peer.reply('connectDomainEventCallbackDeregisterAny', serial, undefined);
    await unsubscribed;
    expect(seen).toHaveLength(3);
  });
});
