import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const ZEROS = Buffer.alloc(1024 ** 2);

/** Writes a new file, leaving holes where there are only zeros, and returns the sha256 of what was written. */
export async function writeSparse(
  path: string,
  content: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    let at = 0;
    for await (const chunk of content) {
      hash.update(chunk);
      if (!isZero(chunk)) await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      if (at > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    }
    await file.truncate(at);
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function isZero(chunk: Buffer): boolean {
  return chunk.length <= ZEROS.length && chunk.equals(ZEROS.subarray(0, chunk.length));
}
