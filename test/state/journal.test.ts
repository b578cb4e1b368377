import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Report } from '../../src/core/report.ts';
import { openJournal } from '../../src/state/journal.ts';

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-journal-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function report(sha: string, trigger = 'commit'): Report {
  return {
    v: 1,
    revision: { sha, subject: 'größer ✓', author: 'Ada', date: '2026-01-01T00:00:00Z' },
    status: 'applied',
    startedAt: '2026-01-01T00:00:00Z',
    durationMs: 1,
    trigger,
    steps: [],
    held: [],
    issues: [],
    unknownHosts: [],
  };
}

async function open(dir: string) {
  const warnings: string[] = [];
  const warn = (_fields: unknown, message?: unknown): void => {
    warnings.push(String(message));
  };
  const journal = await openJournal(dir, { log: { warn } });
  onTestFinished(() => journal.close());
  return { journal, warnings, path: join(dir, 'journal.jsonl') };
}

describe('a journal', () => {
  it('is empty at first, in a folder that it makes', async () => {
    const { journal } = await open(join(tempDir(), 'new/state'));
    expect(await journal.last()).toBeUndefined();
    expect(await journal.of('a')).toEqual([]);
    expect(await journal.recent(3)).toEqual([]);
  });

  it('knows the newest report of a commit that hosts were held to, also once it is opened again', async () => {
    const dir = tempDir();
    const { journal } = await open(dir);
    expect(await journal.lastApplied()).toBeUndefined();
    const outcomes = [
      ['a', 'applied'],
      ['b', 'partial'],
      ['c', 'superseded'],
      ['d', 'failed'],
      ['e', 'refused'],
    ] as const;
    for (const [sha, status] of outcomes) await journal.append({ ...report(sha), status });
    expect((await journal.lastApplied())?.revision.sha).toBe('b');
    expect((await (await open(dir)).journal.lastApplied())?.revision.sha).toBe('b');
  });

  it('gives reports back by commit, oldest first, and the last ones', async () => {
    const { journal } = await open(tempDir());
    for (const [sha, trigger] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ] as const)
      await journal.append(report(sha, trigger));
    expect((await journal.of('a')).map(({ trigger }) => trigger)).toEqual(['1', '3']);
    expect((await journal.last())?.trigger).toBe('3');
    expect((await journal.recent(2)).map(({ trigger }) => trigger)).toEqual(['3', '2']);
    expect(await journal.recent(0)).toEqual([]);
  });

  it('is the same after it was opened again', async () => {
    const dir = tempDir();
    const first = await open(dir);
    await first.journal.append(report('a'));
    await first.journal.append(report('b'));
    const { journal, warnings } = await open(dir);
    expect(await journal.last()).toEqual(report('b'));
    await journal.append(report('c'));
    expect(await journal.of('a')).toEqual([report('a')]);
    expect(await journal.of('c')).toEqual([report('c')]);
    expect(warnings).toEqual([]);
  });

  it('keeps the order of appends that are made at once, one line each', async () => {
    const { journal, path } = await open(tempDir());
    await Promise.all(Array.from({ length: 20 }, (_, i) => journal.append(report('a', `${i}`))));
    expect((await journal.of('a')).map(({ trigger }) => Number(trigger))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(20);
  });

  it('reads lines that are longer than a chunk', async () => {
    const dir = tempDir();
    const first = await open(dir);
    await first.journal.append(report('long', 'x'.repeat(3_000_000)));
    await first.journal.append(report('short'));
    const { journal } = await open(dir);
    expect((await journal.of('long'))[0]?.trigger).toHaveLength(3_000_000);
    expect(await journal.last()).toEqual(report('short'));
  });
});

describe('after a crash', () => {
  it.each([1, 20, 150])(
    'a last line cut at %i bytes is moved aside, and nothing else is lost',
    async (length) => {
      const dir = tempDir();
      const first = await open(dir);
      await first.journal.append(report('a'));
      const torn = JSON.stringify(report('b')).slice(0, length);
      appendFileSync(first.path, torn);
      const { journal, warnings, path } = await open(dir);
      expect(warnings).toEqual([expect.stringContaining('moved aside')]);
      expect(await journal.last()).toEqual(report('a'));
      expect(readFileSync(`${path}.torn`, 'utf8')).toBe(`${torn}\n`);
      await journal.append(report('c'));
      const again = await open(dir);
      expect(await again.journal.last()).toEqual(report('c'));
      expect(again.warnings).toEqual([]);
    },
  );

  it('a last line that lacks only its end is kept', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'journal.jsonl'), JSON.stringify(report('a')));
    const { journal, warnings } = await open(dir);
    expect(await journal.last()).toEqual(report('a'));
    await journal.append(report('b'));
    expect((await (await open(dir)).journal.recent(5)).map(({ revision }) => revision.sha)).toEqual([
      'b',
      'a',
    ]);
    expect(warnings).toEqual([]);
  });

  it('a damaged line in the middle is passed over and left where it is', async () => {
    const dir = tempDir();
    const lines = [JSON.stringify(report('a')), '\0\0\0', '{"v":2}', JSON.stringify(report('b'))];
    writeFileSync(join(dir, 'journal.jsonl'), `${lines.join('\n')}\n`);
    const { journal, warnings, path } = await open(dir);
    expect((await journal.recent(5)).map(({ revision }) => revision.sha)).toEqual(['b', 'a']);
    expect(warnings).toHaveLength(2);
    expect(readFileSync(path, 'utf8')).toBe(`${lines.join('\n')}\n`);
  });
});

describe('a journal that is only read', () => {
  it('changes nothing, not even a line that is being written', async () => {
    const dir = tempDir();
    const { journal, path } = await open(dir);
    await journal.append(report('a'));
    appendFileSync(path, '{"v":1,"rev');
    const before = readFileSync(path, 'utf8');
    const reader = await openJournal(dir, { readOnly: true });
    expect(await reader.last()).toEqual(report('a'));
    await expect(reader.append(report('b'))).rejects.toThrow(/reading only/);
    await reader.close();
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it('is empty where there is none', async () => {
    const reader = await openJournal(join(tempDir(), 'nope'), { readOnly: true });
    expect(await reader.last()).toBeUndefined();
    await reader.close();
  });
});
