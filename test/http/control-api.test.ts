import { describe, expect, it } from 'vitest';
import { OperatorError } from '../../src/errors.ts';
import type { ControlApi } from '../../src/http/control-api.ts';
import { startServer } from './fake-operator.ts';

const TOKEN = 'cAnArY-admin-token-0123456789';

function serve(changes: Partial<ControlApi> = {}) {
  const calls: unknown[] = [];
  const suspension = {
    scope: { host: 't01' },
    who: 'ann (by the API)',
    at: '2026-01-01T00:00:00.000Z',
    until: '2026-01-01T02:00:00.000Z',
    reason: 'new disks',
  };
  const control: ControlApi = {
    token: () => TOKEN,
    confirm: async (hash, who) => void calls.push(['confirm', hash, who]),
    suspend: async (wish, who) => {
      calls.push(['suspend', wish, who]);
      return suspension;
    },
    resume: async (target, who) => {
      calls.push(['resume', target, who]);
      return [suspension];
    },
    ...changes,
  };
  let ms = 0;
  const { app, logged } = startServer({ control, nowMs: () => ms });
  const post = (path: string, payload: unknown, authorization: string | undefined = `Bearer ${TOKEN}`) =>
    app.inject({
      method: 'POST',
      url: `/api/${path}`,
      headers: { 'content-type': 'application/json', ...(authorization !== '' && { authorization }) },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });
  const wait = (seconds: number) => void (ms += seconds * 1000);
  return { app, calls, logged, post, wait };
}

const HASH = '0123456789ab';

describe('POST /api/', () => {
  it('confirms a hash for the person whom the caller names', async () => {
    const { post, calls } = serve();
    const answer = await post('confirm', { hash: HASH, who: 'ann' });
    expect({ status: answer.statusCode, body: answer.json() }).toEqual({
      status: 200,
      body: { confirmed: HASH },
    });
    expect(calls).toEqual([['confirm', HASH, 'ann (by the API)']]);
  });

  it('suspends and resumes, and answers with what is suspended', async () => {
    const { post, calls } = serve();
    const wish = { target: 't01', reason: 'new disks', for: '2h', who: 'ann' };
    expect((await post('suspend', wish)).json()).toMatchObject({
      suspended: { scope: 't01', until: '2026-01-01T02:00:00.000Z' },
    });
    expect((await post('resume', { all: true })).json()).toMatchObject({ resumed: [{ scope: 't01' }] });
    expect(calls).toEqual([
      ['suspend', wish, 'ann (by the API)'],
      ['resume', { all: true }, 'somebody (by the API)'],
    ]);
  });

  it.each([
    ['no token', ''],
    ['a wrong one', 'Bearer nonsense'],
    ['a part of it', `Bearer ${TOKEN.slice(0, -1)}`],
    ['more than it', `Bearer ${TOKEN}x`],
    ['it without its scheme', TOKEN],
    ['it as a password', `Basic ${Buffer.from(`a:${TOKEN}`).toString('base64')}`],
    ['nothing after the scheme', 'Bearer '],
  ])('refuses %s on every path, does nothing, and says so in the log without the token', async (_, given) => {
    const { post, calls, logged } = serve();
    for (const [path, body] of [
      ['confirm', { hash: HASH }],
      ['suspend', { target: 't01', reason: 'x' }],
      ['resume', { all: true }],
    ] as const) {
      const answer = await post(path, body, given);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.body).not.toContain(TOKEN);
    }
    expect(calls).toEqual([]);
    expect(logged.join('')).toContain('control refused');
    expect(logged.join('')).not.toContain('cAnArY');
  });

  it.each([undefined, ''])('is off without a token in the config (%j), whatever is sent', async (token) => {
    const { app } = startServer(
      token === undefined
        ? {}
        : {
            control: {
              token: () => token,
              confirm: () => Promise.reject(new Error('must not be called')),
              suspend: () => Promise.reject(new Error('must not be called')),
              resume: () => Promise.reject(new Error('must not be called')),
            },
          },
    );
    const answer = await app.inject({
      method: 'POST',
      url: '/api/confirm',
      headers: { authorization: 'Bearer ' },
      payload: { hash: HASH },
    });
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toEqual({ error: 'this is off: operator.yaml has no http.adminToken' });
  });

  it.each([
    ['confirm', {}, 'hash'],
    ['confirm', { hash: HASH, force: true }, 'Unrecognized key: "force"'],
    ['confirm', { hash: 7 }, 'hash'],
    ['confirm', { hash: HASH, who: 'ann\nbob' }, 'who: 1 to 64 letters'],
    ['confirm', 'null', 'expected object'],
    ['suspend', { target: 't01' }, 'reason'],
    ['resume', { target: 't01', all: false }, 'all'],
  ])('%s answers 400 to %j, with what is wrong', async (path, body, why) => {
    const { post, calls } = serve();
    const answer = await post(path, body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().error).toContain(why);
    expect(calls).toEqual([]);
  });

  it('answers 400 with the reason where the operator does not accept it, and 500 with none where it breaks', async () => {
    const unknown = serve({
      confirm: () => Promise.reject(new OperatorError('E_USAGE', `${HASH} names nothing`)),
    });
    const answer = await unknown.post('confirm', { hash: HASH });
    expect([answer.statusCode, answer.json()]).toEqual([400, { error: `${HASH} names nothing` }]);
    const broken = serve({ confirm: () => Promise.reject(new Error('disk full at /secret/path')) });
    const failure = await broken.post('confirm', { hash: HASH });
    expect([failure.statusCode, failure.json()]).toEqual([500, { error: 'internal server error' }]);
  });

  it.each([
    ['no JSON', '{"hash":', 400],
    ['too much', JSON.stringify({ hash: 'x'.repeat(20_000) }), 413],
  ])('refuses %s', async (_, body, status) => {
    const { post, calls } = serve();
    expect((await post('confirm', body)).statusCode).toBe(status);
    expect(calls).toEqual([]);
  });

  it('lets nobody try tokens: after some tries an address has to wait, whatever it sends', async () => {
    const { post, wait } = serve();
    const tries = Array.from({ length: 30 }, () => post('confirm', { hash: HASH }, 'Bearer guess'));
    expect(new Set((await Promise.all(tries)).map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
    const late = await post('confirm', { hash: HASH });
    expect([late.statusCode, late.headers['retry-after']]).toEqual([429, '2']);
    wait(2);
    expect((await post('confirm', { hash: HASH })).statusCode).toBe(200);
  });

  it('is not to be had by GET, as from a link or an image', async () => {
    const { app } = serve();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await app.inject({ method: 'GET', url: `/api/confirm?hash=${HASH}`, headers });
    expect(answer.statusCode).toBe(404);
  });
});
