import { STATUS, STREAM_CHUNK_MAX_BYTES } from '../libvirt/packet.ts';
import type { VolumeRef } from '../libvirt/protocol/procedure.ts';
import type { Storage } from './storage.ts';

/** Sends a packet of the stream to the client. */
export type SendPacket = (status: number, body: Buffer) => void;

/** The daemon's end of a stream: it is given what the client sends. */
export type StreamEnd = (status: number, body: Buffer) => void;

const EMPTY = Buffer.alloc(0);
const QCOW2 = 0x514649fb;

/** What the client sends is in the file as soon as it has come, whether the client comes to its end or not. */
export function receiveVolume(storage: Storage, ref: VolumeRef, send: SendPacket): StreamEnd {
  const { path } = storage.volumeFile(ref);
  let content = EMPTY;
  return (status, body) => {
    if (status === STATUS.ok) {
      probe(storage, path, content);
      send(STATUS.ok, EMPTY);
    } else if (status === STATUS.continue) {
      content = Buffer.concat([content, body]);
      const file = storage.volumeFile(ref).file;
      const size = { allocationBytes: content.length, physicalBytes: content.length };
      storage.putFile(path, { ...file, ...size, capacityBytes: content.length });
      storage.putContent(path, content);
    }
  };
}

/** The whole file in packets, then an empty one, then the client says that it is content. */
export function sendVolume(storage: Storage, ref: VolumeRef, send: SendPacket): StreamEnd {
  const content = storage.content(storage.volumeFile(ref).path);
  for (let at = 0; at < content.length; at += STREAM_CHUNK_MAX_BYTES)
    send(STATUS.continue, content.subarray(at, at + STREAM_CHUNK_MAX_BYTES));
  send(STATUS.continue, EMPTY);
  return (status) => {
    if (status === STATUS.ok) send(STATUS.ok, EMPTY);
  };
}

/** libvirt looks at the head of a file to say what format it has. */
function probe(storage: Storage, path: string, content: Buffer): void {
  const file = storage.file(path);
  if (file === undefined || content.length < 32 || content.readUInt32BE(0) !== QCOW2) return;
  storage.putFile(path, { ...file, format: 'qcow2', capacityBytes: Number(content.readBigUInt64BE(24)) });
  storage.putContent(path, content);
}
