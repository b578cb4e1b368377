import { rmSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseRemote } from '../../src/git/remote.ts';
import { watchRemote } from '../../src/git/watch.ts';
import { createRemote, git, tempDir } from './fixture.ts';

async function watching(path: string) {
  let calls = 0;
  const watch = await watchRemote(parseRemote(path), () => {
    calls += 1;
  });
  onTestFinished(async () => watch?.close());
  return { calls: () => calls };
}

describe('watchRemote', () => {
  it('tells of every push to a bare repository', async () => {
    const remote = createRemote();
    remote.commit({ 'cluster.yaml': '' });
    const { calls } = await watching(remote.bare);
    for (let i = 0; i < 5; i++) {
      const before = calls();
      remote.commit({ 'cluster.yaml': `${i}` });
      await vi.waitFor(() => expect(calls()).toBeGreaterThan(before), { timeout: 3_000, interval: 5 });
    }
  });

  it('tells of a first branch, a branch in a folder, and a packed branch', async () => {
    const remote = createRemote();
    const { calls } = await watching(remote.bare);
    remote.commit({ 'cluster.yaml': '' });
    await vi.waitFor(() => expect(calls()).toBeGreaterThan(0), { timeout: 3_000 });
    for (const change of [['push', '--quiet', 'origin', 'main:team/live'], []]) {
      const before = calls();
      if (change.length > 0) git(remote.work, ...change);
      else git(remote.bare, 'pack-refs', '--all');
      await vi.waitFor(() => expect(calls()).toBeGreaterThan(before), { timeout: 3_000 });
    }
    const before = calls();
    remote.commit({ 'cluster.yaml': 'after packing' });
    await vi.waitFor(() => expect(calls()).toBeGreaterThan(before), { timeout: 3_000 });
  });

  it('tells of a commit in a work tree', async () => {
    const remote = createRemote();
    remote.commit({ 'cluster.yaml': '' });
    const { calls } = await watching(remote.work);
    git(remote.work, 'commit', '--quiet', '--allow-empty', '--message', 'local');
    await vi.waitFor(() => expect(calls()).toBeGreaterThan(0), { timeout: 3_000 });
  });

  it('is not there for what cannot be watched', async () => {
    const remote = createRemote();
    rmSync(remote.bare, { recursive: true });
    for (const address of [remote.bare, tempDir(), 'git@host:x.git', 'https://host/x.git']) {
      expect(await watchRemote(parseRemote(address), () => undefined)).toBeUndefined();
    }
  });
});
