import { open } from 'node:fs/promises';

const HEADER_BYTES = 104;
const QCOW2 = 0x514649fb;
const EXTERNAL_DATA_FILE = 4n;

/** What the header of a disk image says. */
export interface DiskHeader {
  readonly format: 'qcow2' | 'raw';
  /** What a guest sees of a qcow2 file; a raw one is what it is. */
  readonly capacityBytes?: number;
  /** It is not whole without another file. */
  readonly needs?: 'a backing file' | 'an external data file';
}

/** Reads the first bytes of a disk image. */
export async function readDiskHeader(path: string): Promise<DiskHeader> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return parseDiskHeader(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Big-endian: the version at byte 4, the backing file's name at 8, the capacity at 24, the features of version 3 at 72. */
export function parseDiskHeader(header: Buffer): DiskHeader {
  if (header.length < 72 || header.readUInt32BE(0) !== QCOW2) return { format: 'raw' };
  const qcow2 = { format: 'qcow2', capacityBytes: Number(header.readBigUInt64BE(24)) } as const;
  if (header.readBigUInt64BE(8) !== 0n) return { ...qcow2, needs: 'a backing file' };
  const features = header.readUInt32BE(4) >= 3 && header.length >= 80 ? header.readBigUInt64BE(72) : 0n;
  const isOutside = (features & EXTERNAL_DATA_FILE) !== 0n;
  return { ...qcow2, ...(isOutside && { needs: 'an external data file' }) };
}
