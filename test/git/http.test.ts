import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MirrorSettings } from '../../src/git/mirror.ts';
import { createNotes } from '../../src/git/notes.ts';
import { createRemote, gitLater, mirrorOf, never, tempDir } from './fixture.ts';
import { serveHttp } from './http-remote.ts';

const TOKEN = 'canary-7f3a91c2';

function tokenFile(content = `${TOKEN}\n`): string {
  const path = join(tempDir(), 'token');
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

async function allTextOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  const parts: string[] = [];
  for (let next = error; next instanceof Error; next = next.cause) {
    parts.push(next.message, next.stack ?? '', JSON.stringify(next));
  }
  return parts.join('\n');
}

describe('a remote over http', () => {
  it.each([
    ['a token file', (): Partial<MirrorSettings> => ({ credentials: { tokenFile: tokenFile() } })],
    [
      'a variable',
      (): Partial<MirrorSettings> => ({
        credentials: { tokenEnv: 'MY_TOKEN' },
        env: { PATH: process.env.PATH, MY_TOKEN: TOKEN },
      }),
    ],
  ])('is read and written with the token of %s', async (_name, settings) => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': 'name: x\n' });
    const { url, logins } = await serveHttp(remote.bare, { token: TOKEN });
    const mirror = mirrorOf(url, settings());
    expect((await mirror.fetch(never)).revision.sha).toBe(sha);
    const notes = createNotes({ mirror, log: silent });
    notes.put(sha, 'applied');
    await notes.flush(never);
    expect(await gitLater(remote.bare, 'notes', '--ref=kvm-gitops', 'show', sha)).toBe('applied');
    expect(new Set(logins)).toEqual(new Set([`git:${TOKEN}`]));
  });

  it('logs in under the configured name', async () => {
    const remote = createRemote();
    remote.commit({});
    const { url, logins } = await serveHttp(remote.bare, { token: TOKEN });
    await mirrorOf(url, { credentials: { tokenFile: tokenFile(), username: 'oauth2' } }).fetch(never);
    expect(logins[0]).toBe(`oauth2:${TOKEN}`);
  });

  it('reads a token anew each time, so it can be rotated', async () => {
    const remote = createRemote();
    remote.commit({});
    const path = tokenFile('old\n');
    const { url } = await serveHttp(remote.bare, { token: TOKEN });
    const mirror = mirrorOf(url, { credentials: { tokenFile: path } });
    await expect(mirror.fetch(never)).rejects.toThrow(/Check the key or the token/);
    writeFileSync(path, TOKEN);
    expect((await mirror.fetch(never)).files).toEqual([]);
  });

  it('shows a refused token nowhere', async () => {
    const remote = createRemote();
    remote.commit({});
    const { url } = await serveHttp(remote.bare, { token: 'another' });
    const mirror = mirrorOf(url, { credentials: { tokenFile: tokenFile() } });
    const text = await allTextOf(mirror.fetch(never));
    expect(text).toMatch(/authentication failed/i);
    expect(text).not.toContain(TOKEN);
    expect(await gitLater(mirror.dir, 'grep', '--no-index', '-c', TOKEN, '--', '.').catch(() => 'none')).toBe(
      'none',
    );
  });

  it('asks nobody for a password that it was not given', async () => {
    const remote = createRemote();
    remote.commit({});
    const { url } = await serveHttp(remote.bare, { token: TOKEN });
    await expect(mirrorOf(url).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringMatching(/could not read Username.*Check the key or the token/),
    });
  });

  it('refuses a token file that others can read', async () => {
    const remote = createRemote();
    const path = tokenFile();
    chmodSync(path, 0o644);
    const { url } = await serveHttp(remote.bare);
    await expect(mirrorOf(url, { credentials: { tokenFile: path } }).fetch(never)).rejects.toMatchObject({
      code: 'E_CONFIG_INVALID',
      message: expect.stringContaining('chmod 600'),
    });
  });

  it.each([
    ['empty', ''],
    ['more than one line', 'a\nb'],
  ])('refuses a token that is %s', async (_name, content) => {
    const remote = createRemote();
    const { url } = await serveHttp(remote.bare);
    await expect(
      mirrorOf(url, { credentials: { tokenFile: tokenFile(content) } }).fetch(never),
    ).rejects.toMatchObject({
      code: 'E_CONFIG_INVALID',
    });
  });

  it('takes no token to where a server redirects', async () => {
    const remote = createRemote();
    remote.commit({});
    const thief = await serveHttp(remote.bare, { token: 'another' });
    const { url } = await serveHttp(remote.bare, { redirect: new URL(thief.url).origin });
    const mirror = mirrorOf(url, { credentials: { tokenFile: tokenFile() } });
    await expect(mirror.fetch(never)).rejects.toThrow(/put the new address/);
    expect(thief.logins).toEqual([]);
  });

  it('gives up on a server that never answers, and goes on with one that does', async () => {
    const remote = createRemote();
    remote.commit({});
    const { url } = await serveHttp(remote.bare, { silent: true });
    await expect(mirrorOf(url, { timeoutMs: 500 }).fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringContaining('no answer within 0.5 s'),
    });
  });

  it('says that nothing listens there', async () => {
    await expect(mirrorOf('http://127.0.0.1:1/x.git').fetch(never)).rejects.toMatchObject({
      code: 'E_GIT_REMOTE',
      message: expect.stringContaining('http://127.0.0.1:1/x.git'),
    });
  });
});

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
