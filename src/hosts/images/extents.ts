import type { Hash } from 'node:crypto';
import { type Extent, isHole } from '../../libvirt/byte-stream.ts';

const ZEROS = Buffer.alloc(1024 ** 2);

/** Adds to a hash what is read there: zeros for a hole. */
export function hashExtent(hash: Hash, extent: Extent): void {
  if (!isHole(extent)) return void hash.update(extent);
  for (let left = extent.holeBytes; left > 0; left -= ZEROS.length)
    hash.update(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
}

/** The same bytes, with holes for what is nothing but zeros. */
export async function* withHoles(content: AsyncIterable<Buffer>): AsyncGenerator<Extent> {
  for await (const chunk of content) yield isZero(chunk) ? { holeBytes: chunk.length } : chunk;
}

/** Whether it is worth no room. */
export function isZero(chunk: Buffer): boolean {
  return chunk.length <= ZEROS.length && chunk.equals(ZEROS.subarray(0, chunk.length));
}
