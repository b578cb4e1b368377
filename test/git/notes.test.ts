import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createNotes, type NotesSettings, type NotesWriter } from '../../src/git/notes.ts';
import { readNotes } from '../../src/git/notes-read.ts';
import { createRemote, git, mirrorOf, never, type RemoteFixture } from './fixture.ts';
import { serveHttp } from './http-remote.ts';

const REF = 'refs/notes/kvm-gitops';

interface Line {
  readonly level: string;
  readonly message: string;
}

async function writerOn(address: string, settings: Partial<NotesSettings> = {}) {
  const lines: Line[] = [];
  const say = (level: string) => (_fields: unknown, message?: unknown) => {
    lines.push({ level, message: String(message) });
  };
  const mirror = mirrorOf(address);
  await mirror.fetch(never);
  const log = { debug: say('debug'), info: say('info'), warn: say('warn') };
  const notes: NotesWriter = createNotes({ mirror, log, ...settings });
  onTestFinished(() => notes.stop());
  return { notes, mirror, lines };
}

function noteOf({ bare }: RemoteFixture, sha: string): string {
  return git(bare, 'notes', `--ref=${REF}`, 'show', sha);
}

describe('put', () => {
  it('brings the note to the remote, where git shows it', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes } = await writerOn(remote.bare);
    notes.put(sha, 'applied\n{"v":1}');
    await notes.flush(never);
    expect(notes.pending).toBe(0);
    expect(noteOf(remote, sha)).toBe('applied\n{"v":1}');
    git(remote.work, 'fetch', '--quiet', 'origin', `${REF}:${REF}`);
    expect(git(remote.work, 'log', '-1', '--notes=kvm-gitops')).toContain('applied');
    expect(git(remote.bare, 'log', '-1', '--format=%an <%ae>', REF)).toBe(
      'kvm-gitops <kvm-gitops@localhost>',
    );
  });

  it('keeps the latest text of each commit and pushes many at once', async () => {
    const remote = createRemote();
    const shas = ['a', 'b', 'c'].map((text) => remote.commit({ 'cluster.yaml': text }));
    const { notes } = await writerOn(remote.bare);
    for (const text of ['first', 'second', 'last']) for (const sha of shas) notes.put(sha, text);
    await notes.flush(never);
    expect(shas.map((sha) => noteOf(remote, sha))).toEqual(['last', 'last', 'last']);
    expect(git(remote.bare, 'rev-list', '--count', REF)).toBe('1');
  });

  it('pushes nothing where the remote says it already', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes } = await writerOn(remote.bare);
    for (let i = 0; i < 2; i++) {
      notes.put(sha, 'same');
      await notes.flush(never);
    }
    expect(git(remote.bare, 'rev-list', '--count', REF)).toBe('1');
  });

  it.each([
    ['text that looks like commands', 'done\ncommit refs/heads/main\ndata 3\nabc\n'],
    ['other scripts and an empty line', 'größe ✓\n\nnext'],
    ['a long text', 'x'.repeat(300_000)],
  ])('takes %s as it is', async (_name, text) => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes } = await writerOn(remote.bare);
    notes.put(sha, text);
    await notes.flush(never);
    expect(noteOf(remote, sha)).toBe(text.trimEnd());
  });

  it("keeps other people's notes on the same ref", async () => {
    const remote = createRemote();
    const a = remote.commit({ 'cluster.yaml': 'a' }, 'a');
    const b = remote.commit({ 'cluster.yaml': 'b' }, 'b');
    git(remote.work, 'notes', `--ref=${REF}`, 'add', '-m', 'looked at by Ada', a);
    git(remote.work, 'push', '--quiet', 'origin', REF);
    const { notes } = await writerOn(remote.bare);
    notes.put(b, 'applied');
    await notes.flush(never);
    expect(noteOf(remote, a)).toBe('looked at by Ada');
    git(remote.work, 'fetch', '--quiet', 'origin', `+${REF}:${REF}`);
    git(remote.work, 'notes', `--ref=${REF}`, 'add', '--force', '-m', 'seen again', a);
    git(remote.work, 'push', '--quiet', 'origin', REF);
    notes.put(b, 'applied again');
    await notes.flush(never);
    expect([noteOf(remote, a), noteOf(remote, b)]).toEqual(['seen again', 'applied again']);
  });

  it('writes again what it knows where the ref was deleted', async () => {
    const remote = createRemote();
    const a = remote.commit({ 'cluster.yaml': 'a' }, 'a');
    const b = remote.commit({ 'cluster.yaml': 'b' }, 'b');
    const { notes } = await writerOn(remote.bare);
    notes.put(a, 'one');
    await notes.flush(never);
    git(remote.bare, 'update-ref', '-d', REF);
    notes.put(b, 'two');
    await notes.flush(never);
    expect([noteOf(remote, a), noteOf(remote, b)]).toEqual(['one', 'two']);
  });

  it('leaves out a commit that nobody has, and writes the others', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes, lines } = await writerOn(remote.bare);
    notes.put('1'.repeat(40), 'lost');
    notes.put(sha, 'kept');
    await notes.flush(never);
    expect(noteOf(remote, sha)).toBe('kept');
    expect(notes.pending).toBe(0);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('a remote that does not take notes', () => {
  it('is waited for when it is away, and written when it is back', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes, lines } = await writerOn(remote.bare);
    renameSync(remote.bare, `${remote.bare}.away`);
    notes.put(sha, 'later');
    await vi.waitFor(() => expect(notes.problem?.code).toBe('E_NOTES_PUSH'), 10_000);
    expect(notes.pending).toBe(1);
    renameSync(`${remote.bare}.away`, remote.bare);
    await notes.flush(never);
    expect(noteOf(remote, sha)).toBe('later');
    expect(notes.problem).toBeUndefined();
    expect(lines.at(-1)?.message).toBe('git notes are written again');
  });

  it.each([
    ['refuses to be pushed to', { readOnly: true }],
    ['has a hook that declines', {}],
  ])('is left alone, with one warning, when it %s', async (_name, options) => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    git(remote.bare, 'config', 'http.receivepack', 'true');
    const hook = join(remote.bare, 'hooks/pre-receive');
    writeFileSync(hook, '#!/bin/sh\necho "no notes here" >&2\nexit 1\n', { mode: 0o755 });
    const { url } = await serveHttp(remote.bare, options);
    const { notes, lines } = await writerOn(url);
    notes.put(sha, 'a');
    await notes.flush(never);
    notes.put(sha, 'b');
    await notes.flush(never);
    expect(notes.pending).toBe(1);
    expect(notes.problem?.message).toMatch(/hook declined|403/);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('is written once it has changed its mind', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    git(remote.bare, 'config', 'http.receivepack', 'false');
    const { url } = await serveHttp(remote.bare);
    const { notes } = await writerOn(url);
    notes.put(sha, 'a');
    await notes.flush(never);
    expect(notes.pending).toBe(1);
    git(remote.bare, 'config', 'http.receivepack', 'true');
    await notes.flush(never);
    expect(noteOf(remote, sha)).toBe('a');
  });

  it('does not run the hooks of a local remote', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const hook = join(remote.bare, 'hooks/post-receive');
    writeFileSync(hook, `#!/bin/sh\ntouch ${remote.dir}/ran\n`, { mode: 0o755 });
    const { notes } = await writerOn(remote.bare);
    notes.put(sha, 'a');
    await notes.flush(never);
    expect(noteOf(remote, sha)).toBe('a');
    expect(existsSync(`${remote.dir}/ran`)).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)(
    "gets none when it is another user's, whose config we would run by",
    async () => {
      const remote = createRemote();
      const sha = remote.commit({ 'cluster.yaml': '' });
      execFileSync('chown', ['-R', '65534:65534', remote.bare]);
      const { notes } = await writerOn(remote.bare);
      notes.put(sha, 'a');
      await notes.flush(never);
      expect(notes.problem?.message).toContain('dubious ownership');
    },
  );

  it('does not hold up a flush that is given up', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes } = await writerOn(remote.bare);
    renameSync(remote.bare, `${remote.bare}.away`);
    notes.put(sha, 'later');
    await notes.flush(AbortSignal.timeout(300));
    expect(notes.pending).toBe(1);
  });

  it('does not hold up a stop', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { url } = await serveHttp(remote.bare);
    const { notes } = await writerOn(url);
    renameSync(remote.bare, `${remote.bare}.away`);
    notes.put(sha, 'later');
    await notes.stop();
    notes.put(sha, 'too late');
    expect(notes.pending).toBe(1);
  });
});

describe('readNotes', () => {
  it('tells a commit with a note from one without', async () => {
    const remote = createRemote();
    const a = remote.commit({ 'cluster.yaml': 'a' }, 'a');
    const b = remote.commit({ 'cluster.yaml': 'b' }, 'b');
    const { notes, mirror } = await writerOn(remote.bare);
    expect((await readNotes(mirror, REF, 10)).entries.map(({ note }) => note)).toEqual([
      undefined,
      undefined,
    ]);
    notes.put(a, 'applied\n\n{"v":1}');
    await notes.flush(never);
    const { entries, fetchError } = await readNotes(mirror, REF, 10);
    expect(fetchError).toBeUndefined();
    expect(entries.map(({ revision, note }) => [revision.sha, revision.subject, note])).toEqual([
      [b, 'b', undefined],
      [a, 'a', 'applied\n\n{"v":1}'],
    ]);
    expect((await readNotes(mirror, REF, 1)).entries).toHaveLength(1);
  });

  it('says when the notes could not be fetched, and shows what it has', async () => {
    const remote = createRemote();
    const sha = remote.commit({ 'cluster.yaml': '' });
    const { notes, mirror } = await writerOn(remote.bare);
    notes.put(sha, 'applied');
    await notes.flush(never);
    renameSync(remote.bare, `${remote.bare}.away`);
    const { entries, fetchError } = await readNotes(mirror, REF, 10);
    expect(fetchError?.code).toBe('E_GIT_REMOTE');
    expect(entries[0]?.note).toBe('applied');
  });
});

it.each(['refs/heads/main', 'notes', 'refs/notes/', 'refs/notes/a..b', 'refs/notes/x:refs/heads/main'])(
  'refuses %j as the ref of the notes',
  (ref) => {
    const remote = createRemote();
    const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
    expect(() => createNotes({ mirror: mirrorOf(remote.bare), ref, log })).toThrow(/refs\/notes\/NAME/);
  },
);
