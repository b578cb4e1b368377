import { describe, expect, it } from 'vitest';
import { createContentHash } from '../../../src/hosts/copy/content-hash.ts';
import { type Extent, isHole } from '../../../src/libvirt/byte-stream.ts';
import { noise } from './site.ts';

const KIB = 1024;
const PIECE = 64 * KIB;

function hashesOf(extents: readonly Extent[], pieceBytes = PIECE): string[] {
  const hashes: string[] = [];
  const hash = createContentHash(pieceBytes, (sha256) => hashes.push(sha256));
  for (const extent of extents) hash.add(extent);
  hash.end();
  return hashes;
}

const data = (bytes: number, seed?: number): Buffer => noise(bytes, seed);
const hole = (holeBytes: number): Extent => ({ holeBytes });
/** Content of two pieces and a half, with zeros of all lengths and at all places. */
const CONTENT = Buffer.concat([
  data(10 * KIB),
  Buffer.alloc(3 * KIB),
  data(100, 2),
  Buffer.alloc(70 * KIB),
  data(4 * KIB, 3),
  Buffer.alloc(4 * KIB),
  data(4 * KIB, 4),
  Buffer.alloc(60 * KIB),
  data(7, 5),
]);

/** The content cut into parts of these lengths in turn; every part that is all zeros may come as a hole. */
function cut(lengths: readonly number[], holes: 'holes' | 'data'): Extent[] {
  const extents: Extent[] = [];
  for (let at = 0, turn = 0; at < CONTENT.length; turn++) {
    const part = CONTENT.subarray(at, at + (lengths[turn % lengths.length] ?? 1));
    const isEmpty = holes === 'holes' && part.every((byte) => byte === 0);
    extents.push(isEmpty ? hole(part.length) : part);
    at += part.length;
  }
  return extents;
}

describe('the hashes of content', () => {
  it.each([
    ['in one part', [CONTENT.length]],
    ['in parts of libvirt’s size', [262_120]],
    ['byte for byte', [1]],
    ['in odd parts', [4095, 1, 4097, 13, 65_537]],
    ['in whole units', [4096]],
  ])('are the same when it comes %s, with holes or with zeros', (_, lengths) => {
    const whole = hashesOf([CONTENT]);
    expect(whole).toHaveLength(Math.ceil(CONTENT.length / PIECE));
    expect(hashesOf(cut(lengths, 'data'))).toEqual(whole);
    expect(hashesOf(cut(lengths, 'holes'))).toEqual(whole);
    expect(cut([4096], 'holes').some(isHole)).toBe(true);
  });

  it.each<[string, readonly Extent[], readonly Extent[]]>([
    ['a bit', [data(100)], [Buffer.from(data(100)).fill(0, 99)]],
    ['how many zeros follow', [data(100), hole(10)], [data(100), hole(11)]],
    ['where the data stands', [hole(4 * KIB), data(4 * KIB), hole(4 * KIB)], [data(4 * KIB), hole(8 * KIB)]],
    ['nothing but zeros', [hole(4 * KIB)], [hole(8 * KIB)]],
    [
      'what looks like the end of a run',
      [data(4 * KIB), hole(4 * KIB), data(4 * KIB)],
      [data(4 * KIB), data(8 * KIB)],
    ],
  ])('differ by %s', (_, one, other) => {
    expect(hashesOf(one)).not.toEqual(hashesOf(other));
  });

  it('of a hole of 1 TiB cost nothing', () => {
    const begun = performance.now();
    const hashes = hashesOf([hole(1024 ** 4)], 64 * 1024 ** 2);
    expect(hashes).toHaveLength(16_384);
    expect(new Set(hashes).size).toBe(1);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('of nothing are none', () => {
    expect(hashesOf([])).toEqual([]);
  });
});
