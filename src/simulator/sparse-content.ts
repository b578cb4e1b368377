import type { Extent } from '../libvirt/byte-stream.ts';

/** Of a file system. */
const BLOCK_BYTES = 4096;

/** What is in a file: a block that was never written to is a hole. */
export class SparseContent {
  readonly #blocks = new Map<number, Buffer>();
  #lengthBytes: number;

  constructor(lengthBytes = 0) {
    this.#lengthBytes = lengthBytes;
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** What it takes up. */
  get storedBytes(): number {
    return this.#blocks.size * BLOCK_BYTES;
  }

  write(at: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((at + done) / BLOCK_BYTES);
      const inBlock = at + done - index * BLOCK_BYTES;
      const block = this.#blocks.get(index) ?? Buffer.alloc(BLOCK_BYTES);
      this.#blocks.set(index, block);
      done += bytes.copy(block, inBlock, done, done + BLOCK_BYTES - inBlock);
    }
    this.#lengthBytes = Math.max(this.#lengthBytes, at + bytes.length);
  }

  /** Cuts it off there, or lengthens it by a hole. */
  truncate(lengthBytes: number): void {
    for (const [index, block] of this.#blocks) {
      const keptBytes = lengthBytes - index * BLOCK_BYTES;
      if (keptBytes <= 0) this.#blocks.delete(index);
      else if (keptBytes < BLOCK_BYTES) block.fill(0, keptBytes);
    }
    this.#lengthBytes = lengthBytes;
  }

  /** From an offset to another, or to the end. */
  *extents(from: number, to: number): Generator<Extent> {
    const end = Math.min(to, this.#lengthBytes);
    let holeBytes = 0;
    for (let at = from; at < end; ) {
      const index = Math.floor(at / BLOCK_BYTES);
      const next = Math.min((index + 1) * BLOCK_BYTES, end);
      const block = this.#blocks.get(index);
      if (block === undefined) holeBytes += next - at;
      else {
        if (holeBytes > 0) yield { holeBytes };
        holeBytes = 0;
        yield block.subarray(at - index * BLOCK_BYTES, next - index * BLOCK_BYTES);
      }
      at = next;
    }
    if (holeBytes > 0) yield { holeBytes };
  }

  /** The first bytes, zeros for holes. */
  head(lengthBytes: number): Buffer {
    const bytes = [...this.extents(0, lengthBytes)];
    return Buffer.concat(
      bytes.map((extent) => ('holeBytes' in extent ? Buffer.alloc(extent.holeBytes) : extent)),
    );
  }
}
