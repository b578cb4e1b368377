import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFolder } from '../../src/git/folder.ts';
import { DEFAULT_LIMITS } from '../../src/git/selection.ts';
import { createRemote, mirrorOf, never, tempDir } from './fixture.ts';

describe('readFolder', () => {
  it('reads what a commit of the same folder would hold', async () => {
    const remote = createRemote();
    remote.write({
      'cluster.yaml': 'name: x\n',
      'cluster.json': '{}',
      'manifests/b.yml': 'b',
      'manifests/B.json': '[]',
      'manifests/a/c.yaml': 'c',
      'manifests/notes.md': '',
      'other/x.json': '[]',
    });
    symlinkSync('/etc/passwd', join(remote.work, 'manifests/link.json'));
    remote.push();
    const { files, skipped } = await mirrorOf(remote.bare).fetch(never);
    expect(await readFolder(remote.work)).toEqual({ files, skipped });
  });

  it.each([
    ['a large file', { 'manifests/x.json': 'xxx' }, { fileBytes: 2 }, /manifests\/x\.json has 3 bytes/],
    [
      'many files',
      { 'manifests/x.json': '', 'manifests/y.json': '' },
      { files: 1 },
      /2 files, the limit is 1/,
    ],
    ['many bytes', { 'manifests/x.json': 'xx', 'manifests/y.json': 'x' }, { totalBytes: 2 }, /over 2 bytes/],
    ['deep folders', { 'manifests/a/b/c/x.json': '' }, { depth: 4 }, /manifests\/a\/b\/c is too deep/],
  ])('refuses %s', async (_name, files: Record<string, string>, limits, why) => {
    const remote = createRemote();
    remote.write(files);
    const reading = readFolder(remote.work, { ...DEFAULT_LIMITS, ...limits });
    await expect(reading).rejects.toMatchObject({ code: 'E_GIT_LIMIT', message: expect.stringMatching(why) });
  });

  it('names a file that is not UTF-8', async () => {
    const remote = createRemote();
    remote.write({ 'manifests/x.yaml': Buffer.from([0xff, 0xfe]) });
    await expect(readFolder(remote.work)).rejects.toMatchObject({
      code: 'E_GIT_CONTENT',
      message: expect.stringContaining('manifests/x.yaml'),
    });
  });

  it('is not caught by a pipe, a submodule or a folder that goes round', async () => {
    const dir = tempDir();
    mkdirSync(join(dir, 'manifests/module/.git'), { recursive: true });
    execFileSync('mkfifo', [join(dir, 'manifests/pipe.yaml')]);
    symlinkSync('..', join(dir, 'manifests/round'));
    const { files, skipped } = await readFolder(dir);
    expect(files).toEqual([]);
    expect(skipped.map(({ path }) => path).toSorted()).toEqual([
      'manifests/module',
      'manifests/pipe.yaml',
      'manifests/round',
    ]);
  });

  it('says when there is no such folder', async () => {
    await expect(readFolder(join(tempDir(), 'nope'))).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});
