import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORGE_NAMES, FORGES, type ForgeName } from '../../src/forge/forges.ts';
import { PUSHES, SENDERS } from '../forge/deliveries.ts';
import { SECRET, startServer } from './fake-operator.ts';

function sign(body: string | Buffer, secret = SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** A clock by which no two deliveries are near each other. */
function hourly(): () => number {
  let now = 0;
  return () => (now += 3_600_000);
}

const PUSH = JSON.stringify({ ref: 'refs/heads/main' });
const JSON_TYPE = { 'content-type': 'application/json' };

function deliver(body: string | Buffer, headers: Record<string, string>, server = startServer()) {
  return server.app
    .inject({ method: 'POST', url: '/webhook', payload: body, headers })
    .then((answer) => ({ answer, ...server }));
}

describe('POST /webhook', () => {
  it.each(['x-hub-signature-256', 'x-signature'])('asks for a pass when %s is right', async (header) => {
    const { answer, asks } = await deliver(PUSH, { ...JSON_TYPE, [header]: sign(PUSH) });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ asked: true });
    expect(asks).toEqual(['webhook']);
  });

  it('has pull requests looked at when one was opened, without a pass, and where they are planned only', async () => {
    const body = JSON.stringify({ action: 'opened', number: 1 });
    const headers = { ...JSON_TYPE, 'x-github-event': 'pull_request', 'x-hub-signature-256': sign(body) };
    const webhook = { forge: 'github', secret: () => SECRET } as const;
    const looks: string[] = [];
    const planning = startServer({ webhook, askPulls: () => looks.push('look') });
    const { answer, asks } = await deliver(body, headers, planning);
    expect([answer.statusCode, answer.json(), asks, looks]).toEqual([202, { asked: true }, [], ['look']]);
    const issue = { number: 7, pull_request: {} };
    const comment = { id: 5, body: '/kvm-gitops confirm c0ffee123456' };
    const command = JSON.stringify({ action: 'created', issue, comment });
    const commanded = { ...headers, 'x-github-event': 'issue_comment', 'x-hub-signature-256': sign(command) };
    const heard: number[][] = [];
    const obeying = startServer({ webhook, onComment: (...ids) => heard.push(ids) });
    expect((await deliver(command, commanded, obeying)).answer.json()).toEqual({ asked: true });
    expect([heard, obeying.asks]).toEqual([[[7, 5]], []]);
    const off = await deliver(body, headers, startServer({ webhook }));
    expect([off.answer.statusCode, off.answer.json(), off.asks]).toEqual([202, { asked: false }, []]);
  });

  it.each([
    { name: 'missing', headers: {} },
    { name: 'empty', headers: { 'x-hub-signature-256': '' } },
    { name: 'without its prefix', headers: { 'x-hub-signature-256': sign(PUSH).slice(7) } },
    {
      name: 'of another algorithm',
      headers: { 'x-hub-signature-256': sign(PUSH).replace('sha256', 'sha1') },
    },
    { name: 'too short', headers: { 'x-hub-signature-256': sign(PUSH).slice(0, -2) } },
    { name: 'too long', headers: { 'x-hub-signature-256': `${sign(PUSH)}00` } },
    { name: 'not hex', headers: { 'x-hub-signature-256': `sha256=${'z'.repeat(64)}` } },
    { name: 'two at once', headers: { 'x-hub-signature-256': `${sign(PUSH)}, ${sign(PUSH)}` } },
    { name: 'of another secret', headers: { 'x-hub-signature-256': sign(PUSH, 'other') } },
    { name: 'of the empty secret', headers: { 'x-hub-signature-256': sign(PUSH, '') } },
    { name: 'of another body', headers: { 'x-hub-signature-256': sign(`${PUSH} `) } },
    { name: 'only in the old header', headers: { 'x-hub-signature': sign(PUSH) } },
    {
      name: 'wrong in the first header and right in the second',
      headers: { 'x-hub-signature-256': sign('other'), 'x-signature': sign(PUSH) },
    },
  ])('answers 401 and asks for nothing when the signature is $name', async ({ headers }) => {
    const { answer, asks, logged } = await deliver(PUSH, { ...JSON_TYPE, ...headers });
    expect(answer.statusCode).toBe(401);
    expect(asks).toEqual([]);
    expect(logged.join('')).toContain('webhook refused');
  });

  it('answers 401 for each byte of a body that is changed', async () => {
    const server = startServer({ nowMs: hourly() });
    for (let index = 0; index < PUSH.length; index++) {
      const body = Buffer.from(PUSH);
      body.writeUInt8(body.readUInt8(index) ^ 1, index);
      const { answer } = await deliver(body, { 'x-hub-signature-256': sign(PUSH) }, server);
      expect(answer.statusCode).toBe(401);
    }
    expect(server.asks).toEqual([]);
  });

  it.each([
    { name: 'none is configured', webhook: undefined },
    { name: 'it is empty', webhook: { forge: 'generic', secret: () => '' } as const },
  ])('answers 503 and does nothing when there is no secret: $name', async ({ webhook }) => {
    for (const body of [PUSH, 'a'.repeat(2 * 1024 * 1024)]) {
      const headers = { 'x-hub-signature-256': sign(body, '') };
      const { answer, asks } = await deliver(body, headers, startServer({ webhook }));
      expect(answer.statusCode).toBe(503);
      expect(answer.json().error).toContain('no webhook.secret');
      expect(asks).toEqual([]);
    }
  });

  it.each([
    { name: 'and signed', headers: (body: string) => ({ 'x-hub-signature-256': sign(body) }) },
    { name: 'and not signed', headers: () => ({}) },
    {
      name: 'and its length is not declared',
      headers: (body: string) => ({ 'x-hub-signature-256': sign(body), 'transfer-encoding': 'chunked' }),
    },
  ])('answers 413 and asks for nothing when the body is over 1 MiB $name', async ({ headers }) => {
    const body = 'a'.repeat(1024 * 1024 + 1);
    const { answer, asks } = await deliver(body, { ...JSON_TYPE, ...headers(body) });
    expect(answer.statusCode).toBe(413);
    expect(asks).toEqual([]);
  });

  it('takes a body of exactly 1 MiB', async () => {
    const body = 'a'.repeat(1024 * 1024);
    expect((await deliver(body, { 'x-signature': sign(body) })).answer.statusCode).toBe(202);
  });

  it.each([
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/octet-stream',
    'nonsense',
    ';;;',
    'application/json; charset=latin1',
  ])('does not mind the content type %s', async (type) => {
    const { answer, asks } = await deliver(PUSH, { 'content-type': type, 'x-hub-signature-256': sign(PUSH) });
    expect(answer.statusCode).toBe(202);
    expect(asks).toEqual(['webhook']);
  });

  it('takes a signed delivery without a body', async () => {
    const { app, asks } = startServer();
    const headers = { 'x-signature': sign('') };
    const answer = await app.inject({ method: 'POST', url: '/webhook', headers });
    expect(answer.statusCode).toBe(202);
    expect(asks).toEqual(['webhook']);
  });

  it.each([
    { name: 'a push of the branch', body: PUSH, asked: true },
    { name: 'a push of another branch', body: '{"ref":"refs/heads/other"}', asked: false },
    { name: 'a branch whose name goes on', body: '{"ref":"refs/heads/main2"}', asked: false },
    { name: "a tag of the branch's name", body: '{"ref":"refs/tags/main"}', asked: false },
    { name: 'our own note', body: '{"ref":"refs/notes/kvm-gitops"}', asked: false },
    { name: 'an empty ref', body: '{"ref":""}', asked: false },
    { name: 'a ref that is a list', body: '{"ref":["refs/heads/other"]}', asked: true },
    { name: 'a ref that is null', body: '{"ref":null}', asked: true },
    { name: 'a ref in the prototype', body: '{"__proto__":{"ref":"refs/heads/other"}}', asked: true },
    { name: 'JSON that is cut', body: '{"ref":"refs/heads/other"', asked: true },
    { name: 'a form', body: 'payload=%7B%7D', asked: true },
    { name: 'null', body: 'null', asked: true },
    { name: 'a string', body: '"ref"', asked: true },
    { name: 'half a million brackets', body: '['.repeat(500_000), asked: true },
    { name: 'a deep object', body: `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, asked: true },
    { name: 'bytes that are no text', body: Buffer.from([0, 0xff, 0xfe]), asked: true },
  ])('asks for a pass, or does not ($asked), for $name', async ({ body, asked }) => {
    const { answer, asks } = await deliver(body, { ...JSON_TYPE, 'x-hub-signature-256': sign(body) });
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ asked });
    expect(asks).toEqual(asked ? ['webhook'] : []);
  });

  it("answers GitHub's ping with 200 and asks for nothing", async () => {
    const headers = { ...JSON_TYPE, 'x-github-event': 'ping' };
    const { answer, asks } = await deliver('{"zen":"x"}', {
      ...headers,
      'x-hub-signature-256': sign('{"zen":"x"}'),
    });
    expect(answer.statusCode).toBe(200);
    expect(asks).toEqual([]);
    expect((await deliver('{}', headers)).answer.statusCode).toBe(401);
  });

  it('hears a delivery once: the same id again, or one that failed, does not count', async () => {
    let now = 0;
    const server = startServer({ nowMs: () => now });
    const send = (id: string, signature = sign(PUSH)) =>
      deliver(PUSH, { 'x-signature': signature, 'idempotency-key': id }, server);
    expect((await send('a', 'sha256=00')).answer.statusCode).toBe(401);
    expect((await send('a')).answer.json()).toEqual({ asked: true });
    const again = await send('a');
    expect(again.answer.statusCode).toBe(202);
    expect(again.answer.json()).toEqual({ asked: false });
    expect((await send('b')).answer.json()).toEqual({ asked: true });
    now += 11 * 60_000;
    expect((await send('a')).answer.json()).toEqual({ asked: true });
    expect(server.asks).toHaveLength(3);
  });

  it('answers 429 to an address that sends too much, says so once, and hears the others', async () => {
    let now = 0;
    const server = startServer({ nowMs: () => now });
    const send = (from: string) =>
      deliver(PUSH, { 'x-signature': 'sha256=00', 'x-forwarded-for': from }, server);
    for (let sent = 0; sent < 60; sent++) expect((await send('10.0.0.1')).answer.statusCode).toBe(401);
    for (let sent = 0; sent < 5; sent++) {
      const { answer } = await send('10.0.0.1');
      expect(answer.statusCode).toBe(429);
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(server.logged.filter((line) => line.includes('too many deliveries'))).toHaveLength(1);
    expect((await send('10.0.0.2')).answer.statusCode).toBe(401);
    now += 1_000;
    expect((await send('10.0.0.1')).answer.statusCode).toBe(401);
    expect((await send('10.0.0.1')).answer.statusCode).toBe(429);
  });

  it('reads the secret anew at each delivery', async () => {
    let secret = 'first';
    const server = startServer({ webhook: { forge: 'generic', secret: () => secret } });
    const headers = { 'x-signature': sign(PUSH, 'second') };
    expect((await deliver(PUSH, headers, server)).answer.statusCode).toBe(401);
    secret = 'second';
    expect((await deliver(PUSH, headers, server)).answer.statusCode).toBe(202);
  });

  it('never logs or sends the secret, or what the body says', async () => {
    const body = JSON.stringify({ ref: 'refs/heads/cAnArY' });
    const server = startServer();
    const answers = [
      await deliver(body, { ...JSON_TYPE, 'x-signature': sign(body) }, server),
      await deliver(body, { ...JSON_TYPE, 'x-signature': 'sha256=cAnArY' }, server),
    ];
    const said = [...server.logged, ...answers.map(({ answer }) => answer.body)].join('');
    expect(said).not.toContain('cAnArY');
  });
});

describe('POST /webhook, whatever comes', () => {
  /** What node accepts as the value of a header. */
  const headerValue = fc.oneof(
    fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)),
      maxLength: 200,
    }),
    fc.stringMatching(/^sha256=[0-9a-fA-F]{60,68}$/),
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((json) => Buffer.from(json)),
    fc.record({ ref: fc.jsonValue() }).map((payload) => Buffer.from(JSON.stringify(payload))),
  );

  it('answers 401 and asks for nothing without the right signature', async () => {
    const server = startServer({ nowMs: hourly() });
    await fc.assert(
      fc.asyncProperty(headerValue, headerValue, headerValue, body, async (first, second, type, bytes) => {
        const headers = { 'x-hub-signature-256': first, 'x-signature': second, 'content-type': type };
        const { answer } = await deliver(bytes, headers, server);
        expect(answer.statusCode).toBe(401);
        expect(server.asks).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('answers 202 for any body and type that is signed', async () => {
    const server = startServer({ nowMs: hourly() });
    await fc.assert(
      fc.asyncProperty(headerValue, body, async (type, bytes) => {
        const headers = { 'x-signature': sign(bytes), 'content-type': type };
        const { answer } = await deliver(bytes, headers, server);
        expect(answer.statusCode).toBe(202);
      }),
      { numRuns: 300 },
    );
  });
});

describe('POST /webhook of each forge', () => {
  const serverOf = (forge: ForgeName) => startServer({ webhook: { forge, secret: () => SECRET } });

  it.each(FORGE_NAMES)('%s: a push of the branch asks for a pass, one of a note does not', async (forge) => {
    for (const [ref, asked] of [
      ['refs/heads/main', true],
      ['refs/heads/main2', false],
      ['refs/notes/kvm-gitops', false],
      ['refs/tags/main', false],
    ] as const) {
      const body = JSON.stringify(PUSHES[forge](ref));
      const { answer, asks, logged } = await deliver(
        body,
        SENDERS[forge](body, 'push', SECRET),
        serverOf(forge),
      );
      expect(answer.statusCode).toBe(202);
      expect(answer.json()).toEqual({ asked });
      expect(asks).toEqual(asked ? ['webhook'] : []);
      expect(logged.some((line) => line.includes(asked ? 'webhook accepted' : 'webhook ignored'))).toBe(true);
    }
  });

  it.each(FORGE_NAMES)('%s: the same delivery again asks for nothing', async (forge) => {
    const body = JSON.stringify(PUSHES[forge]('refs/heads/main'));
    const server = serverOf(forge);
    const headers = SENDERS[forge](body, 'push', SECRET);
    for (const asked of [true, false])
      expect((await deliver(body, headers, server)).answer.json()).toEqual({ asked });
  });

  it.each(FORGE_NAMES)('%s: one that is not signed is turned away with what it lacks', async (forge) => {
    const { answer, asks } = await deliver(
      JSON.stringify(PUSHES[forge]('refs/heads/main')),
      {},
      serverOf(forge),
    );
    expect(answer.statusCode).toBe(401);
    expect(answer.json().error).toContain(FORGES[forge].proof);
    expect(asks).toEqual([]);
  });

  it.each(FORGE_NAMES.filter((name) => name !== 'generic'))(
    '%s: a malformed one is a 400 and one line of the log',
    async (forge) => {
      const { answer, asks, logged } = await deliver(
        '{"a":1}',
        SENDERS[forge]('{"a":1}', 'push', SECRET),
        serverOf(forge),
      );
      expect(answer.statusCode).toBe(400);
      expect(asks).toEqual([]);
      expect(logged.filter((line) => line.includes('"level":"warn"'))).toHaveLength(1);
    },
  );
});
