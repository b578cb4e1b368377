import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperatorError } from '../../src/errors.ts';
import { createPullClient } from '../../src/forge/pulls/client.ts';
import { type Commands, createCommands } from '../../src/review/commands.ts';
import { OPERATOR, STRANGER, type StubComment, type StubForge, startStubForge } from '../forge/stub-forge.ts';

const TOKEN = 'canary-token-4711';
const CODE = 'c0ffee123456';
const NOW = new Date('2026-11-25T12:10:00Z');
const signal = new AbortController().signal;

let forge: StubForge;
let commands: Commands;
let confirmed: string[];
let lines: string[];
let refusal: Error | undefined;

beforeEach(async () => {
  forge = await startStubForge('github', TOKEN);
  [confirmed, lines, refusal] = [[], [], undefined];
  start();
});
afterEach(() => {
  forge.close(lines);
});

function start(confirmers: readonly string[] = ['Ann']): void {
  const target = { forge: 'github', api: forge.api, repository: 'acme/manifests' } as const;
  const say = (facts: object, message: string) => lines.push(`${message} ${JSON.stringify(facts)}`);
  commands = createCommands({
    client: createPullClient({ target, branch: 'main', token: () => TOKEN }),
    confirmers,
    async confirm(hash, who) {
      if (refusal !== undefined) throw refusal;
      confirmed.push(`${hash} by ${who}`);
    },
    now: () => NOW,
    firstDelayMs: 0,
    log: { info: say, warn: say },
  });
}

/** Somebody writes a comment, and the forge tells of it as often as is asked. */
async function write(changes: Partial<StubComment> = {}, times = 1): Promise<void> {
  forge.comments.push({
    id: 5,
    pull: 7,
    author: STRANGER,
    user: 'ann',
    body: `/kvm-gitops confirm ${CODE}`,
    ...changes,
  });
  for (let time = 0; time < times; time++) {
    commands.hear(7, 5);
    await commands.work(signal);
  }
}

const answers = () => forge.comments.filter(({ author }) => author === OPERATOR).map(({ body }) => body);

describe('a command in a comment', () => {
  it('confirms with the name of the one who wrote it, once, and says so', async () => {
    await write({}, 3);
    expect(confirmed).toEqual([`${CODE} by ann (comment on pull request 7)`]);
    expect(answers()).toEqual([`Confirmed by \`ann\`: \`${CODE}\`. The next pass removes what it names.`]);
  });

  it.each<[string, Partial<StubComment>, string]>([
    ['that was edited, by whomever', { updatedAt: '2026-11-25T12:00:01Z' }, 'Not done: it was edited'],
    [
      'that is old',
      { createdAt: '2026-11-25T10:00:00Z' },
      'Not done: it was edited, or is more than an hour old',
    ],
    ['without a time', { createdAt: '' }, 'Not done: it was edited'],
    ['that says more', { body: `/kvm-gitops confirm ${CODE} please` }, 'Not understood'],
    ['with no code', { body: '/kvm-gitops confirm @everyone' }, 'Not understood'],
    ['of another kind', { body: '/kvm-gitops suspend all' }, 'Not understood'],
  ])('%s confirms nothing, and is told what would', async (_what, changes, answer) => {
    await write(changes);
    expect(confirmed).toEqual([]);
    expect(answers()).toEqual([expect.stringContaining(answer)]);
    expect(answers().join()).not.toContain('@everyone');
  });

  it.each<[string, Partial<StubComment>]>([
    ['who may not', { user: 'mallory' }],
    ['whose name only looks like it', { user: 'ann.' }],
    ['with no name', { user: '' }],
  ])('of somebody %s does nothing, and is in the log alone', async (_what, changes) => {
    await write(changes);
    expect(confirmed).toEqual([]);
    expect(answers()).toEqual([]);
    expect(lines).toEqual([expect.stringContaining('somebody who may not confirm')]);
  });

  it('is not even read where nobody may give one', async () => {
    start([]);
    await write();
    expect(forge.calls).toEqual([]);
  });

  it('says why, where nothing that waits has that name', async () => {
    refusal = new OperatorError('E_USAGE', 'no removal waits for a confirmation');
    await write();
    expect(answers()).toEqual(['Not done: `no removal waits for a confirmation`']);
  });

  it('that the forge does not know yet is read again, and given up in the end', async () => {
    forge.instead.set('GET one', [{ status: 404 }, { status: 404 }]);
    await write();
    expect(commands.retryAt).toBeDefined();
    await commands.work(signal);
    await commands.work(signal);
    expect(confirmed).toHaveLength(1);
    commands.hear(7, 6);
    for (let time = 0; time < 6; time++) await commands.work(signal);
    expect(commands.retryAt).toBeUndefined();
    expect(lines.at(-1)).toContain('given up');
  });

  it('is done once though its answer took several tries', async () => {
    forge.instead.set('POST comment', [{ status: 502 }, { status: 429, headers: { 'retry-after': '0' } }]);
    await expect(write()).rejects.toThrow('HTTP 502');
    await expect(commands.work(signal)).rejects.toThrow('rate limit');
    await commands.work(signal);
    expect(confirmed).toHaveLength(1);
    expect(answers()).toHaveLength(1);
  });

  it('is answered once though nobody heard that it was', async () => {
    forge.instead.set('POST comment', ['do and hang up']);
    await expect(write()).rejects.toBeInstanceOf(Error);
    await commands.work(signal);
    expect(answers()).toHaveLength(1);
    expect(commands.retryAt).toBeUndefined();
  });

  it('is given up in the end by a forge that takes no answer', async () => {
    forge.instead.set(
      'POST comment',
      Array.from({ length: 100 }, () => ({ status: 502 })),
    );
    await write().catch(() => undefined);
    for (let time = 0; time < 50; time++) await commands.work(signal).catch(() => undefined);
    expect(commands.retryAt).toBeUndefined();
    expect(forge.calls.filter((call) => call === 'POST comment')).toHaveLength(20);
    expect(lines.at(-1)).toContain('given up');
  });

  it('that is answered with no comment keeps nobody waiting, and is given up', async () => {
    forge.instead.set(
      'GET one',
      Array.from({ length: 100 }, () => ({ status: 200, text: '{}' })),
    );
    await write({}, 5);
    expect(commands.retryAt).toBeUndefined();
    expect(lines).toContainEqual(expect.stringContaining('given up'));
  });

  it('beyond what may wait is not heard, which is said once', () => {
    for (let comment = 1; comment <= 110; comment++) commands.hear(7, comment);
    expect(lines).toEqual([expect.stringContaining('too many wait')]);
  });
});
