import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { NOTICE_KINDS } from '../../src/core/notifying/standing.ts';
import type { Report } from '../../src/core/report.ts';
import type { Message } from '../../src/notify/message.ts';
import { createNotifier, type Notifier, type NotifierSettings } from '../../src/notify/notifier.ts';
import type { Receiver } from '../../src/notify/teller.ts';
import type { Verdict } from '../../src/notify/verdict.ts';
import { openNotifications } from '../../src/state/notifications.ts';
import { NOW, report, revision, stepResult } from '../builders.ts';

const A = revision('aaaa');
const B = revision('bbbb');
const FAILS: Partial<Report> = {
  status: 'partial',
  steps: [stepResult({ outcome: 'failed', error: { code: 'E_LIBVIRT', message: 'no space' } })],
};

function stateDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kg-notify-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A receiver that keeps what it is told; `verdicts` come first, then all is well. */
function fakeReceiver(name = 'ops', verdicts: (Verdict | Promise<Verdict>)[] = []) {
  const messages: Message[] = [];
  const receiver: Receiver = {
    name,
    interest: { events: NOTICE_KINDS },
    delayMs: 0,
    deliver: async (message) => {
      const verdict = (await verdicts.shift()) ?? { kind: 'done' };
      if (verdict.kind === 'done') messages.push(message);
      return verdict;
    },
  };
  const heard = () =>
    messages.flatMap(({ notices }) =>
      notices.map(({ kind, subject, commit }) => `${kind} ${subject ?? commit?.sha}`),
    );
  return { receiver, messages, heard, verdicts };
}

async function start(dir: string, receivers: readonly Receiver[], more: Partial<NotifierSettings> = {}) {
  const lines: string[] = [];
  const say = (facts: object, message: string) => lines.push(`${message} ${JSON.stringify(facts)}`);
  const notifier = await createNotifier({
    receivers,
    store: openNotifications(dir),
    changedBy: async (_, vms) => new Map(vms.map((vm) => [vm, A])),
    now: () => NOW,
    log: { info: say, warn: say },
    firstDelayMs: 1,
    deniedDelayMs: 5,
    ...more,
  });
  onTestFinished(() => notifier.stop());
  return { notifier, lines };
}

function pass(notifier: Notifier, changes: Partial<Report>): void {
  notifier.onProgress({ kind: 'recorded', report: report(changes), news: true, isHead: true });
}

async function told(notifier: Notifier, ...passes: readonly Partial<Report>[]): Promise<void> {
  for (const one of passes) pass(notifier, one);
  await notifier.flush(AbortSignal.timeout(10_000));
}

describe('the notifier', () => {
  it('names the commit that changed the VM, and not the one that is applied', async () => {
    const { receiver, messages } = fakeReceiver();
    const { notifier } = await start(stateDir(), [receiver]);
    await told(notifier, { ...FAILS, revision: B });
    expect(messages[0]?.notices).toMatchObject([{ kind: 'failed', subject: 'web', commit: { sha: 'aaaa' } }]);
    expect(messages[0]?.lines[0]).toContain('changed by aaaa');
  });

  it('says the rest where nobody can find out who changed the VM', async () => {
    const { receiver, heard } = fakeReceiver();
    const changedBy = () => Promise.reject(new Error('git is away'));
    const { notifier, lines } = await start(stateDir(), [receiver], { changedBy });
    await told(notifier, FAILS);
    expect(heard()).toEqual(['failed web']);
    expect(lines.join('\n')).toContain('who changed a VM cannot be found out');
  });

  it('goes on after a restart: what was told is not told again, what was not is', async () => {
    const dir = stateDir();
    const first = fakeReceiver();
    const { notifier } = await start(dir, [first.receiver]);
    await told(notifier, FAILS);
    await notifier.stop();
    const second = fakeReceiver();
    const again = await start(dir, [second.receiver]);
    await told(again.notifier, FAILS);
    expect(second.heard()).toEqual([]);
    await told(again.notifier, {});
    expect(second.heard()).toEqual(['recovered web', 'applied aaaa']);
  });

  it('tells after a restart what it had no time for, though no pass has said it again', async () => {
    const dir = stateDir();
    const away = fakeReceiver('ops', [new Promise(() => undefined)]);
    const { notifier } = await start(dir, [
      {
        ...away.receiver,
        deliver: (_, signal) =>
          new Promise((resolve) =>
            signal.addEventListener('abort', () => resolve({ kind: 'again', why: 'stopped' })),
          ),
      },
    ]);
    pass(notifier, FAILS);
    await vi.waitFor(() =>
      expect(readFileSync(join(dir, 'notifications.json'), 'utf8')).toContain('no space'),
    );
    await notifier.stop();
    const back = fakeReceiver();
    const again = await start(dir, [back.receiver]);
    await again.notifier.flush(AbortSignal.timeout(10_000));
    expect(back.heard()).toEqual(['failed web']);
  });

  it('sends the same news under the same id when it was killed before it could remember', async () => {
    const dir = stateDir();
    const ids: string[] = [];
    for (const _ of [1, 2]) {
      const { receiver, messages } = fakeReceiver();
      const store = { ...openNotifications(dir), save: async () => undefined };
      const { notifier } = await start(dir, [receiver], { store });
      await told(notifier, FAILS);
      await notifier.stop();
      ids.push(messages[0]?.id ?? '');
    }
    expect(new Set(ids).size).toBe(1);
  });

  it('tells a receiver that was away how things stand, once, and says in the log only that it was away', async () => {
    const { receiver, heard } = fakeReceiver(
      'ops',
      Array.from({ length: 4 }, () => ({ kind: 'again', why: 'HTTP 503' })),
    );
    const { notifier, lines } = await start(stateDir(), [receiver], { firstDelayMs: 100 });
    pass(notifier, FAILS);
    await vi.waitFor(() => expect(notifier.receivers()).toMatchObject([{ pending: 1, problem: 'HTTP 503' }]));
    await told(notifier, {});
    expect(heard()).toEqual(['applied aaaa']);
    expect(lines.filter((line) => line.includes('cannot be told'))).toHaveLength(1);
    expect(lines.at(-1)).toContain('is told again');
    expect(notifier.receivers()).toEqual([{ name: 'ops', pending: 0 }]);
  });

  it('shows a receiver that was told in part, says so once, and when it is told wholly again', async () => {
    const part: Verdict = { kind: 'done', problem: 'refused for ann@example.org' };
    const { receiver, messages } = fakeReceiver('ops', [part, part]);
    const { notifier, lines } = await start(stateDir(), [receiver]);
    await told(notifier, FAILS);
    expect(notifier.receivers()).toEqual([
      { name: 'ops', pending: 0, problem: 'refused for ann@example.org' },
    ]);
    await told(notifier, {});
    expect(lines).toEqual([expect.stringContaining('told in part')]);
    await told(notifier, FAILS);
    expect(notifier.receivers()).toEqual([{ name: 'ops', pending: 0 }]);
    expect(lines.at(-1)).toContain('is told again');
    expect(messages).toHaveLength(3);
  });

  it('leaves a receiver alone for a while that wants to be told again at once', async () => {
    const again: Verdict = { kind: 'again', why: 'HTTP 503', afterMs: 0 };
    const { receiver, verdicts } = fakeReceiver(
      'ops',
      Array.from({ length: 9 }, () => again),
    );
    const { notifier } = await start(stateDir(), [receiver], { firstDelayMs: 300_000 });
    pass(notifier, FAILS);
    await vi.waitFor(() => expect(notifier.receivers()).toMatchObject([{ problem: 'HTTP 503' }]));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(verdicts).toHaveLength(8);
  });

  it('keeps no receiver waiting for another, nor anybody for one that hangs', async () => {
    const hanging: Receiver = {
      ...fakeReceiver('hangs').receiver,
      deliver: (_, signal) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => resolve({ kind: 'again', why: 'stopped' })),
        ),
    };
    const other = fakeReceiver('other');
    const { notifier } = await start(stateDir(), [hanging, other.receiver]);
    pass(notifier, FAILS);
    await vi.waitFor(() => expect(other.heard()).toEqual(['failed web']));
    const began = performance.now();
    await notifier.flush(AbortSignal.timeout(50));
    await notifier.stop();
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('does not hold up a flush by a receiver that refuses', async () => {
    const denied: Verdict = { kind: 'denied', why: 'HTTP 403' };
    const { receiver, verdicts } = fakeReceiver(
      'ops',
      Array.from({ length: 9 }, () => denied),
    );
    const { notifier, lines } = await start(stateDir(), [receiver], { deniedDelayMs: 600_000 });
    await told(notifier, FAILS);
    expect(notifier.receivers()).toEqual([{ name: 'ops', pending: 1, problem: 'HTTP 403' }]);
    expect(lines).toEqual([expect.stringContaining('refuses them')]);
    verdicts.length = 0;
    await told(notifier);
    expect(notifier.receivers()).toEqual([{ name: 'ops', pending: 0 }]);
  });

  it('does not tell what is mended within the delay', async () => {
    const { receiver, heard } = fakeReceiver();
    const { notifier } = await start(stateDir(), [{ ...receiver, delayMs: 60_000 }]);
    pass(notifier, { ...FAILS, revision: B });
    await vi.waitFor(() => expect(notifier.receivers()[0]?.pending).toBe(1));
    await told(notifier, {});
    expect(heard()).toEqual(['applied aaaa']);
  });

  it('tells a new receiver what is wrong by now', async () => {
    const dir = stateDir();
    const { notifier } = await start(dir, [fakeReceiver('old').receiver]);
    await told(notifier, FAILS);
    await notifier.stop();
    const [old, fresh] = [fakeReceiver('old'), fakeReceiver('fresh')];
    const again = await start(dir, [old.receiver, fresh.receiver]);
    await told(again.notifier, FAILS);
    expect([old.heard(), fresh.heard()]).toEqual([[], ['failed web']]);
  });

  it.each([
    ['is damaged', '{"v":1,"stand'],
    ['holds something else', '{"v":1,"standings":[[1,2],["x",{"kind":"boom"}]],"told":{}}'],
  ])('begins anew where its file %s', async (_what, content) => {
    const dir = stateDir();
    writeFileSync(join(dir, 'notifications.json'), content);
    const { receiver, heard } = fakeReceiver();
    const { notifier } = await start(dir, [receiver]);
    await told(notifier, FAILS);
    expect(heard()).toEqual(['failed web']);
  });

  it('goes on, and says so, where it cannot remember', async () => {
    const store = { ...openNotifications(stateDir()), save: () => Promise.reject(new Error('disk full')) };
    const { receiver, heard } = fakeReceiver();
    const { notifier, lines } = await start(stateDir(), [receiver], { store });
    await told(notifier, FAILS);
    await told(notifier, FAILS);
    expect(heard()).toEqual(['failed web']);
    expect(lines.join('\n')).toContain('cannot be remembered');
  });

  it('hears of the last of a thousand passes that came at once', async () => {
    const { receiver, heard } = fakeReceiver();
    const { notifier } = await start(stateDir(), [receiver]);
    const many = Array.from({ length: 999 }, (_, i) => (i % 2 === 0 ? FAILS : {}));
    await told(notifier, ...many, { revision: B });
    expect(heard()).toContain('applied bbbb');
    expect(notifier.receivers()).toEqual([{ name: 'ops', pending: 0 }]);
  });
});
