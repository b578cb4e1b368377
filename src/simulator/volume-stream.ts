import { isHole } from '../libvirt/byte-stream.ts';
import { STATUS, STREAM_CHUNK_MAX_BYTES } from '../libvirt/packet.ts';
import type { ArgsOf } from '../libvirt/protocol.ts';
import { readQcow2Head } from './qcow2-head.ts';
import type { SparseContent } from './sparse-content.ts';
import type { Storage } from './storage.ts';

/** Takes what one end of a stream sends to the other: packets, and holes where the stream is sparse. */
export interface StreamEnd {
  packet(status: number, body: Buffer): void;
  hole(lengthBytes: number): void;
}

/** What the client asked for: the whole of a volume or a part, with holes or without. */
type Range = ArgsOf<'storageVolDownload'>;

const EMPTY = Buffer.alloc(0);
/** A cluster of qcow2. */
const HEAD_BYTES = 65_536;
const SPARSE_STREAM = 1;

/** What the client sends is in the file as soon as it has come, whether the client comes to its end or not. */
export function receiveVolume(
  storage: Storage,
  { volume, offsetBytes, lengthBytes }: Range,
  client: StreamEnd,
): StreamEnd {
  const { path } = storage.volumeFile(volume);
  const endBytes = lengthBytes === 0 ? Number.POSITIVE_INFINITY : offsetBytes + lengthBytes;
  let at = offsetBytes;
  const change = (make: (content: SparseContent) => void) => {
    const file = storage.file(path);
    // The file is open: what is written after its name has gone is nobody's.
    if (file === undefined) return;
    const content = storage.content(path);
    make(content);
    const { storedBytes, lengthBytes: length } = content;
    const sizes = { allocationBytes: storedBytes, physicalBytes: length, capacityBytes: length };
    storage.putFile(path, { ...file, ...sizes });
    storage.putContent(path, content);
  };
  return {
    packet(status, body) {
      if (status === STATUS.ok) {
        probe(storage, path);
        client.packet(STATUS.ok, EMPTY);
      } else if (status === STATUS.continue && at + body.length <= endBytes) {
        change((content) => content.write(at, body));
        at += body.length;
      }
    },
    hole(holeBytes) {
      at += holeBytes;
      change((content) => content.truncate(at));
    },
  };
}

/** The file in packets, then an empty one, then the client says that it is content. */
export function sendVolume(storage: Storage, range: Range, client: StreamEnd): StreamEnd {
  const { volume, offsetBytes, lengthBytes, flags } = range;
  const content = storage.content(storage.volumeFile(volume).path);
  const endBytes = lengthBytes === 0 ? content.lengthBytes : offsetBytes + lengthBytes;
  for (const extent of content.extents(offsetBytes, endBytes)) {
    if (!isHole(extent)) client.packet(STATUS.continue, extent);
    else if ((flags & SPARSE_STREAM) !== 0) client.hole(extent.holeBytes);
    else sendZeros(extent.holeBytes, client);
  }
  client.packet(STATUS.continue, EMPTY);
  return {
    packet(status) {
      if (status === STATUS.ok) client.packet(STATUS.ok, EMPTY);
    },
    hole() {},
  };
}

function sendZeros(lengthBytes: number, client: StreamEnd): void {
  for (let left = lengthBytes; left > 0; left -= STREAM_CHUNK_MAX_BYTES)
    client.packet(STATUS.continue, Buffer.alloc(Math.min(left, STREAM_CHUNK_MAX_BYTES)));
}

/** libvirt looks at the head of a file to say what format it has. */
function probe(storage: Storage, path: string): void {
  const file = storage.file(path);
  const content = storage.content(path);
  const head = readQcow2Head(content.head(HEAD_BYTES));
  if (file === undefined || head === undefined) return;
  storage.putFile(path, { ...file, ...head, format: 'qcow2' });
  storage.putContent(path, content);
}
