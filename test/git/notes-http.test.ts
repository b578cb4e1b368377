import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { MirrorSettings } from '../../src/git/mirror.ts';
import { createNotes, type NotesSettings } from '../../src/git/notes.ts';
import { createRemote, git, mirrorOf, never, type RemoteFixture, tempDir } from './fixture.ts';
import { type Fault, type HttpRemoteOptions, serveHttp } from './http-remote.ts';

const REF = 'refs/notes/kvm-gitops';
/** `npm run bench notes` has 30. */
const WRITERS = 12;

function createWriter(mirror: NotesSettings['mirror'], settings: Partial<NotesSettings> = {}) {
  const warnings: string[] = [];
  const warn = (_fields: unknown, message?: unknown) => void warnings.push(String(message));
  const log = { debug: () => undefined, info: () => undefined, warn };
  const notes = createNotes({ mirror, log, ...settings });
  onTestFinished(() => notes.stop());
  return { notes, warnings };
}

/** A remote behind smart HTTP with some commits, and an operator that writes notes there. */
async function openSite(
  options: HttpRemoteOptions = {},
  settings: Partial<MirrorSettings & NotesSettings> = {},
) {
  const remote = createRemote();
  const shas = commitsOn(remote, 4);
  git(remote.bare, 'config', 'http.receivepack', 'true');
  const { url } = await serveHttp(remote.bare, options);
  const mirror = mirrorOf(url, settings);
  await mirror.fetch(never);
  return { remote, shas, mirror, ...createWriter(mirror, settings) };
}

function commitsOn({ work }: RemoteFixture, count: number): readonly string[] {
  const shas = Array.from({ length: count }, (_, i) => {
    git(work, 'commit', '--quiet', '--allow-empty', '--message', `${i}`);
    return git(work, 'rev-parse', 'HEAD');
  });
  git(work, 'push', '--quiet', 'origin', 'main');
  return shas;
}

const noteOf = ({ bare }: RemoteFixture, sha = '') => git(bare, 'notes', `--ref=${REF}`, 'show', sha);
const countCommits = ({ bare }: RemoteFixture) => Number(git(bare, 'rev-list', '--count', REF));

describe('notes over a bad connection', () => {
  it('arrive once each, whether a push was lost before or after it was done', async () => {
    const faults: (Fault | undefined)[] = ['dropped', 'cut', undefined, 'busy', 'cut', 'cut', 'dropped'];
    const site = await openSite({ fault: (isPush) => (isPush ? faults.shift() : undefined) });
    for (const [i, sha] of site.shas.entries()) {
      site.notes.put(sha, `note ${i}`);
      await site.notes.flush(never);
    }
    expect(faults).toEqual([]);
    expect(site.shas.map((sha) => noteOf(site.remote, sha))).toEqual(site.shas.map((_, i) => `note ${i}`));
    expect(countCommits(site.remote)).toBe(site.shas.length);
    expect(site.notes.problem).toBeUndefined();
    expect(site.warnings).toEqual([]);
  });

  it('arrive though reading fails as well', async () => {
    const faults: (Fault | undefined)[] = [];
    const site = await openSite({ fault: () => faults.shift() });
    faults.push('busy', 'dropped', undefined, 'cut', 'dropped', 'busy');
    site.notes.put(site.shas[0] ?? '', 'late');
    await site.notes.flush(never);
    expect(noteOf(site.remote, site.shas[0])).toBe('late');
    expect(countCommits(site.remote)).toBe(1);
  });

  it('tell the latest, though it was put while an older one was on its way', async () => {
    let arrived = () => {};
    const isOnItsWay = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const site = await openSite({
      fault: (isPush) => {
        if (!isPush) return undefined;
        arrived();
        return { waitMs: 300 };
      },
    });
    const [sha = ''] = site.shas;
    site.notes.put(sha, 'old');
    await isOnItsWay;
    site.notes.put(sha, 'new');
    await site.notes.flush(never);
    expect(noteOf(site.remote, sha)).toBe('new');
  });

  it('wait no longer than the deadline for a server that never answers', async () => {
    const faults: Fault[] = [{ waitMs: 600_000 }];
    const site = await openSite({ fault: (isPush) => (isPush ? faults.shift() : undefined) });
    const { remote, dir } = site.mirror;
    const { notes } = createWriter(mirrorOf(remote.url, { dir, timeoutMs: 5_000 }));
    notes.put(site.shas[0] ?? '', 'in the end');
    await notes.flush(never);
    expect(faults).toEqual([]);
    expect(noteOf(site.remote, site.shas[0])).toBe('in the end');
  });
});

describe('a remote that refuses notes', () => {
  it('gets them, without being asked to, once its hook lets them in', async () => {
    const site = await openSite({}, { refusedDelayMs: 200 });
    const hook = join(site.remote.bare, 'hooks/update');
    const script = '#!/bin/sh\ncase "$1" in refs/notes/*) echo "no notes on $1" >&2; exit 1;; esac\n';
    writeFileSync(hook, script, { mode: 0o755 });
    site.notes.put(site.shas[0] ?? '', 'let in');
    await vi.waitFor(() => expect(site.notes.problem?.message).toContain('hook declined'), 20_000);
    rmSync(hook);
    await vi.waitFor(() => expect(noteOf(site.remote, site.shas[0])).toBe('let in'), 20_000);
    await vi.waitFor(() => expect(site.notes.problem).toBeUndefined(), 20_000);
    expect(site.warnings).toEqual(['the remote refuses git notes; results stand in the journal only']);
  });

  it('gets them, without being asked to, once the login is right again', async () => {
    const tokenFile = join(tempDir(), 'token');
    writeFileSync(tokenFile, 'canary-1', { mode: 0o600 });
    let token = 'canary-1';
    const options = { token: () => token };
    const site = await openSite(options, { credentials: { tokenFile }, refusedDelayMs: 200 });
    token = 'canary-2';
    site.notes.put(site.shas[0] ?? '', 'logged in');
    await vi.waitFor(() => expect(site.notes.problem?.message).toMatch(/authentication failed/i), 20_000);
    expect(JSON.stringify(site.notes.problem)).not.toContain('canary');
    writeFileSync(tokenFile, token);
    await vi.waitFor(() => expect(noteOf(site.remote, site.shas[0])).toBe('logged in'), 20_000);
    expect(site.warnings).toHaveLength(1);
  });
});

describe('the ref of the notes', () => {
  it('that somebody began anew is kept as they left it, and written on', async () => {
    const site = await openSite();
    const [a = '', b = '', c = ''] = site.shas;
    site.notes.put(a, 'one');
    await site.notes.flush(never);
    git(site.remote.bare, 'update-ref', '-d', REF);
    git(site.remote.work, 'notes', `--ref=${REF}`, 'add', '-m', "somebody's", b);
    git(site.remote.work, 'push', '--quiet', 'origin', REF);
    site.notes.put(c, 'three');
    await site.notes.flush(never);
    expect([noteOf(site.remote, b), noteOf(site.remote, c)]).toEqual(["somebody's", 'three']);
    expect(site.warnings).toEqual([]);
  });
});

it('takes a lost race for no refusal, whatever the name of the repository', async () => {
  const remote = createRemote();
  const [a = '', b = ''] = commitsOn(remote, 2);
  const bare = join(remote.dir, 'protected-read-only.git');
  renameSync(remote.bare, bare);
  git(remote.work, 'remote', 'set-url', 'origin', bare);
  const mirror = mirrorOf(bare);
  await mirror.fetch(never);
  const { notes, warnings } = createWriter(mirror);
  notes.put(a, 'first');
  await notes.flush(never);
  git(remote.work, 'fetch', '--quiet', 'origin', `${REF}:${REF}`);
  git(remote.work, 'notes', `--ref=${REF}`, 'add', '-m', 'quicker', b);
  git(remote.work, 'push', '--quiet', 'origin', REF);
  notes.put(a, 'second');
  await notes.flush(never);
  expect(notes.pending).toBe(0);
  expect(warnings).toEqual([]);
  const moved = { ...remote, bare };
  expect([noteOf(moved, a), noteOf(moved, b)]).toEqual(['second', 'quicker']);
});

it(`loses no note of ${WRITERS} writers that write at once`, { timeout: 300_000 }, async () => {
  const remote = createRemote();
  const shas = commitsOn(remote, WRITERS);
  git(remote.bare, 'config', 'receive.autogc', 'false');
  const first = mirrorOf(remote.bare);
  await first.fetch(never);
  const writers = shas.map((sha) => {
    const dir = join(tempDir(), 'git');
    cpSync(first.dir, dir, { recursive: true });
    return { ...createWriter(mirrorOf(remote.bare, { dir })), sha };
  });
  for (const { notes, sha } of writers) notes.put(sha, `note of ${sha}`);
  await Promise.all(writers.map(({ notes }) => notes.flush(new AbortController().signal)));
  expect(shas.map((sha) => noteOf(remote, sha))).toEqual(shas.map((sha) => `note of ${sha}`));
  expect(countCommits(remote)).toBe(WRITERS);
  expect(writers.flatMap(({ warnings }) => warnings)).toEqual([]);
});
