import type { DiskFile } from './storage.ts';

const MAGIC = 0x514649fb;
const HEADER_BYTES = 104;
/** Header extension that says what format the backing file has. */
const BACKING_FORMAT = 0xe2792aca;
const CLUSTER_BITS = 16;

/** The beginning of a qcow2 file, as far as what is behind it and how large it is. */
export function qcow2Head({ capacityBytes, backing }: Pick<DiskFile, 'capacityBytes' | 'backing'>): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(CLUSTER_BITS, 20);
  header.writeBigUInt64BE(BigInt(capacityBytes), 24);
  header.writeUInt32BE(4, 96);
  header.writeUInt32BE(HEADER_BYTES, 100);
  if (backing === undefined) return header;
  const extensions = Buffer.concat([extension(BACKING_FORMAT, backing.format), Buffer.alloc(8)]);
  const path = Buffer.from(backing.path);
  header.writeBigUInt64BE(BigInt(header.length + extensions.length), 8);
  header.writeUInt32BE(path.length, 16);
  return Buffer.concat([header, extensions, path]);
}

/** What libvirt reads out of a file's first bytes; undefined where it is no qcow2 file. */
export function readQcow2Head(head: Buffer): Pick<DiskFile, 'capacityBytes' | 'backing'> | undefined {
  if (head.length < 32 || head.readUInt32BE(0) !== MAGIC) return undefined;
  const capacityBytes = Number(head.readBigUInt64BE(24));
  const at = Number(head.readBigUInt64BE(8));
  const length = head.readUInt32BE(16);
  if (at === 0 || at + length > head.length) return { capacityBytes };
  const path = head.toString('utf8', at, at + length);
  return { capacityBytes, backing: { path, format: backingFormat(head) ?? 'raw' } };
}

function backingFormat(head: Buffer): string | undefined {
  let at = head.readUInt32BE(4) >= 3 ? head.readUInt32BE(100) : 72;
  while (at + 8 <= head.length && head.readUInt32BE(at) !== 0) {
    const length = head.readUInt32BE(at + 4);
    if (head.readUInt32BE(at) === BACKING_FORMAT) return head.toString('utf8', at + 8, at + 8 + length);
    at += 8 + length + (-length & 7);
  }
  return undefined;
}

function extension(type: number, text: string): Buffer {
  const bytes = Buffer.alloc(8 + text.length + (-text.length & 7));
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(text.length, 4);
  bytes.write(text, 8);
  return bytes;
}
