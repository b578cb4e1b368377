import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type Extent, isHole, lengthOf } from '../../libvirt/byte-stream.ts';
import { hashExtent, isZero } from './extents.ts';

/** Writes a new file, leaving holes where there are only zeros, and returns the sha256 of what it reads as. */
export async function writeSparse(
  path: string,
  content: AsyncIterable<Extent>,
  maxBytes: number,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    let at = 0;
    for await (const extent of content) {
      hashExtent(hash, extent);
      if (!isHole(extent) && !isZero(extent)) await file.write(extent, 0, extent.length, at);
      at += lengthOf(extent);
      if (at > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    }
    await file.truncate(at);
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
