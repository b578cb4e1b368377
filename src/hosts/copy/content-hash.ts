import { createHash, type Hash } from 'node:crypto';
import { type Extent, isHole, lengthOf } from '../../libvirt/byte-stream.ts';

/** Zeros are looked for in units of this size: a block of most file systems, so that holes begin and end with one. */
const UNIT_BYTES = 4096;
const ZEROS = Buffer.alloc(UNIT_BYTES);

/** Takes the extents of a volume one after the other, and makes a hash of each piece of it. */
export interface ContentHash {
  add(extent: Extent): void;
  /** The last piece, where it is not full. */
  end(): void;
}

/**
 * Hashes content in pieces, a multiple of 4 KiB each. Two pieces have the same hash when they hold the same bytes, wherever
 * their holes are, and a hole costs nothing: what is hashed are the runs of units that are not all zeros.
 */
export function createContentHash(pieceBytes: number, onPiece: (sha256: string) => void): ContentHash {
  let piece = createPieceHash();
  const close = () => {
    onPiece(piece.end());
    piece = createPieceHash();
  };
  return {
    add(extent) {
      const length = lengthOf(extent);
      for (let at = 0; at < length; ) {
        const taken = Math.min(pieceBytes - piece.bytes(), length - at);
        if (isHole(extent)) piece.addHole(taken);
        else piece.addBytes(taken === length ? extent : extent.subarray(at, at + taken));
        at += taken;
        if (piece.bytes() === pieceBytes) close();
      }
    },
    end() {
      if (piece.bytes() > 0) close();
    },
  };
}

/** One hash for the hashes of all pieces. */
export function hashOfPieces(bytes: number, pieces: readonly string[]): string {
  return createHash('sha256')
    .update(`${bytes}\n${pieces.join('\n')}`)
    .digest('hex');
}

function createPieceHash() {
  const runs = createRunHash();
  /** A unit of which a part has come. */
  const unit = Buffer.alloc(UNIT_BYTES);
  let bytes = 0;
  const inUnit = () => bytes % UNIT_BYTES;

  /** Completes the unit that is begun, as far as the bytes do; returns how many it took. */
  const fillUnit = (length: number, fill: (at: number, count: number) => void): number => {
    if (inUnit() === 0 || length === 0) return 0;
    const count = Math.min(UNIT_BYTES - inUnit(), length);
    fill(inUnit(), count);
    bytes += count;
    if (inUnit() === 0) runs.add(unit, 0, UNIT_BYTES);
    return count;
  };

  return {
    bytes: () => bytes,
    addBytes(chunk: Buffer) {
      const from = fillUnit(chunk.length, (at, count) => chunk.copy(unit, at, 0, count));
      const to = chunk.length - ((chunk.length - from) % UNIT_BYTES);
      if (from === chunk.length) return;
      runs.add(chunk, from, to);
      chunk.copy(unit, 0, to);
      bytes += chunk.length - from;
    },
    addHole(length: number) {
      const from = fillUnit(length, (at, count) => unit.fill(0, at, at + count));
      if (from === length) return;
      bytes += length - from;
      runs.skip(length - from - inUnit());
      unit.fill(0, 0, inUnit());
    },
    end() {
      const last = inUnit();
      if (last > 0) runs.add(unit.fill(0, last), 0, UNIT_BYTES);
      return runs.end(bytes);
    },
  };
}

/**
 * Hashes each run of units that are not zeros: where it begins, its bytes, how long it is. That can be read from behind in
 * one way only, so other content gives other input to the hash.
 */
function createRunHash() {
  const hash = createHash('sha256');
  let at = 0;
  let runFrom: number | undefined;
  const endRun = () => {
    if (runFrom === undefined) return;
    addNumber(hash, at - runFrom);
    runFrom = undefined;
  };
  return {
    /** Whole units. */
    add(bytes: Buffer, from: number, to: number) {
      let dataFrom = from;
      for (let unit = from; unit < to; unit += UNIT_BYTES) {
        if (isZero(bytes, unit)) {
          if (dataFrom < unit) hash.update(bytes.subarray(dataFrom, unit));
          endRun();
          dataFrom = unit + UNIT_BYTES;
        } else if (runFrom === undefined) {
          addNumber(hash, at);
          runFrom = at;
        }
        at += UNIT_BYTES;
      }
      if (dataFrom < to) hash.update(bytes.subarray(dataFrom, to));
    },
    skip(bytes: number) {
      if (bytes > 0) endRun();
      at += bytes;
    },
    end(totalBytes: number) {
      endRun();
      addNumber(hash, totalBytes);
      return hash.digest('hex');
    },
  };
}

function isZero(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0 && ZEROS.compare(bytes, at, at + UNIT_BYTES) === 0;
}

function addNumber(hash: Hash, value: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  hash.update(bytes);
}
