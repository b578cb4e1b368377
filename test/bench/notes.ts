import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMirror, type Mirror } from '../../src/git/mirror.ts';
import { createNotes, type NotesWriter } from '../../src/git/notes.ts';
import { readNotes } from '../../src/git/notes-read.ts';
import { atMost, type Figure, median, showMs } from './figures.ts';

const REF = 'refs/notes/kvm-gitops';
const WRITERS = 30;
const NOTES = 10_000;
const READS = 5;
const never = new AbortController().signal;

/** Git notes on a local remote: many writers at once, and a ref that has grown for years. */
export async function benchNotes(): Promise<readonly Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-bench-'));
  try {
    const remote = join(dir, 'remote.git');
    git(dir, ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
    const shas = commitsOn(remote, NOTES);
    const mirror = mirrorIn(join(dir, 'mirror'), remote);
    await mirror.fetch(never);
    return [await timeRace(dir, shas.slice(0, WRITERS), mirror), ...(await timeGrown(shas, mirror))];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function timeRace(dir: string, shas: readonly string[], first: Mirror): Promise<Figure> {
  const writers = shas.map((sha, i) => {
    const own = join(dir, `writer-${i}`);
    cpSync(join(dir, 'mirror'), own, { recursive: true });
    return { sha, notes: writerOn(mirrorIn(own, first.remote.url)) };
  });
  const startedAt = performance.now();
  for (const { notes, sha } of writers) notes.put(sha, 'applied');
  await Promise.all(writers.map(({ notes }) => notes.flush(new AbortController().signal)));
  const tookMs = performance.now() - startedAt;
  await Promise.all(writers.map(({ notes }) => notes.stop()));
  const written = git(first.remote.url, ['notes', `--ref=${REF}`, 'list'])
    .trim()
    .split('\n').length;
  if (written !== WRITERS) throw new Error(`${written} of ${WRITERS} notes are there`);
  const what = `${WRITERS} writers put a note on one ref at once, until all are there`;
  return { what, value: showMs(tookMs), ...atMost(40_000, tookMs, showMs) };
}

async function timeGrown(shas: readonly string[], mirror: Mirror): Promise<readonly Figure[]> {
  const notes = writerOn(mirror);
  const write = async (commits: readonly string[], text: string) => {
    const startedAt = performance.now();
    for (const sha of commits) notes.put(sha, text);
    await notes.flush(never);
    return performance.now() - startedAt;
  };
  const all = await write(shas, 'applied');
  const one = await write(shas.slice(-1), 'applied again');
  const reads: number[] = [];
  for (let i = 0; i < READS; i++) {
    const startedAt = performance.now();
    const { entries, fetchError } = await readNotes(mirror, REF, 20);
    reads.push(performance.now() - startedAt);
    if (fetchError !== undefined || entries.some(({ note }) => note === undefined))
      throw new Error('a note is missing');
  }
  await notes.stop();
  const read = median(reads);
  return [
    { what: `all ${NOTES} notes at once, as of \`notes push\``, value: showMs(all) },
    { what: `one more note where ${NOTES} are`, value: showMs(one), ...atMost(1_000, one, showMs) },
    {
      what: `the last 20 commits with their notes where ${NOTES} are`,
      value: showMs(read),
      ...atMost(1_000, read, showMs),
    },
  ];
}

function writerOn(mirror: Mirror): NotesWriter {
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  return createNotes({ mirror, ref: REF, log });
}

function mirrorIn(dir: string, remote: string): Mirror {
  return createMirror({
    remote,
    branch: 'main',
    dir,
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
  });
}

/** Oldest first. */
function commitsOn(remote: string, count: number): readonly string[] {
  const commits = Array.from(
    { length: count },
    (_, i) =>
      `commit refs/heads/main\ncommitter Ada <ada@example.org> ${1_700_000_000 + i} +0000\ndata 1\n.\n`,
  );
  git(remote, ['fast-import', '--quiet'], commits.join(''));
  return git(remote, ['rev-list', '--reverse', 'main']).trim().split('\n');
}

function git(cwd: string, args: readonly string[], input?: string): string {
  return execFileSync('git', args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    ...(input !== undefined && { input }),
  });
}
