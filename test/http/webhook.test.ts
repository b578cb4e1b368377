import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSigned } from '../../src/http/webhook.ts';
import { SECRET, startServer } from './fake-operator.ts';

function sign(body: string | Buffer, secret = SECRET): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
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
    const server = startServer();
    for (let index = 0; index < PUSH.length; index++) {
      const body = Buffer.from(PUSH);
      body.writeUInt8(body.readUInt8(index) ^ 1, index);
      const { answer } = await deliver(body, { 'x-hub-signature-256': sign(PUSH) }, server);
      expect(answer.statusCode).toBe(401);
    }
    expect(server.asks).toEqual([]);
  });

  it.each([
    { name: 'none is configured', webhookSecret: undefined },
    { name: 'it is empty', webhookSecret: () => '' },
  ])('answers 503 and does nothing when there is no secret: $name', async ({ webhookSecret }) => {
    for (const body of [PUSH, 'a'.repeat(2 * 1024 * 1024)]) {
      const headers = { 'x-hub-signature-256': sign(body, '') };
      const { answer, asks } = await deliver(body, headers, startServer({ webhookSecret }));
      expect(answer.statusCode).toBe(503);
      expect(answer.json().error).toContain('no webhook secret');
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

  it('reads the secret anew at each delivery', async () => {
    let secret = 'first';
    const server = startServer({ webhookSecret: () => secret });
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
    const server = startServer();
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
    const server = startServer();
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

describe('isSigned', () => {
  it('accepts hex in either case', () => {
    expect(isSigned(Buffer.from(PUSH), sign(PUSH).toUpperCase().replace('SHA256', 'sha256'), SECRET)).toBe(
      true,
    );
  });

  it('accepts nothing without a secret, not even a right signature', () => {
    expect(isSigned(Buffer.from(PUSH), sign(PUSH, ''), '')).toBe(false);
  });

  it('agrees with the test vector of the GitHub documentation', () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    expect(isSigned(Buffer.from('Hello, World!'), signature, "It's a Secret to Everybody")).toBe(true);
  });
});
