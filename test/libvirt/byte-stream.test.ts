import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { download, upload, type VolumeRange } from '../../src/libvirt/byte-stream.ts';
import { RpcConnection } from '../../src/libvirt/connection.ts';
import { CallTimeoutError, ConnectionClosedError, LibvirtError } from '../../src/libvirt/errors.ts';
import { STATUS, TYPE } from '../../src/libvirt/packet.ts';
import { remoteError } from '../../src/libvirt/protocol/procedure.ts';
import { rest } from '../../src/libvirt/xdr.ts';
import { argsOf, errorBody, Peer, streamPair } from './peer.ts';

const range: VolumeRange = {
  volume: { pool: 'primary', name: 'web.qcow2', key: '/pool/web.qcow2' },
  offsetBytes: 512,
  lengthBytes: 0,
};
const EMPTY = Buffer.alloc(0);

function connect(): { rpc: RpcConnection; peer: Peer } {
  const [near, far] = streamPair();
  const rpc = new RpcConnection(near);
  onTestFinished(() => rpc.close());
  return { rpc, peer: new Peer(far) };
}

async function* brokenSource(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(10);
  await setImmediate();
  throw new Error('disk read error');
}

describe('upload', () => {
  it('sends the bytes in packets that every libvirt takes, then the end, and waits for its confirmation', async () => {
    const { rpc, peer } = connect();
    const data = Buffer.alloc(300_000, 7);
    const done = upload(rpc, range, [data.subarray(0, 10), data.subarray(10)]);
    const open = await peer.packet(0);
    expect(argsOf('storageVolUpload', open)).toEqual({ ...range, flags: 0 });
    peer.reply('storageVolUpload', open.serial, undefined);
    const packets = (await peer.first(5)).slice(1);
    expect(packets.map(({ type, serial, status, body }) => [type, serial, status, body.length])).toEqual([
      [TYPE.stream, open.serial, STATUS.continue, 10],
      [TYPE.stream, open.serial, STATUS.continue, 262_120],
      [TYPE.stream, open.serial, STATUS.continue, 37_870],
      [TYPE.stream, open.serial, STATUS.ok, 0],
    ]);
    peer.streamPacket(open, STATUS.ok, rest, EMPTY);
    await done;
    expect(Buffer.concat(packets.map((packet) => packet.body)).equals(data)).toBe(true);
  });

  it('rejects with libvirt’s error when the host cannot take it', async () => {
    const { rpc, peer } = connect();
    const done = upload(rpc, range, [Buffer.alloc(10)]);
    const open = await peer.packet(0);
    peer.reply('storageVolUpload', open.serial, undefined);
    await peer.first(3);
    peer.streamPacket(open, STATUS.error, remoteError, errorBody(38, 'No space left on device'));
    await expect(done).rejects.toBeInstanceOf(LibvirtError);
    await expect(done).rejects.toThrow('No space left on device');
  });

  it('tells libvirt to give up when the source breaks', async () => {
    const { rpc, peer } = connect();
    const outcome = upload(rpc, range, brokenSource()).catch((error: unknown) => error);
    const open = await peer.packet(0);
    peer.reply('storageVolUpload', open.serial, undefined);
    expect(await outcome).toEqual(new Error('disk read error'));
    expect(await peer.packet(2)).toMatchObject({
      type: TYPE.stream,
      serial: open.serial,
      status: STATUS.error,
    });
  });

  it.each<[string, (peer: Peer) => void, new (...args: never[]) => Error]>([
    ['that nobody confirms times out', () => {}, CallTimeoutError],
    ['whose connection breaks rejects', (peer) => peer.stream.destroy(), ConnectionClosedError],
  ])('%s', async (_, act, kind) => {
    const { rpc, peer } = connect();
    const outcome = upload(rpc, range, [Buffer.alloc(10)], { timeoutMs: 200 }).catch(
      (error: unknown) => error,
    );
    const open = await peer.packet(0);
    peer.reply('storageVolUpload', open.serial, undefined);
    await peer.first(3);
    act(peer);
    expect(await outcome).toBeInstanceOf(kind);
  });
});

describe('download', () => {
  it('gives the bytes up to the end, and agrees on it with libvirt', async () => {
    const { rpc, peer } = connect();
    const read = (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of download(rpc, range)) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    })();
    const open = await peer.packet(0);
    peer.reply('storageVolDownload', open.serial, undefined);
    peer.streamPacket(open, STATUS.continue, rest, Buffer.from('abc'));
    peer.streamPacket(open, STATUS.continue, rest, Buffer.from('de'));
    peer.streamPacket(open, STATUS.continue, rest, EMPTY);
    expect(await peer.packet(1)).toMatchObject({ type: TYPE.stream, serial: open.serial, status: STATUS.ok });
    peer.streamPacket(open, STATUS.ok, rest, EMPTY);
    expect(await read).toBe('abcde');
  });

  it('reads no further while its reader is slow, and on when it has caught up', async () => {
    const { rpc, peer } = connect();
    const chunks = download(rpc, range);
    const first = chunks.next();
    const open = await peer.packet(0);
    peer.reply('storageVolDownload', open.serial, undefined);
    for (let i = 0; i < 100; i++) peer.streamPacket(open, STATUS.continue, rest, Buffer.alloc(262_120));
    peer.streamPacket(open, STATUS.continue, rest, EMPTY);
    await first;
    await setImmediate();
    expect(peer.stream.writableLength).toBeGreaterThan(50 * 262_120);
    let bytes = 262_120;
    const remainder = (async () => {
      for await (const chunk of chunks) bytes += chunk.length;
    })();
    await peer.packet(1);
    peer.streamPacket(open, STATUS.ok, rest, EMPTY);
    await remainder;
    expect(bytes).toBe(100 * 262_120);
  });

  it('tells libvirt to give up when its reader leaves early', async () => {
    const { rpc, peer } = connect();
    const chunks = download(rpc, range);
    const first = chunks.next();
    const open = await peer.packet(0);
    peer.reply('storageVolDownload', open.serial, undefined);
    peer.streamPacket(open, STATUS.continue, rest, Buffer.from('abc'));
    await first;
    await chunks.return();
    expect(await peer.packet(1)).toMatchObject({
      type: TYPE.stream,
      serial: open.serial,
      status: STATUS.error,
    });
  });
});
