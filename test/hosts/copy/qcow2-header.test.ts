import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withBackingFile } from '../../../src/hosts/copy/qcow2-header.ts';
import { qcow2Head } from '../../../src/simulator/qcow2-head.ts';

const BASE = '/data01/primary/base.qcow2';

/** As an overlay begins that qemu-img makes. */
function overlay(change: (head: Buffer) => void = () => {}): Buffer {
  const head = Buffer.alloc(65_536);
  qcow2Head({ capacityBytes: 1024 ** 3, backing: { path: BASE, format: 'qcow2' } }).copy(head);
  change(head);
  return head;
}

/** The name as the header has it. */
function nameIn(head: Buffer): string {
  const at = Number(head.readBigUInt64BE(8));
  return head.toString('utf8', at, at + head.readUInt32BE(16));
}

describe('the header of an overlay', () => {
  it.each([
    ['a longer path', '/srv/pools/default/kvm-gitops/base-4f2c91d0.qcow2'],
    ['a shorter path', '/b'],
    ['the longest path', `/${'x'.repeat(1022)}`],
  ])('names %s behind it', (_, path) => {
    const patched = withBackingFile(overlay(), path);
    expect(patched).toHaveLength(65_536);
    expect(nameIn(patched ?? Buffer.alloc(104))).toBe(path);
    // Nothing of the old name is left for a reader of strings.
    expect(patched?.includes(BASE)).toBe(false);
  });

  it('needs no change where the path is the same', () => {
    expect(withBackingFile(overlay(), BASE)).toBeUndefined();
  });

  it('is not changed itself', () => {
    const head = overlay();
    withBackingFile(head, '/b');
    expect(head.equals(overlay())).toBe(true);
  });

  it.each<[string, (head: Buffer) => Buffer, string, string]>([
    ['of another format', () => Buffer.alloc(65_536), '/b', 'not a qcow2 file'],
    ['cut short', (head) => head.subarray(0, 1000), '/b', 'ends within its first cluster'],
    ['without a backing file', (head) => head.fill(0, 8, 20), '/b', 'no backing file'],
    ['of a version to come', (head) => head.fill(4, 7, 8), '/b', 'version 4'],
    ['with clusters of no size', (head) => head.fill(0, 20, 24), '/b', 'cluster size'],
    ['whose name is elsewhere', (head) => head.fill(9, 13, 14), '/b', 'outside of its first cluster'],
    ['whose extensions are in the way', (head) => head.fill(1, 108, 111), '/b', 'reach into the name'],
    ['for too long a path', (head) => head, `/${'x'.repeat(1023)}`, '1024 bytes is not between'],
    ['for no path', (head) => head, '', '0 bytes is not between'],
    [
      'without room for it',
      (head) => {
        head.writeUInt32BE(9, 20);
        return head;
      },
      `/${'x'.repeat(600)}`,
      'does not fit into its first cluster',
    ],
  ])('is refused %s', (_, change, path, reason) => {
    expect(() => withBackingFile(change(overlay()), path)).toThrow(reason);
  });
});

const hasQemuImg = (() => {
  try {
    execFileSync('qemu-img', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasQemuImg)('qemu-img', () => {
  let folder = '';
  const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { cwd: folder, encoding: 'utf8' });
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvm-gitops-qcow2-'));
    qemuImg('create', '-q', '-f', 'qcow2', 'one', '16M');
    qemuImg('create', '-q', '-f', 'qcow2', `${'long-'.repeat(40)}two`, '16M');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['version 3', []],
    ['version 2', ['-o', 'compat=0.10']],
    ['clusters of 512 bytes', ['-o', 'cluster_size=512']],
    ['clusters of 2 MiB', ['-o', 'cluster_size=2M']],
    ['extended L2 entries', ['-o', 'extended_l2=on,cluster_size=128k']],
    ['zstd compression', ['-o', 'compression_type=zstd']],
  ])('opens an overlay of %s with another file behind it, and back', (_, more) => {
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'one', '-F', 'qcow2', ...more, 'overlay');
    const path = join(folder, 'overlay');
    const before = readFileSync(path);
    for (const [from, to] of [
      ['one', `${'long-'.repeat(40)}two`],
      [`${'long-'.repeat(40)}two`, 'one'],
    ] as const) {
      const file = readFileSync(path);
      const patched = withBackingFile(file, join(folder, to));
      if (patched === undefined) throw new Error(`${from} was behind it already`);
      writeFileSync(path, Buffer.concat([patched, file.subarray(patched.length)]));
      const info: Record<string, unknown> = JSON.parse(qemuImg('info', '--output=json', 'overlay'));
      expect(info).toMatchObject({
        'backing-filename': join(folder, to),
        'backing-filename-format': 'qcow2',
      });
      qemuImg('check', '-q', 'overlay');
    }
    expect(readFileSync(path)).toHaveLength(before.length);
  });
});
