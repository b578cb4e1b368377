import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fatImage } from '../../src/guests/fat-image.ts';

const MIB = 1024 ** 2;
const OPTIONS = { label: 'CIDATA', serial: 0xc0ffee01, sizeBytes: 2 * MIB };
/** Empty, less than a cluster, exactly one, and one that goes over many of them. */
const FILES = [
  { name: 'meta-data', content: Buffer.from('instance-id: i-1\n') },
  { name: 'network-config', content: Buffer.alloc(0) },
  { name: 'user-data', content: Buffer.alloc(1024, 'u') },
  { name: 'a-name-that-needs-three-entries.yaml', content: Buffer.from('x'.repeat(300_001)) },
];
const has = (program: string) => spawnSync('which', [program]).status === 0;

describe('a FAT volume', () => {
  let folder: string;
  let path: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kg-fat-'));
    path = join(folder, 'seed.img');
    writeFileSync(path, fatImage(FILES, OPTIONS));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is as large as it is to be, and the same each time', () => {
    const image = fatImage(FILES, OPTIONS);
    expect(image.length).toBe(2 * MIB);
    expect(image.equals(fatImage(FILES, OPTIONS))).toBe(true);
  });

  it.skipIf(!has('mcopy')).each(FILES)('holds $name for mtools as it was given', ({ name, content }) => {
    expect(execFileSync('mcopy', ['-n', '-i', path, `::${name}`, '-']).equals(content)).toBe(true);
  });

  // It counts the label.
  it.skipIf(!has('fsck.vfat'))('has nothing to mend for fsck.vfat', () => {
    const { status, stdout } = spawnSync('fsck.vfat', ['-n', path], { encoding: 'utf8' });
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('5 files') });
  });

  it.skipIf(!has('blkid'))('has the label and the serial number that it was given', () => {
    const shown = execFileSync('blkid', ['--probe', '--output', 'export', path], { encoding: 'utf8' });
    expect(shown.split('\n')).toEqual(
      expect.arrayContaining(['TYPE=vfat', 'VERSION=FAT12', 'LABEL=CIDATA', 'UUID=C0FF-EE01']),
    );
  });

  it.each([
    ['a file is larger than it', [{ name: 'user-data', content: Buffer.alloc(2 * MIB) }], OPTIONS],
    ['there are more files than its folder holds', Array(40).fill(FILES[0]), OPTIONS],
    ['it would be no FAT12 volume any more', [], { ...OPTIONS, sizeBytes: 16 * MIB }],
  ])('is not made where %s', (_, files, options) => {
    expect(() => fatImage(files, options)).toThrow(RangeError);
  });
});
