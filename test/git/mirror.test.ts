import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRemote, git, mirrorOf, never, tempDir } from './fixture.ts';

const FILES = { 'cluster.yaml': 'name: lab\n', 'manifests/a/web.json': '[]' };

describe('fetch', () => {
  it('reads the newest commit and its manifests', async () => {
    const remote = createRemote();
    const sha = remote.commit(
      { ...FILES, 'manifests/db.yml': 'x', 'manifests/notes.md': '', 'README.md': '' },
      'First',
    );
    const snapshot = await mirrorOf(remote.bare).fetch(never);
    expect(snapshot.revision).toEqual({
      sha,
      subject: 'First',
      author: 'Ada',
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(snapshot.files).toEqual([
      { path: 'cluster.yaml', content: 'name: lab\n' },
      { path: 'manifests/a/web.json', content: '[]' },
      { path: 'manifests/db.yml', content: 'x' },
    ]);
    expect(snapshot.skipped).toEqual([]);
  });

  it('gives the same snapshot again while the branch stands still', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    const first = await mirror.fetch(never);
    expect(await mirror.fetch(never)).toBe(first);
    const sha = remote.commit({ 'cluster.yaml': 'name: b\n' });
    const second = await mirror.fetch(never);
    expect(second.revision.sha).toBe(sha);
    expect(second.files[0]?.content).toBe('name: b\n');
  });

  it('follows a branch that was rewritten', async () => {
    const remote = createRemote();
    remote.commit(FILES, 'one');
    remote.commit({ 'manifests/gone.json': '[]' }, 'two');
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    git(remote.work, 'reset', '--quiet', '--hard', 'HEAD~1');
    const sha = remote.commit({ 'manifests/other.json': '[]' }, 'another two');
    const { revision, files } = await mirror.fetch(never);
    expect(revision.sha).toBe(sha);
    expect(files.map(({ path }) => path)).not.toContain('manifests/gone.json');
  });

  it('gives the new commit to all who ask at once', async () => {
    const remote = createRemote();
    const mirror = mirrorOf(remote.bare);
    for (let round = 1; round <= 5; round++) {
      const sha = remote.commit({ ...FILES, 'manifests/round.json': `[${round}]` });
      const asked = await Promise.all(Array.from({ length: 4 }, () => mirror.fetch(never)));
      expect(asked.map(({ revision }) => revision.sha)).toEqual([sha, sha, sha, sha]);
    }
  });

  it('reads only the folder that it is told to, with paths from there', async () => {
    const remote = createRemote();
    remote.commit({ ...FILES, 'prod/cluster.yml': 'name: p\n', 'prod/manifests/x.yaml': '' });
    const { files } = await mirrorOf(remote.bare, { path: '/prod/' }).fetch(never);
    expect(files.map(({ path }) => path)).toEqual(['cluster.yml', 'manifests/x.yaml']);
  });

  it('refuses a folder that the repository does not have', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    await expect(mirrorOf(remote.bare, { path: 'prdo' }).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_CONTENT',
      message: expect.stringContaining('prdo/manifests/'),
      context: { sha },
    });
  });

  it('gives no files for a repository without manifests', async () => {
    const remote = createRemote();
    remote.commit({ 'README.md': 'hello' });
    expect((await mirrorOf(remote.bare).fetch(never)).files).toEqual([]);
  });

  it('works with a work tree as remote, and with file://', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    for (const address of [remote.work, `file://${remote.bare}`]) {
      expect((await mirrorOf(address).fetch(never)).revision.sha).toBe(sha);
    }
  });

  it('takes control characters out of what people wrote', async () => {
    const remote = createRemote();
    remote.commit(FILES, 'red \x1b[31malert\x07');
    expect((await mirrorOf(remote.bare).fetch(never)).revision.subject).toBe('red  [31malert');
  });

  it('stops when its signal is aborted', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    const reason = new Error('enough');
    await expect(mirror.fetch(AbortSignal.abort(reason))).rejects.toBe(reason);
    const later = new AbortController();
    const fetching = mirror.fetch(later.signal);
    later.abort(reason);
    await expect(fetching).rejects.toBe(reason);
    expect((await mirror.fetch(never)).files).toHaveLength(2);
  });
});

describe('hostile content', () => {
  it('skips links and submodules, and says so', async () => {
    const remote = createRemote();
    const sub = remote.commit(FILES);
    symlinkSync('/etc/passwd', join(remote.work, 'manifests/secret.yaml'));
    symlinkSync('/etc', join(remote.work, 'manifests/etc'));
    git(remote.work, 'add', '--all');
    git(remote.work, 'update-index', '--add', '--cacheinfo', `160000,${sub},manifests/module`);
    git(remote.work, 'commit', '--quiet', '--message', 'links');
    git(remote.work, 'push', '--quiet', 'origin', 'main');
    const { files, skipped } = await mirrorOf(remote.bare).fetch(never);
    expect(files.map(({ path }) => path)).toEqual(['cluster.yaml', 'manifests/a/web.json']);
    expect(skipped).toEqual([
      { path: 'manifests/etc', reason: 'a symbolic link: not followed' },
      { path: 'manifests/module', reason: 'a submodule: not followed' },
      { path: 'manifests/secret.yaml', reason: 'a symbolic link: not followed' },
    ]);
  });

  it('skips a manifests folder that is a link', async () => {
    const remote = createRemote();
    remote.write({ 'cluster.yaml': '', 'real/x.json': '' });
    symlinkSync('real', join(remote.work, 'manifests'));
    remote.push();
    const { files, skipped } = await mirrorOf(remote.bare).fetch(never);
    expect(files.map(({ path }) => path)).toEqual(['cluster.yaml']);
    expect(skipped.map(({ path }) => path)).toEqual(['manifests']);
  });

  it.each([
    [
      'a file over the size limit',
      { 'manifests/big.json': 'x'.repeat(1024 * 1024 + 1) },
      {},
      'manifests/big.json',
    ],
    [
      'too many files',
      { 'manifests/c.json': '', 'manifests/d.json': '' },
      { files: 3 },
      '4 files, the limit is 3',
    ],
    ['too many bytes', { 'manifests/c.json': 'x'.repeat(900) }, { totalBytes: 901 }, 'over 901 bytes'],
    [
      'a file too deep',
      { [`manifests/${'d/'.repeat(15)}x.json`]: '' },
      {},
      '17 levels deep, the limit is 16',
    ],
  ])('refuses %s and says which', async (_name, files: Record<string, string>, limits, words) => {
    const remote = createRemote();
    const sha = remote.commit({ ...FILES, ...files });
    await expect(mirrorOf(remote.bare, { limits }).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_LIMIT',
      message: expect.stringContaining(words),
      context: { sha, subject: 'change' },
    });
  });

  it('takes a file of exactly the limit', async () => {
    const remote = createRemote();
    remote.commit({ 'manifests/big.json': 'x'.repeat(1024 * 1024) });
    expect((await mirrorOf(remote.bare).fetch(never)).files[0]?.content).toHaveLength(1024 * 1024);
  });

  it('refuses a tree of a few objects that unfolds without end', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: remote.work, input: '[]' });
    let tree = mktree(remote.work, (i) => `100644 blob ${blob.toString().trim()}\tf${i}.json`);
    for (let level = 0; level < 8; level++) tree = mktree(remote.work, (i) => `040000 tree ${tree}\td${i}`);
    const root = mktree(remote.work, () => `040000 tree ${tree}\tmanifests`, 1);
    const sha = git(remote.work, 'commit-tree', '-m', 'bomb', root);
    git(remote.work, 'push', '--quiet', '--force', 'origin', `${sha}:refs/heads/main`);
    await expect(mirrorOf(remote.bare).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_LIMIT',
      message: expect.stringContaining('far too many files'),
    });
  });

  it('names a file that is not UTF-8', async () => {
    const remote = createRemote();
    remote.commit({ ...FILES, 'manifests/latin.yaml': Buffer.from([0x61, 0xe9, 0x0a]) });
    await expect(mirrorOf(remote.bare).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_CONTENT',
      message: expect.stringContaining('manifests/latin.yaml is not UTF-8'),
    });
  });

  it.each([
    ['control characters', 'manifests/a\n\x1b[2Jb.json'],
    ['bytes that are no UTF-8', Buffer.from('manifests/\xe9.json', 'latin1')],
  ])('refuses a name with %s', async (_name, path) => {
    const remote = createRemote();
    remote.commit(FILES);
    const [dir, name] = [Buffer.from(`${remote.work}/`), Buffer.from(path)];
    writeFileSync(Buffer.concat([dir, name]), '[]');
    remote.push();
    await expect(mirrorOf(remote.bare).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_CONTENT',
      message: expect.stringContaining('rename it'),
    });
  });

  it('reads names that look like options or have quotes and spaces', async () => {
    const remote = createRemote();
    const names = ['manifests/ \'a" $(id).json', 'manifests/--output=x.yaml', 'manifests/ä ö.yml'];
    remote.commit(Object.fromEntries(names.map((name) => [name, name])));
    const { files } = await mirrorOf(remote.bare).fetch(never);
    expect(files.map(({ content }) => content)).toEqual(names);
  });

  it('drops a byte order mark', async () => {
    const remote = createRemote();
    remote.commit({ 'manifests/bom.json': '\uFEFF[]' });
    expect((await mirrorOf(remote.bare).fetch(never)).files[0]?.content).toBe('[]');
  });

  it('runs no hook of the mirror', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    const proof = join(remote.dir, 'ran');
    const hooks = join(mirror.dir, 'mirror.git/hooks');
    execFileSync('mkdir', ['-p', hooks]);
    for (const hook of ['reference-transaction', 'post-update', 'pre-auto-gc']) {
      writeFileSync(join(hooks, hook), `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 });
    }
    remote.commit({ 'manifests/x.json': '' });
    const { revision } = await mirror.fetch(never);
    await mirror.accept(revision.sha);
    expect(existsSync(proof)).toBe(false);
  });
});

describe('the mirror on disk', () => {
  it('is made anew where it is half made', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    const dir = join(tempDir(), 'git');
    execFileSync('mkdir', ['-p', join(dir, 'mirror.git/objects'), join(dir, 'mirror.git.new')]);
    writeFileSync(join(dir, 'mirror.git/HEAD'), '');
    expect((await mirrorOf(remote.bare, { dir }).fetch(never)).revision.sha).toBe(sha);
  });

  it.each(['an object of the commit', 'every object', 'the ref itself'])(
    'is made anew when %s is damaged, and keeps what is in force',
    async (what) => {
      const remote = createRemote();
      const sha = remote.commit(FILES);
      const first = mirrorOf(remote.bare);
      await first.fetch(never);
      await first.accept(sha);
      const mirrorDir = join(first.dir, 'mirror.git');
      if (what === 'the ref itself') {
        writeFileSync(join(mirrorDir, 'refs/heads/main'), 'garbage\n');
      } else if (what === 'every object') {
        rmSync(join(mirrorDir, 'objects'), { recursive: true });
        execFileSync('mkdir', [join(mirrorDir, 'objects')]);
      } else {
        const oid = git(mirrorDir, 'rev-parse', 'HEAD:manifests/a/web.json');
        const packs = join(mirrorDir, 'objects/pack');
        for (const name of readdirSync(packs).filter((file) => file.endsWith('.pack'))) {
          renameSync(join(packs, name), join(first.dir, name));
          execFileSync('sh', ['-c', `git unpack-objects -q < ${join(first.dir, name)}`], { cwd: mirrorDir });
        }
        const path = join(mirrorDir, 'objects', oid.slice(0, 2), oid.slice(2));
        rmSync(path);
        writeFileSync(path, 'garbage');
      }
      const again = mirrorOf(remote.bare, { dir: first.dir });
      expect((await again.fetch(never)).files).toHaveLength(2);
      expect((await again.accepted())?.revision.sha).toBe(sha);
    },
  );

  it('clears a lock that a killed git left behind', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    const lock = join(mirror.dir, 'mirror.git/refs/heads/main.lock');
    writeFileSync(lock, '');
    const old = new Date(Date.now() - 60_000);
    utimesSync(lock, old, old);
    const sha = remote.commit({ 'manifests/x.json': '' });
    expect((await mirror.fetch(never)).revision.sha).toBe(sha);
  });

  it('rolls many small packs into few when it is opened', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    const { dir, ...mirror } = mirrorOf(remote.bare);
    await mirror.fetch(never);
    const cwd = join(dir, 'mirror.git');
    for (let i = 0; i < 55; i++) {
      execFileSync('git', ['-c', 'fastimport.unpackLimit=0', 'fast-import', '--quiet'], {
        cwd,
        input: `blob\ndata <<E\n${i}\nE\n`,
      });
    }
    const packs = (): number =>
      readdirSync(join(cwd, 'objects/pack')).filter((name) => name.endsWith('.pack')).length;
    expect(packs()).toBeGreaterThan(50);
    const again = mirrorOf(remote.bare, { dir });
    expect((await again.fetch(never)).revision.sha).toBe(sha);
    expect(packs()).toBeLessThan(5);
  });

  it('never takes a repository around it for itself', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    const outer = tempDir();
    git(outer, 'init', '--quiet');
    const dir = join(outer, 'state/git');
    const mirror = mirrorOf(remote.bare, { dir });
    await mirror.fetch(never);
    rmSync(join(dir, 'mirror.git/HEAD'));
    expect((await mirror.fetch(never)).revision.sha).toBe(sha);
    expect(git(outer, 'for-each-ref')).toBe('');
  });

  it('follows a change of the branch in the settings', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const { dir, ...main } = mirrorOf(remote.bare);
    await main.fetch(never);
    const sha = remote.commit({ 'manifests/new.json': '' });
    git(remote.bare, 'update-ref', '-d', 'refs/heads/main');
    git(remote.bare, 'update-ref', 'refs/heads/main/live', sha);
    const live = mirrorOf(remote.bare, { dir, branch: 'main/live' });
    expect((await live.fetch(never)).revision.sha).toBe(sha);
    expect((await live.read('HEAD')).revision.sha).toBe(sha);
  });

  it('holds the config and the askpass script for us alone', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    expect(readdirSync(mirror.dir).toSorted()).toEqual(['askpass', 'config', 'config-fetch', 'mirror.git']);
    expect(execFileSync('stat', ['-c', '%a', mirror.dir], { encoding: 'utf8' }).trim()).toBe('700');
  });
});

describe('a machine that does not play along', () => {
  it('keeps the mirror where git cannot be started', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const { dir, ...mirror } = mirrorOf(remote.bare);
    await mirror.fetch(never);
    const without = mirrorOf(remote.bare, { dir, env: { PATH: '/nowhere' } });
    await expect(without.fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringMatching(/cannot be used: .*ENOENT/),
    });
    expect(readdirSync(dir)).not.toContain('mirror.git.broken');
  });

  it('says so where the state folder cannot be written', async () => {
    const remote = createRemote();
    const file = join(remote.dir, 'file');
    writeFileSync(file, '');
    await expect(mirrorOf(remote.bare, { dir: join(file, 'git') }).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringContaining('ENOTDIR'),
    });
  });
});

describe('accepted', () => {
  it('is undefined before anything was accepted', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    expect(await mirror.accepted()).toBeUndefined();
  });

  it('survives a restart and a rewritten branch', async () => {
    const remote = createRemote();
    remote.commit(FILES, 'base');
    const sha = remote.commit({ 'manifests/x.json': 'kept' });
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    await mirror.accept(sha);
    git(remote.work, 'reset', '--quiet', '--hard', 'HEAD~1');
    remote.commit({ 'manifests/y.json': '' });
    git(remote.bare, 'gc', '--quiet', '--prune=now');
    const again = mirrorOf(remote.bare, { dir: mirror.dir });
    await again.fetch(never);
    git(join(mirror.dir, 'mirror.git'), 'gc', '--quiet', '--prune=now');
    const accepted = await again.accepted();
    expect(accepted?.revision.sha).toBe(sha);
    expect(accepted?.files.map(({ path }) => path)).toContain('manifests/x.json');
  });

  it('is undefined when its objects are gone', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    writeFileSync(join(mirror.dir, 'mirror.git/refs/kvm-gitops-x'), '');
    execFileSync('mkdir', ['-p', join(mirror.dir, 'mirror.git/refs/kvm-gitops')]);
    writeFileSync(join(mirror.dir, 'mirror.git/refs/kvm-gitops/accepted'), `${'1'.repeat(40)}\n`);
    expect(await mirror.accepted()).toBeUndefined();
  });

  it('takes full commit ids only', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    await expect(mirrorOf(remote.bare).accept('main\ndelete refs/heads/main')).rejects.toMatchObject({
      code: 'E_USAGE',
    });
  });
});

describe('read', () => {
  it('reads an older commit by any of its names', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES, 'old');
    remote.commit({ 'manifests/x.json': '' }, 'new');
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    for (const name of [sha, sha.slice(0, 10), 'main~1', 'HEAD^']) {
      expect((await mirror.read(name)).revision.subject).toBe('old');
    }
  });

  it.each(['nope', '--output=/tmp/x', 'main:manifests', '', 'main..HEAD~9'])('refuses %j', async (name) => {
    const remote = createRemote();
    remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    await expect(mirror.read(name)).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

describe('between', () => {
  it('lists what lies between two commits, oldest first, without the ends', async () => {
    const remote = createRemote();
    const shas = ['a', 'b', 'c', 'd'].map((subject) =>
      remote.commit({ 'manifests/x.json': subject }, subject),
    );
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    const subjects = async (from = '', to = ''): Promise<string[]> =>
      (await mirror.between(from, to)).map(({ subject }) => subject);
    expect(await subjects(shas[0], shas[3])).toEqual(['b', 'c']);
    expect(await subjects(shas[2], shas[3])).toEqual([]);
    expect(await subjects(shas[3], shas[3])).toEqual([]);
    expect(await subjects(shas[3], shas[0])).toEqual([]);
    expect(await subjects('1'.repeat(40), shas[0])).toEqual([]);
  });

  it('follows the first parent through merges', async () => {
    const remote = createRemote();
    const from = remote.commit(FILES, 'base');
    git(remote.work, 'checkout', '--quiet', '-b', 'topic');
    git(remote.work, 'commit', '--quiet', '--allow-empty', '-m', 'in the topic');
    git(remote.work, 'checkout', '--quiet', 'main');
    git(remote.work, 'merge', '--quiet', '--no-ff', '-m', 'merge', 'topic');
    const to = remote.commit({ 'manifests/x.json': '' }, 'last');
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    expect((await mirror.between(from, to)).map(({ subject }) => subject)).toEqual(['merge']);
  });

  it('is empty across a rewritten branch', async () => {
    const remote = createRemote();
    remote.commit(FILES, 'base');
    const from = remote.commit({ 'manifests/x.json': '' });
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    git(remote.work, 'reset', '--quiet', '--hard', 'HEAD~1');
    remote.commit({ 'manifests/y.json': '' });
    const to = remote.commit({ 'manifests/z.json': '' });
    await mirror.fetch(never);
    expect(await mirror.between(from, to)).toEqual([]);
  });

  it('names what a commit does not have in its history, and what is not to be had', async () => {
    const remote = createRemote();
    const base = remote.commit(FILES, 'base');
    const rewritten = remote.commit({ 'manifests/x.json': '' });
    const mirror = mirrorOf(remote.bare);
    await mirror.fetch(never);
    git(remote.work, 'reset', '--quiet', '--hard', 'HEAD~1');
    const side = remote.commit({ 'manifests/y.json': '' });
    git(remote.work, 'checkout', '--quiet', '-b', 'topic', base);
    const topic = remote.commit({ 'manifests/t.json': '' });
    git(remote.work, 'checkout', '--quiet', 'main');
    git(remote.work, 'merge', '--quiet', '--no-ff', '-m', 'merge', 'topic');
    const head = remote.commit({ 'manifests/z.json': '' });
    await mirror.fetch(never);
    const missing = '1'.repeat(40);
    const strange = [rewritten, missing, 'HEAD', '--all'];
    expect(await mirror.notIn(head, [base, ...strange, side, topic, head])).toEqual(strange);
    expect(await mirror.notIn(base, [head])).toEqual([head]);
  });

  it('gives at most the 200 newest', async () => {
    const remote = createRemote();
    const from = remote.commit(FILES, 'base');
    const lines = Array.from(
      { length: 205 },
      (_, i) =>
        `commit refs/heads/many\ncommitter a <a@b> 1700000000 +0000\ndata <<E\nc${i}\nE\n${i === 0 ? `from ${from}\n` : ''}\n`,
    );
    execFileSync('git', ['fast-import', '--quiet'], { cwd: remote.bare, input: lines.join('') });
    git(remote.bare, 'update-ref', 'refs/heads/main', 'refs/heads/many');
    const mirror = mirrorOf(remote.bare);
    const { revision } = await mirror.fetch(never);
    const between = await mirror.between(from, revision.sha);
    expect(between).toHaveLength(200);
    expect(between.at(-1)?.subject).toBe('c203');
  });
});

describe('a remote that cannot be read', () => {
  it('says that the branch is missing', async () => {
    const remote = createRemote();
    remote.commit(FILES);
    await expect(mirrorOf(remote.bare, { branch: 'live' }).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringMatching(/branch live.*Push a branch named live/),
    });
  });

  it('says that there is no repository, and recovers when there is', async () => {
    const remote = createRemote();
    const sha = remote.commit(FILES);
    const mirror = mirrorOf(remote.bare);
    renameSync(remote.bare, `${remote.bare}.away`);
    await expect(mirror.fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringMatching(/does not appear to be a git repository.*Check the address/),
    });
    renameSync(`${remote.bare}.away`, remote.bare);
    expect((await mirror.fetch(never)).revision.sha).toBe(sha);
  });

  it.runIf(process.getuid?.() === 0)(
    "fetches from another user's repository, which the config names",
    async () => {
      const remote = createRemote();
      const sha = remote.commit(FILES);
      execFileSync('chown', ['-R', '65534:65534', remote.bare]);
      expect((await mirrorOf(remote.bare).fetch(never)).revision.sha).toBe(sha);
    },
  );
});

function mktree(cwd: string, line: (i: number) => string, count = 10): string {
  const input = `${Array.from({ length: count }, (_, i) => line(i)).join('\n')}\n`;
  return execFileSync('git', ['mktree'], { cwd, input, encoding: 'utf8' }).trim();
}
