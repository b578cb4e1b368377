import { describe, expect, it } from 'vitest';
import { type CopyOptions, copyVolume } from '../../../src/hosts/copy/copy-volume.ts';
import type { CopyProgress } from '../../../src/hosts/copy/progress.ts';
import type { Extent } from '../../../src/libvirt/byte-stream.ts';
import type { Interception } from '../../../src/simulator/host.ts';
import { qcow2Head } from '../../../src/simulator/qcow2-head.ts';
import { breakCall } from '../bench.ts';
import { contentOf, counter, noise, PATH, PIECE, putDisk, storedOn, useCopySite } from './site.ts';

const site = useCopySite();
const DISK: readonly Extent[] = [
  noise(1.5 * PIECE),
  { holeBytes: 3 * PIECE },
  noise(PIECE, 2),
  Buffer.alloc(PIECE / 2),
  noise(100, 3),
  { holeBytes: 2 * PIECE - 100 + 7 },
];

async function copy(options: CopyOptions = {}) {
  const [from, to] = await site.ends();
  return copyVolume(from, to, { pieceBytes: PIECE, ...options });
}

const isEqual = () => contentOf(site.to).equals(contentOf(site.from));

describe('a copy', () => {
  it.each<[string, readonly Extent[]]>([
    ['with holes between data and at the end', DISK],
    ['that begins with a hole', [{ holeBytes: PIECE / 2 }, noise(PIECE)]],
    ['that is one hole', [{ holeBytes: 5 * PIECE }]],
    ['of less than a piece', [noise(100)]],
    ['of full pieces', [noise(2 * PIECE)]],
    ['of nothing', []],
  ])('of a volume %s has its content, and takes up no more', async (_, extents) => {
    putDisk(site.from, extents);
    const { bytes } = await copy();
    expect(bytes).toBe(contentOf(site.from).length);
    expect(isEqual()).toBe(true);
    expect(storedOn(site.to)).toBe(storedOn(site.from));
  });

  it('has the same hash wherever the holes are, and another for other content', async () => {
    const hashOf = async (extents: readonly Extent[]) => {
      putDisk(site.from, extents);
      site.to.storage.removeFile(PATH);
      return (await copy()).sha256;
    };
    const zeros = [noise(PIECE), Buffer.alloc(2 * PIECE), noise(10, 2)];
    const hole = [noise(PIECE), { holeBytes: 2 * PIECE }, noise(10, 2)];
    const other = [noise(PIECE), { holeBytes: 2 * PIECE }, noise(10, 3)];
    const longer = [...hole, { holeBytes: 1 }];
    const hashes = [await hashOf(zeros), await hashOf(hole), await hashOf(other), await hashOf(longer)];
    expect(hashes[1]).toBe(hashes[0]);
    expect(new Set(hashes).size).toBe(3);
  });

  it('that is complete is only read', async () => {
    putDisk(site.from, DISK);
    const first = await copy();
    const changedAt = site.to.storage.changedAt(PATH);
    const phases: string[] = [];
    const again = await copy({ onProgress: ({ phase }) => phases.push(phase) });
    expect(again).toEqual(first);
    expect(site.to.storage.changedAt(PATH)).toBe(changedAt);
    expect(new Set(phases)).toEqual(new Set(['checking']));
  });

  it.each([
    ['a byte of one piece', (disk: Buffer) => disk.writeUInt8(255 - (disk[PIECE + 5] ?? 0), PIECE + 5)],
    ['something in a hole', (disk: Buffer) => disk.fill(1, 3 * PIECE, 3 * PIECE + 10)],
    ['everything', (disk: Buffer) => disk.fill(9)],
  ])('of which %s is not right is made right, in its place', async (_, spoil) => {
    putDisk(site.from, DISK);
    await copy();
    const disk = contentOf(site.to);
    spoil(disk);
    putDisk(site.to, [disk]);
    await copy();
    expect(isEqual()).toBe(true);
  });

  it.each<[string, readonly Extent[], (readonly Extent[])?]>([
    ['longer than the source', [noise(9 * PIECE, 9)]],
    ['longer, of a source that begins with a hole', [noise(9 * PIECE, 9)], [{ holeBytes: 100 }, noise(10)]],
    ['the beginning of another volume', [noise(2.5 * PIECE, 9)]],
    ['less than a piece of another', [noise(100, 9)], [{ holeBytes: PIECE }, noise(10)]],
  ])('goes over a file that is %s', async (_, there, extents = DISK) => {
    putDisk(site.from, extents);
    putDisk(site.to, there);
    await copy();
    expect(isEqual()).toBe(true);
  });

  it('of an overlay names the base image of its host, whichever part was sent before', async () => {
    const head = Buffer.alloc(PIECE);
    qcow2Head({ capacityBytes: 1024 ** 3, backing: { path: '/old/base', format: 'qcow2' } }).copy(head);
    putDisk(site.from, [head, { holeBytes: PIECE }, noise(PIECE)], 'qcow2');
    const before = contentOf(site.from);
    const backing = { path: '/new/place/base', format: 'qcow2' };
    const first = await copy({ backingFile: backing.path });
    expect(site.to.storage.file(PATH)).toMatchObject({ format: 'qcow2', capacityBytes: 1024 ** 3, backing });
    expect(contentOf(site.to).subarray(PIECE).equals(before.subarray(PIECE))).toBe(true);
    expect(await copy({ backingFile: backing.path })).toEqual(first);
    expect(contentOf(site.from).equals(before)).toBe(true);
    await copy();
    expect(isEqual()).toBe(true);
  });

  it('of what is no overlay is refused a base image, before anything is made', async () => {
    putDisk(site.from, [noise(PIECE)]);
    const refused = copy({ backingFile: '/new/place/base' });
    await expect(refused).rejects.toMatchObject({
      code: 'E_COPY',
      message: expect.stringContaining('not a qcow2'),
    });
    expect(site.to.storage.files()).toEqual([]);
  });

  it('that was cut goes on behind its last full piece', async () => {
    putDisk(site.from, [noise(10 * PIECE)]);
    const cut = counter(5.5 * PIECE, () => site.to.uplink?.drop());
    await expect(copy({ limit: cut.limit })).rejects.toThrow('closed');
    const there = contentOf(site.to).length;
    const progress: CopyProgress[] = [];
    await copy({ onProgress: (at) => progress.push(at) });
    expect(isEqual()).toBe(true);
    expect(progress[0]).toMatchObject({
      phase: 'copying',
      doneBytes: Math.floor(there / PIECE) * PIECE,
      totalBytes: 10 * PIECE,
    });
  });

  it.each(['drop-connection', 'drop-reply'] as const satisfies readonly Interception[])(
    'comes to its end whichever call of either host meets a %s',
    async (cut) => {
      putDisk(site.from, DISK);
      for (const side of ['from', 'to'] as const) {
        for (let at = 0; ; at++) {
          site.to.storage.removeFile(PATH);
          const fault = breakCall(at, cut);
          const calls: string[] = [];
          site[side].intercept = (host, name, index) => {
            calls.push(name);
            return fault.intercept(host, name, index);
          };
          const failure = await copy().catch((error: unknown) => error);
          site[side].intercept = undefined;
          if (fault.calls() <= at) break;
          // Only the leave that is taken at the end may fail and do no harm.
          expect(failure instanceof Error || calls.at(-1) === 'connectClose').toBe(true);
          await copy();
          expect({ at, isEqual: isEqual() }).toEqual({ at, isEqual: true });
        }
      }
    },
    60_000,
  );

  it('is given up at once when it is told to', async () => {
    putDisk(site.from, [noise(20 * PIECE)]);
    const stop = new AbortController();
    const { limit } = counter(2 * PIECE, () => stop.abort(new Error('enough')));
    await expect(copy({ limit, signal: stop.signal })).rejects.toThrow('enough');
  });

  it('fails where the source was written to meanwhile', async () => {
    putDisk(site.from, [noise(4 * PIECE)]);
    const { limit } = counter(2 * PIECE, () => putDisk(site.from, [noise(4 * PIECE, 2)]));
    await expect(copy({ limit })).rejects.toMatchObject({ code: 'E_COPY' });
  });

  it('says so where there is nothing to copy', async () => {
    await expect(copy()).rejects.toMatchObject({
      code: 'E_COPY',
      message: expect.stringContaining('a:default/disk'),
    });
  });

  it('tells how far it is, up to the end of both phases', async () => {
    putDisk(site.from, DISK);
    const told: CopyProgress[] = [];
    const { bytes } = await copy({ onProgress: (progress) => told.push(progress) });
    for (const phase of ['copying', 'checking'] as const) {
      const done = told.filter((progress) => progress.phase === phase).map(({ doneBytes }) => doneBytes);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect([done[0], done.at(-1)]).toEqual([0, bytes]);
    }
  });
});
