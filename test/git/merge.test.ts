import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeOfRepository } from '../../src/git/merge.ts';
import { DEFAULT_LIMITS } from '../../src/git/selection.ts';
import { createRemote, git, mirrorOf, never, type RemoteFixture, tempDir } from './fixture.ts';

const CLUSTER = 'cluster: lab\n';

/** main and feature, which have gone on since they parted; and the commits of both. */
function parted(onMain: Record<string, string>, onFeature: Record<string, string | Buffer>) {
  const remote = createRemote();
  remote.commit({ 'cluster.yaml': CLUSTER, 'manifests/a.yaml': 'one\n' }, 'Start');
  git(remote.work, 'checkout', '--quiet', '-b', 'feature');
  remote.write(onFeature);
  git(remote.work, 'add', '--all');
  git(remote.work, 'commit', '--quiet', '--message', 'On feature');
  git(remote.work, 'push', '--quiet', 'origin', 'feature');
  const head = git(remote.work, 'rev-parse', 'HEAD');
  git(remote.work, 'checkout', '--quiet', 'main');
  const base = remote.commit(onMain, 'On main');
  return { remote, base, head };
}

function ofRepository(dir: string, base = 'main', head = 'feature') {
  const scope = { folder: '', limits: DEFAULT_LIMITS };
  return mergeOfRepository({ dir, env: { PATH: process.env['PATH'] }, scope }, { base, head }, never);
}

const WAYS = [
  ['the remote', ({ bare }: RemoteFixture) => mirrorOf(bare).merge({ base: 'main', head: 'feature' }, never)],
  ['a bare repository', ({ bare }: RemoteFixture) => ofRepository(bare)],
  ['a clone', ({ work }: RemoteFixture) => ofRepository(work)],
] as const;

describe.each(WAYS)('merging in memory, from %s', (_where, merge) => {
  it('holds what both branches say, though neither does', async () => {
    const { remote, base, head } = parted({ 'manifests/b.yaml': 'b\n' }, { 'manifests/c.yaml': 'c\n' });
    const result = await merge(remote);
    expect(result.merged?.files.map(({ path }) => path)).toEqual([
      'cluster.yaml',
      'manifests/a.yaml',
      'manifests/b.yaml',
      'manifests/c.yaml',
    ]);
    expect(result.merged?.revision).toMatchObject({ subject: 'On feature' });
    expect(result.head.sha).toBe(head);
    expect(result.base.revision.sha).toBe(base);
    expect(result.conflicts).toEqual([]);
  });

  it('names the files that both have changed', async () => {
    const { remote } = parted({ 'manifests/a.yaml': 'two\n' }, { 'manifests/a.yaml': 'three\n' });
    const result = await merge(remote);
    expect(result.merged).toBeUndefined();
    expect(result.conflicts).toEqual(['manifests/a.yaml']);
  });

  it('leaves no ref and no object in the repository, and nothing in the folder for passing things', async () => {
    const { remote } = parted({ 'manifests/b.yaml': 'b\n' }, { 'manifests/c.yaml': 'c\n' });
    const state = () => git(remote.bare, 'count-objects', '-v') + git(remote.bare, 'for-each-ref');
    const [before, own] = [state(), scratches()];
    await merge(remote);
    expect(state()).toBe(before);
    expect(scratches().filter((name) => !own.includes(name))).toEqual([]);
  });
});

function gitWith(cwd: string, input: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd, input, encoding: 'utf8' }).trim();
}

function scratches(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('kvm-gitops-merge-'));
}

describe('merging in memory', () => {
  it('runs no merge driver, hook or filter that a repository or its config names', async () => {
    const attributes = { '.gitattributes': '*.yaml merge=evil filter=evil\n' };
    const { remote } = parted(
      { 'manifests/a.yaml': 'two\n', ...attributes },
      { 'manifests/a.yaml': 'three\n', ...attributes },
    );
    const ran = join(tempDir(), 'ran');
    for (const key of ['merge.evil.driver', 'filter.evil.smudge', 'filter.evil.clean', 'core.fsmonitor'])
      git(remote.work, 'config', key, `touch ${ran}`);
    writeFileSync(join(remote.work, '.git', 'hooks', 'reference-transaction'), `#!/bin/sh\ntouch ${ran}\n`, {
      mode: 0o755,
    });
    expect((await ofRepository(remote.work)).conflicts).toEqual(['manifests/a.yaml']);
    expect(existsSync(ran)).toBe(false);
  });

  it('takes a ref by its full name, and a commit by its id, from the remote', async () => {
    const { remote, base, head } = parted({ 'manifests/b.yaml': 'b\n' }, { 'manifests/c.yaml': 'c\n' });
    git(remote.bare, 'update-ref', 'refs/pull/7/head', head);
    git(remote.bare, 'branch', '--quiet', '-D', 'feature');
    git(remote.bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    const result = await mirrorOf(remote.bare).merge({ base, head: 'refs/pull/7/head' }, never);
    expect(result.merged?.files).toHaveLength(4);
  });

  it.each([
    ['is larger', { fetchBytes: 20_000, listBytes: 100_000 }, /have over 20000 bytes/],
    ['has more files', { fetchBytes: 10_000_000, listBytes: 20_000 }, /names alone are over 20000 bytes/],
  ])('refuses a head that %s than its bounds, and takes it without', async (_what, bounds, message) => {
    const { remote } = parted({ 'manifests/b.yaml': 'b\n' }, { 'noise.bin': randomBytes(50_000) });
    // Folders in folders, each twice: few objects, and many files.
    let tree = git(remote.bare, 'rev-parse', 'feature^{tree}');
    for (let depth = 0; depth < 10; depth++)
      tree = gitWith(remote.bare, `040000 tree ${tree}\ta\n040000 tree ${tree}\tb\n`, 'mktree');
    const parent = git(remote.bare, 'rev-parse', 'main~1');
    git(
      remote.bare,
      'update-ref',
      'refs/heads/many',
      git(remote.bare, 'commit-tree', '-p', parent, '-m', 'x', tree),
    );
    const mirror = mirrorOf(remote.bare);
    const names = { base: 'main', head: 'many' };
    const own = scratches();
    await expect(mirror.merge({ ...names, bounds }, never)).rejects.toMatchObject({
      code: 'E_GIT_LIMIT',
      message: expect.stringMatching(message),
    });
    expect(scratches().filter((name) => !own.includes(name))).toEqual([]);
    expect((await mirror.merge(names, never)).head.subject).toBe('x');
  });

  it('takes what git rev-parse takes, from a linked work tree too', async () => {
    const { remote, head } = parted({ 'manifests/b.yaml': 'b\n' }, { 'manifests/c.yaml': 'c\n' });
    const linked = join(tempDir(), 'linked');
    git(remote.work, 'worktree', 'add', '--quiet', linked, 'feature');
    const result = await ofRepository(linked, 'origin/main', 'HEAD');
    expect(result.head.sha).toBe(head);
    expect(readFileSync(join(linked, '.git'), 'utf8')).toContain('gitdir:');
  });

  it.each<[string, (remote: RemoteFixture) => Promise<unknown>, RegExp]>([
    [
      'a branch that the remote lacks',
      ({ bare }) => mirrorOf(bare).merge({ base: 'main', head: 'nowhere' }, never),
      /"nowhere" is no commit of the remote/,
    ],
    [
      'a name that is none',
      ({ bare }) => mirrorOf(bare).merge({ base: 'main', head: '--upload-pack=x' }, never),
      /is no name of a branch/,
    ],
    [
      'a commit that the repository lacks',
      ({ work }) => ofRepository(work, 'main', 'nowhere'),
      /"nowhere" is no commit/,
    ],
    ['an option for a name', ({ work }) => ofRepository(work, 'main', '--all'), /is no commit/],
    ['a folder that is no repository', ({ dir }) => ofRepository(dir), /is no git repository/],
  ])('says what is wrong with %s', async (_what, merge, message) => {
    const { remote } = parted({}, { 'manifests/c.yaml': 'c\n' });
    await expect(merge(remote)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringMatching(message),
    });
  });

  it('says that a shallow clone does not do, and that histories without a common start do not', async () => {
    const { remote } = parted({ 'manifests/b.yaml': 'b\n' }, { 'manifests/c.yaml': 'c\n' });
    const shallow = join(tempDir(), 'shallow');
    git(remote.dir, 'clone', '--quiet', '--depth=1', `file://${remote.bare}`, shallow);
    await expect(ofRepository(shallow, 'HEAD', 'HEAD')).rejects.toThrow(/shallow clone/);
    git(remote.work, 'checkout', '--quiet', '--orphan', 'other');
    git(remote.work, 'commit', '--quiet', '--allow-empty', '--message', 'Elsewhere');
    await expect(ofRepository(remote.work, 'main', 'other')).rejects.toThrow(/cannot be merged: .*unrelated/);
  });
});
