import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Image } from '../../../src/core/desired.ts';
import { type OpenOptions, openImageFiles } from '../../../src/hosts/images/image-files.ts';
import { desiredState, hostPolicy } from '../../builders.ts';

const MIB = 1024 ** 2;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvm-gitops-image-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const images = () => join(folder, 'images');
const golden: Image = {
  name: 'golden',
  pool: 'default',
  volume: '',
  sourceVm: { name: 'centos7', host: 'a' },
};

function wanting(...wanted: readonly Image[]) {
  return desiredState([], { hosts: [hostPolicy('a', { images: wanted })] });
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The disk of a VM with that content. */
function disk(content: Buffer): OpenOptions {
  const openSource = async () => ({
    format: 'raw' as const,
    bytes: content.length,
    async *content() {
      for (let at = 0; at < content.length; at += MIB / 4) yield content.subarray(at, at + MIB / 4);
    },
    requireUnchanged: async () => undefined,
  });
  return { progress: () => undefined, openSource };
}

describe('the image files of the operator', () => {
  it('keep what git names, and lose the rest and what killed downloads left', async () => {
    const [kept = '', old = ''] = [Buffer.alloc(MIB, 1), Buffer.alloc(MIB, 2)].map(sha256);
    mkdirSync(images());
    for (const name of [kept, old, `${kept}.0f.part`, 'notes.txt']) writeFileSync(join(images(), name), 'x');
    const files = await openImageFiles(folder, 1000);
    const content = { url: 'https://x/y', sha256: kept, format: 'raw' } as const;
    const dropped = await files.keepNamed(wanting({ name: 'd', pool: 'p', volume: 'v', content }));
    expect(dropped.map(({ name }) => name).toSorted()).toEqual([old, `${kept}.0f.part`].toSorted());
    expect(readdirSync(images()).toSorted()).toEqual([kept, 'notes.txt'].toSorted());
  });

  it('are none to lose where there is no folder', async () => {
    expect(await (await openImageFiles(folder, 1000)).keepNamed(wanting())).toEqual([]);
  });

  it('keep the disk of a VM that git names without its sha256, through a restart, with its holes', async () => {
    const content = Buffer.concat([Buffer.alloc(MIB, 7), Buffer.alloc(16 * MIB), Buffer.alloc(10, 7)]);
    const first = await openImageFiles(folder, 1000);
    const { path, bytes } = await first.open(golden, disk(content));
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(bytes).toBe(content.length);
    expect(statSync(path).blocks * 512).toBeLessThan(4 * MIB);
    expect(await first.keepNamed(wanting(golden))).toEqual([]);

    const second = await openImageFiles(folder, 1000);
    const changed = disk(Buffer.alloc(MIB, 8));
    expect((await second.open(golden, changed)).image.content.sha256).toBe(sha256(content));
    expect(await second.keepNamed(wanting())).toMatchObject([{ name: sha256(content) }]);
    await expect(second.open(golden, changed)).rejects.toThrow(
      /it has changed since, and the operator's copy is gone/,
    );
    expect((await second.open(golden, disk(content))).image.content.sha256).toBe(sha256(content));
  });

  it('are not begun anew where their memory cannot be read', async () => {
    writeFileSync(join(folder, 'source-images.json'), '{');
    await expect(openImageFiles(folder, 1000)).rejects.toThrow('cannot be read: put it back');
  });
});
