import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RpcConnection, type RpcOptions } from '../../src/libvirt/connection.ts';
import {
  CallTimeoutError,
  ConnectionClosedError,
  isLibvirtError,
  LibvirtError,
} from '../../src/libvirt/errors.ts';
import { encodePacket, keepaliveHeader, STATUS, TYPE } from '../../src/libvirt/packet.ts';
import { eventMessages, type RawEvent } from '../../src/libvirt/protocol/event.ts';
import { nothing, string } from '../../src/libvirt/xdr.ts';
import { XdrError } from '../../src/libvirt/xdr-reader.ts';
import { argsOf, Peer, remoteHeader, replyBytes, streamPair } from './peer.ts';

function connect(options: RpcOptions = {}): { rpc: RpcConnection; peer: Peer } {
  const [near, far] = streamPair();
  const rpc = new RpcConnection(near, options);
  onTestFinished(() => rpc.close());
  return { rpc, peer: new Peer(far) };
}

const domain = { name: 'web', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 3 };
const ask = (rpc: RpcConnection, name = 'web') => rpc.call('domainLookupByName', { name });
/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it did not reject'),
    (error: unknown) => error,
  );

describe('calls', () => {
  it('carry their arguments out and their reply back', async () => {
    const { rpc, peer } = connect();
    const answer = ask(rpc);
    const sent = await peer.packet(0);
    expect(sent).toMatchObject({ program: 0x20008086, procedure: 23, type: 0, status: 0 });
    expect(argsOf('domainLookupByName', sent)).toEqual({ name: 'web' });
    peer.reply('domainLookupByName', sent.serial, { domain });
    await expect(answer).resolves.toEqual({ domain });
  });

  it('are under way together, and replies find theirs in any order', async () => {
    const { rpc, peer } = connect();
    const names = Array.from({ length: 50 }, (_, i) => `vm${i}`);
    const answers = Promise.all(names.map((name) => ask(rpc, name)));
    const sent = await peer.first(50);
    for (const packet of sent.toReversed()) {
      const { name } = argsOf('domainLookupByName', packet);
      peer.reply('domainLookupByName', packet.serial, { domain: { ...domain, name } });
    }
    expect((await answers).map((answer) => answer.domain.name)).toEqual(names);
  });

  it('of one turn of the event loop go out in one write', async () => {
    const [near, far] = streamPair();
    const rpc = new RpcConnection(near);
    onTestFinished(() => rpc.close());
    const chunks: Buffer[] = [];
    far.on('data', (chunk: Buffer) => chunks.push(chunk));
    const answers = Promise.allSettled([ask(rpc), ask(rpc), ask(rpc)]);
    await vi.waitFor(() => expect(chunks).toHaveLength(1));
    rpc.close();
    await answers;
  });

  it('that libvirt refuses reject with its code, its message and what was called', async () => {
    const { rpc, peer } = connect();
    const answer = rejection(ask(rpc));
    peer.refuse(
      'domainLookupByName',
      (await peer.packet(0)).serial,
      42,
      "no domain with matching name 'web'",
    );
    const error = await answer;
    expect(error).toBeInstanceOf(LibvirtError);
    expect(error).toMatchObject({
      code: 42,
      codeName: 'NO_DOMAIN',
      domain: 10,
      level: 2,
      procedure: 'domainLookupByName',
      message: "no domain with matching name 'web'",
    });
    expect(isLibvirtError(error, 'NO_STORAGE_VOL', 'NO_DOMAIN')).toBe(true);
    expect(isLibvirtError(error, 'NO_STORAGE_VOL')).toBe(false);
  });

  it('that cannot be encoded reject alone, and nothing of them is sent', async () => {
    const { rpc, peer } = connect();
    const bad = rejection(ask(rpc, 'a\0b'));
    const good = ask(rpc);
    const sent = await peer.packet(0);
    expect(argsOf('domainLookupByName', sent)).toEqual({ name: 'web' });
    peer.reply('domainLookupByName', sent.serial, { domain });
    await good;
    expect(await bad).toBeInstanceOf(XdrError);
  });

  it('wait for room in the stream instead of piling up in it', async () => {
    const [near, far] = streamPair();
    const rpc = new RpcConnection(near);
    onTestFinished(() => rpc.close());
    const xml = 'x'.repeat(100_000);
    const calls = Array.from({ length: 100 }, () =>
      rejection(rpc.call('domainDefineXmlFlags', { xml, flags: 0 })),
    );
    await vi.waitFor(() => expect(near.writableNeedDrain).toBe(true));
    expect(near.writableLength).toBeLessThan(300_000);
    const peer = new Peer(far);
    await peer.first(100);
    rpc.close();
    await Promise.all(calls);
  });
});

describe('a call that is given up', () => {
  it('times out alone, says that its outcome is unknown, and its late reply is dropped', async () => {
    const { rpc, peer } = connect();
    const late = rejection(rpc.call('domainLookupByName', { name: 'slow' }, { timeoutMs: 20 }));
    const sent = await peer.packet(0);
    const error = await late;
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(error).toMatchObject({ procedure: 'domainLookupByName', timeoutMs: 20, outcomeUnknown: true });
    peer.reply('domainLookupByName', sent.serial, { domain });
    const next = ask(rpc);
    peer.reply('domainLookupByName', (await peer.packet(1)).serial, { domain });
    await expect(next).resolves.toEqual({ domain });
  });

  it('rejects with its signal’s reason, and its late reply is dropped', async () => {
    const { rpc, peer } = connect();
    const controller = new AbortController();
    const { signal } = controller;
    const cancelled = [1, 2].map(() =>
      rejection(rpc.call('domainLookupByName', { name: 'web' }, { signal })),
    );
    const other = ask(rpc);
    const [first, , third] = await peer.first(3);
    controller.abort(new Error('superseded'));
    expect(await Promise.all(cancelled)).toEqual([new Error('superseded'), new Error('superseded')]);
    peer.reply('domainLookupByName', first?.serial ?? 0, { domain });
    peer.reply('domainLookupByName', third?.serial ?? 0, { domain });
    await expect(other).resolves.toEqual({ domain });
  });

  it('before it was sent never is', async () => {
    const { rpc, peer } = connect();
    const controller = new AbortController();
    const cancelled = rejection(
      rpc.call('domainLookupByName', { name: 'no' }, { signal: controller.signal }),
    );
    controller.abort(new Error('never mind'));
    expect(await cancelled).toEqual(new Error('never mind'));
    const aborted = rejection(rpc.call('domainLookupByName', { name: 'no' }, { signal: controller.signal }));
    expect(await aborted).toEqual(new Error('never mind'));
    const next = rejection(ask(rpc));
    expect(argsOf('domainLookupByName', await peer.packet(0))).toEqual({ name: 'web' });
    rpc.close();
    await next;
  });
});

describe('the connection closes, and every call rejects, on', () => {
  const reply = remoteHeader(TYPE.reply, 23, 1, STATUS.ok);
  it.each<[string, Buffer, RegExp]>([
    ['a packet over 32 MiB', Buffer.from('02000001', 'hex'), /33554433 bytes/],
    ['a packet shorter than its header', Buffer.from('00000004', 'hex'), /4 bytes/],
    ['text', Buffer.from('Welcome to host kvm-a!\n'), /Welcome to host kvm-a!/],
    ['an unknown program', encodePacket({ ...reply, program: 0x20008088 }, nothing, undefined), /0x20008088/],
    [
      'a reply of another program',
      encodePacket({ ...reply, program: 0x20008087 }, nothing, undefined),
      /is for procedure 23/,
    ],
    [
      'a type that only a server gets',
      encodePacket({ ...reply, type: TYPE.call }, nothing, undefined),
      /type 0/,
    ],
    [
      'a reply to a call that was never made',
      encodePacket({ ...reply, serial: 99 }, nothing, undefined),
      /call 99/,
    ],
    [
      'a reply for another procedure',
      encodePacket({ ...reply, procedure: 24 }, nothing, undefined),
      /procedure 24/,
    ],
    ['a reply with a stream’s status', encodePacket({ ...reply, status: 2 }, nothing, undefined), /status 2/],
    ['a reply that ends early', encodePacket(reply, nothing, undefined), /ends early/],
    ['a reply with bytes left over', Buffer.from(replyWithTail()), /left over/],
    ['an error that cannot be read', encodePacket({ ...reply, status: 1 }, string, 'oops'), /ends early/],
    [
      'an event that cannot be read',
      encodePacket(remoteHeader(TYPE.event, 318, 0, 0), nothing, undefined),
      /ends/,
    ],
    [
      'an unknown keepalive message',
      encodePacket(keepaliveHeader(3), nothing, undefined),
      /keepalive procedure 3/,
    ],
  ])('%s', async (_, bytes, message) => {
    const { rpc, peer } = connect();
    const reasons: ConnectionClosedError[] = [];
    rpc.onClose((error) => reasons.push(error));
    const calls = [rejection(ask(rpc)), rejection(ask(rpc))];
    await peer.first(2);
    peer.stream.write(bytes);
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(ConnectionClosedError);
      expect(error).toMatchObject({ message: expect.stringMatching(message), outcomeUnknown: true });
    }
    expect(reasons).toHaveLength(1);
    expect(rpc.closed?.message).toMatch(message);
    const after = await rejection(ask(rpc));
    expect(after).toBeInstanceOf(ConnectionClosedError);
    expect(after).toMatchObject({ outcomeUnknown: false });
  });

  it('an end in the middle of a reply', async () => {
    const { rpc, peer } = connect();
    const call = rejection(ask(rpc));
    const { serial } = await peer.packet(0);
    peer.stream.end(replyBytes('domainLookupByName', serial, { domain }).subarray(0, 40));
    expect(await call).toMatchObject({
      message: expect.stringMatching(
        /in the middle of a packet; the outcome of domainLookupByName is unknown/,
      ),
      outcomeUnknown: true,
    });
  });

  it('an end with nothing under way, which onClose tells', async () => {
    const { rpc, peer } = connect();
    const reason = new Promise<ConnectionClosedError>((resolve) => rpc.onClose(resolve));
    peer.stream.end();
    expect((await reason).message).toBe('libvirt closed the connection');
    await new Promise<void>((resolve) => rpc.onClose(() => resolve()));
  });

  it('an error of the stream, which is the cause', async () => {
    const [near] = streamPair();
    const rpc = new RpcConnection(near);
    const call = rejection(ask(rpc));
    const cause = new Error('read ECONNRESET');
    near.destroy(cause);
    expect(await call).toMatchObject({ cause, message: expect.stringMatching(/ECONNRESET/) });
  });

  it('our own close', async () => {
    const { rpc, peer } = connect();
    const call = rejection(ask(rpc));
    await peer.packet(0);
    rpc.close();
    expect(await call).toMatchObject({
      outcomeUnknown: true,
      message: expect.stringMatching(/on this side/),
    });
  });
});

function replyWithTail(): Buffer {
  const bytes = Buffer.concat([replyBytes('domainLookupByName', 1, { domain }), Buffer.alloc(4)]);
  bytes.writeUInt32BE(bytes.length, 0);
  return bytes;
}

describe('events', () => {
  const body = { callbackId: 5, domain, event: 2, detail: 0 };

  it('reach every listener until it is taken off', async () => {
    const { rpc, peer } = connect();
    const seen: RawEvent[] = [];
    const off = rpc.onEvent((event) => seen.push(event));
    const { number, body: codec } = eventMessages.domainLifecycle;
    peer.event(number, codec, body);
    await vi.waitFor(() => expect(seen).toEqual([{ name: 'domainLifecycle', body }]));
    off();
    peer.event(number, codec, body);
    peer.stream.end();
    await new Promise<void>((resolve) => rpc.onClose(() => resolve()));
    expect(seen).toHaveLength(1);
  });

  it('of a number that is not in the table are passed over', async () => {
    const { rpc, peer } = connect();
    peer.event(370, string, 'whatever');
    const answer = ask(rpc);
    peer.reply('domainLookupByName', (await peer.packet(0)).serial, { domain });
    await expect(answer).resolves.toEqual({ domain });
  });
});

describe('keepalive', () => {
  const keepalive = { intervalMs: 10, count: 2 };

  it('answers the daemon’s ping with a pong', async () => {
    const { peer } = connect();
    peer.stream.write(encodePacket(keepaliveHeader(1), nothing, undefined));
    expect(await peer.packet(0)).toMatchObject({
      program: 0x6b656570,
      procedure: 2,
      type: 2,
      serial: 0,
      status: 0,
    });
  });

  it('closes the connection to a peer that stays silent', async () => {
    const { rpc, peer } = connect({ keepalive });
    const reason = new Promise<ConnectionClosedError>((resolve) => rpc.onClose(resolve));
    expect((await reason).message).toBe('libvirt has been silent for 30 ms');
    expect(peer.received.map((packet) => packet.procedure)).toEqual([1, 1]);
  });

  it('lets a peer live that answers', async () => {
    const { rpc, peer } = connect({ keepalive });
    for (let ping = 0; ping < 6; ping++) {
      await peer.packet(ping);
      peer.stream.write(encodePacket(keepaliveHeader(2), nothing, undefined));
    }
    expect(rpc.closed).toBeUndefined();
  });

  it('does not take a daemon for dead that is busy with five calls, for it reads no pings then', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const { rpc, peer } = connect({ keepalive });
    const calls = Promise.allSettled(Array.from({ length: 5 }, () => ask(rpc)));
    const [first] = await peer.first(5);
    await vi.advanceTimersByTimeAsync(200);
    expect(rpc.closed).toBeUndefined();
    peer.reply('domainLookupByName', first?.serial ?? 0, { domain });
    await vi.advanceTimersByTimeAsync(200);
    expect(rpc.closed?.message).toMatch(/silent/);
    await calls;
  });
});
