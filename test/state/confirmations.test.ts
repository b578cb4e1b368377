import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openConfirmations } from '../../src/state/confirmations.ts';

const HASH = '0123456789ab';

function open(startAt = '2026-01-01T00:00:00Z') {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-confirm-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  let now = new Date(startAt);
  const store = openConfirmations(dir, { now: () => now });
  const pass = (hours: number): void => {
    now = new Date(now.getTime() + hours * 3_600_000);
  };
  return { store, pass, folder: join(dir, 'confirmations') };
}

describe('confirmations', () => {
  it('has what was added, and nothing else', async () => {
    const { store, folder } = open();
    expect(await store.has(HASH)).toBe(false);
    await store.add(HASH, 'ada');
    expect(await store.has(HASH)).toBe(true);
    expect(await store.has('ba9876543210')).toBe(false);
    expect(JSON.parse(readFileSync(join(folder, HASH), 'utf8'))).toEqual({
      hash: HASH,
      who: 'ada',
      at: '2026-01-01T00:00:00.000Z',
    });
    expect(readdirSync(folder)).toEqual([HASH]);
  });

  it('keeps only the one that something still waits for', async () => {
    const { store } = open();
    await store.keepOnly([HASH]);
    await store.add(HASH, 'ada');
    await store.add('ba9876543210', 'ada');
    await store.keepOnly([HASH]);
    expect([await store.has(HASH), await store.has('ba9876543210')]).toEqual([true, false]);
    await store.keepOnly([]);
    expect(await store.has(HASH)).toBe(false);
  });

  it('forgets after a day', async () => {
    const { store, pass, folder } = open();
    await store.add(HASH, 'ada');
    pass(23.9);
    expect(await store.has(HASH)).toBe(true);
    pass(0.2);
    expect(await store.has(HASH)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('counts a day from the last time it was added', async () => {
    const { store, pass } = open();
    await store.add(HASH, 'ada');
    pass(20);
    await store.add(HASH, 'bob');
    pass(20);
    expect(await store.has(HASH)).toBe(true);
  });

  it.each(['', '../../etc/passwd', 'ABCDEF012345', '0123', 'x'.repeat(12), `${HASH}\n`])(
    'refuses %j',
    async (hash) => {
      const { store } = open();
      await expect(store.add(hash, 'ada')).rejects.toMatchObject({ code: 'E_USAGE' });
      expect(await store.has(hash)).toBe(false);
    },
  );

  it.each(['', '{', '{"hash":"ffffffffffff","at":"2026-01-01T00:00:00Z"}', `{"hash":"${HASH}","at":"soon"}`])(
    'takes a file that says %j for no confirmation',
    async (content) => {
      const { store, folder } = open();
      await store.add(HASH, 'ada');
      writeFileSync(join(folder, HASH), content);
      expect(await store.has(HASH)).toBe(false);
    },
  );
});
