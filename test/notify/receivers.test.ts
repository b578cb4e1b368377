import { createHmac } from 'node:crypto';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NOTICE_KINDS, type Standing } from '../../src/core/notifying/standing.ts';
import { Secret } from '../../src/core/secret.ts';
import { composeMessage } from '../../src/notify/message.ts';
import { createReceiver, type Way } from '../../src/notify/receivers.ts';
import { revision } from '../builders.ts';
import { type StubMailOptions, stubMailServer } from './stub-mail-server.ts';
import { stubReceiver } from './stub-receiver.ts';

const HOSTILE =
  '<!channel> @here @all <http://evil|click> ![x](http://evil/y.png) **b**\r\nBcc: a@b &amp; `c`';
const FAILED: Standing = {
  kind: 'failed',
  host: 't01',
  subject: 'web',
  reason: 'create: E_LIBVIRT no space',
  commit: revision('c0ffee0000000000', { subject: HOSTILE, author: 'Ann' }),
  since: '2026-03-01T12:00:00.000Z',
};
const PASSWORD = 'canary-password-4711';

function send(way: Way, notices: readonly Standing[] = [FAILED], timeoutMs = 10_000) {
  const { deliver } = createReceiver({ name: 'ops', way, interest: { events: NOTICE_KINDS }, delayMs: 0 });
  return deliver(composeMessage('ops', 'lab', notices), AbortSignal.timeout(timeoutMs));
}

function mailWay(port: number, changes: Partial<Extract<Way, { kind: 'smtp' }>> = {}): Way {
  return {
    kind: 'smtp',
    host: '127.0.0.1',
    port,
    tls: 'none',
    login: undefined,
    from: 'KVM <kvm@example.org>',
    to: ['ops@example.org', 'Ann <ann@example.org>'],
    ...changes,
  };
}
const login = { user: 'kvm', password: new Secret(PASSWORD) };

describe('a webhook', () => {
  it.each([
    ['a text', 'hush-hush', Buffer.from('hush-hush')],
    ['whsec_ and base64', `whsec_${Buffer.from('0123456789').toString('base64')}`, Buffer.from('0123456789')],
  ])('is signed over id, time and body, by a key that is %s', async (_what, secret, key) => {
    const { url, deliveries } = await stubReceiver();
    const way: Way = { kind: 'webhook', url: new Secret(url), secret: new Secret(secret) };
    expect(await send(way)).toEqual({ kind: 'done' });
    const { headers, body } = deliveries[0] ?? { headers: {}, body: '' };
    const [id, time] = [String(headers['webhook-id']), String(headers['webhook-timestamp'])];
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64')}`,
    );
    expect(Math.abs(Date.now() / 1000 - Number(time))).toBeLessThan(60);
    expect(headers['content-type']).toBe('application/json');
  });

  it('says what happened to which VM, since when, and by which commit', async () => {
    const { url, deliveries } = await stubReceiver();
    await send({ kind: 'webhook', url: new Secret(url), secret: undefined });
    expect(deliveries[0]?.headers).not.toHaveProperty('webhook-signature');
    expect(JSON.parse(deliveries[0]?.body ?? '')).toMatchObject({
      type: 'kvm-gitops.notice',
      timestamp: FAILED.since,
      data: {
        v: 1,
        cluster: 'lab',
        notices: [{ kind: 'failed', host: 't01', subject: 'web', commit: { author: 'Ann' } }],
      },
    });
  });

  it('has the same id for the same news, and another one for others', async () => {
    const { url, deliveries } = await stubReceiver({ status: 500 });
    const way: Way = { kind: 'webhook', url: new Secret(url), secret: undefined };
    expect(await send(way)).toMatchObject({ kind: 'again' });
    await send(way);
    await send(way, [{ ...FAILED, since: '2026-03-01T13:00:00.000Z' }]);
    const [first, again, other] = deliveries.map(({ headers }) => headers['webhook-id']);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('shows no secret that a host has put into its error', async () => {
    const { url, deliveries } = await stubReceiver();
    const reason = 'clone of https://bob:hunter2@forge/x.git failed, password=hunter2';
    await send({ kind: 'webhook', url: new Secret(url), secret: undefined }, [{ ...FAILED, reason }]);
    expect(deliveries[0]?.body).not.toContain('hunter2');
  });

  it.each([
    ['is broken', { status: 503 }, 'again'],
    ['has had enough', { status: 429 }, 'again'],
    ['hangs up', 'hang up', 'again'],
    ['leads elsewhere', { status: 307, headers: { location: 'http://127.0.0.1:1/' } }, 'again'],
    ['denies us', { status: 401 }, 'denied'],
    ['is gone', { status: 410 }, 'denied'],
  ] as const)('that %s is not told, and its URL is no part of why', async (_what, answer, kind) => {
    const { url } = await stubReceiver(answer);
    const verdict = await send({ kind: 'webhook', url: new Secret(url), secret: undefined });
    expect(verdict).toMatchObject({ kind });
    expect(JSON.stringify(verdict)).not.toContain('canary');
  });

  it('says when it wants to be asked again', async () => {
    const { url } = await stubReceiver({ status: 429, headers: { 'retry-after': '7' } });
    const verdict = await send({ kind: 'webhook', url: new Secret(url), secret: undefined });
    expect(verdict).toMatchObject({ kind: 'again', afterMs: 7000 });
  });

  it('that never answers is given up in time', async () => {
    const { url } = await stubReceiver('silence');
    const verdict = await send({ kind: 'webhook', url: new Secret(url), secret: undefined }, [FAILED], 100);
    expect(verdict).toEqual({ kind: 'again', why: 'no answer in time' });
  });
});

describe('a chat', () => {
  async function textFor(kind: 'slack' | 'mattermost'): Promise<string> {
    const { url, deliveries } = await stubReceiver();
    expect(await send({ kind, url: new Secret(url) })).toEqual({ kind: 'done' });
    const body: { text: string } = JSON.parse(deliveries[0]?.body ?? '');
    return body.text;
  }

  it.each(['slack', 'mattermost'] as const)(
    'of %s calls nobody, whatever a commit is named',
    async (kind) => {
      const text = await textFor(kind);
      expect(text).not.toMatch(/@(?:here|all|channel)/);
      expect(text).not.toMatch(/(?<!\\)<[!@#h]/);
      expect(text.split('\n')).toHaveLength(2);
    },
  );

  it('of Slack has no link and no markup', async () => {
    const text = await textFor('slack');
    expect(text).toContain('&lt;!channel&gt;');
    expect(text).toContain('&amp;amp;');
  });

  it('of Mattermost shows no picture, no link and no bold text', async () => {
    const text = await textFor('mattermost');
    expect(text).toContain('\\!\\[x\\]\\(http\\:\\/\\/evil');
    expect(text).toContain('\\*\\*b\\*\\*');
  });
});

describe('a mail', () => {
  it('says it as plain text, to everybody, and is no more than one', async () => {
    const { port, mails } = await stubMailServer();
    expect(await send(mailWay(port))).toEqual({ kind: 'done' });
    expect(mails).toMatchObject([{ from: 'kvm@example.org', to: ['ops@example.org', 'ann@example.org'] }]);
    const [head = '', text = ''] = (mails[0]?.text ?? '').split('\r\n\r\n');
    expect(head).toContain('Subject: kvm-gitops lab: 1 failed');
    expect(head).toContain('Auto-Submitted: auto-generated');
    expect(head).toMatch(/^Content-Type: text\/plain/m);
    expect(head).not.toMatch(/^Bcc/im);
    expect(text.replaceAll(/=\r\n/g, '')).toContain('failed: web on t01: create: E_LIBVIRT no space');
  });

  it('that is refused for one of several is a problem, and the others have it', async () => {
    const { port, mails } = await stubMailServer({
      onRcptTo: ({ address }, _session, callback) =>
        callback(address.startsWith('ann') ? new Error('no such user') : null),
    });
    expect(await send(mailWay(port))).toEqual({ kind: 'done', problem: 'refused for ann@example.org' });
    expect(mails).toMatchObject([{ to: ['ops@example.org'] }]);
  });

  it('logs in where it is told to', async () => {
    const { port, mails } = await stubMailServer({ password: PASSWORD, allowInsecureAuth: true });
    expect(await send(mailWay(port, { login }))).toEqual({ kind: 'done' });
    expect(mails).toMatchObject([{ user: 'kvm' }]);
  });

  it('that is denied is denied, and the server says our password back in vain', async () => {
    const { port } = await stubMailServer({ password: 'another', allowInsecureAuth: true });
    const verdict = await send(mailWay(port, { login }));
    expect(verdict).toEqual({ kind: 'denied', why: 'EAUTH 535' });
  });

  it.each<{ what: string; options: StubMailOptions; tls: 'starttls' | 'tls'; kind: string }>([
    {
      what: 'has no STARTTLS',
      options: { disabledCommands: ['STARTTLS'] },
      tls: 'starttls',
      kind: 'denied',
    },
    { what: 'has a certificate that nobody knows', options: {}, tls: 'starttls', kind: 'again' },
    {
      what: 'has such a certificate from the start',
      options: { secure: true },
      tls: 'tls',
      kind: 'again',
    },
  ])('is not sent, nor the password, to a server that $what', async ({ options, tls, kind }) => {
    const { port, mails, passwords } = await stubMailServer({
      ...options,
      password: PASSWORD,
      allowInsecureAuth: true,
    });
    expect(await send(mailWay(port, { tls, login }))).toMatchObject({ kind });
    expect([mails, passwords]).toEqual([[], []]);
  });

  it.each([
    [451, 'again'],
    [554, 'denied'],
  ] as const)('that the server answers with %i is tried %s', async (refuseWith, kind) => {
    const { port } = await stubMailServer({ refuseWith });
    expect(await send(mailWay(port))).toMatchObject({ kind });
  });

  it('is given up in time where the server never speaks', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void silent.close());
    const address = silent.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    expect(await send(mailWay(address.port), [FAILED], 200)).toMatchObject({ kind: 'again' });
  });
});
