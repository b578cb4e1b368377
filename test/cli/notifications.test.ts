import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { writtenConfig } from '../../src/config/schema.ts';
import { serveHttp } from '../git/http-remote.ts';
import { stubMailServer } from '../notify/stub-mail-server.ts';
import { type Answer, type StubReceiver, stubReceiver } from '../notify/stub-receiver.ts';
import { CLUSTER_YAML, manifest, type Running, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const BROKEN: Answer = { status: 503 };
const CANARY = 'canary-4711-of';

/** A secret that is found wherever it leaks, in a file for its owner; the path of that. */
function secretFile(name: string, secret = `${CANARY}-${name}-0123456789`): string {
  const path = join(site.dir, name);
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return path;
}

/** By its key in operator.yaml: what is written there, a secret in it or in its file. */
async function everyCredential(receivers: readonly StubReceiver[], mailPort: number) {
  site.git('--git-dir', site.remote, 'config', 'http.receivepack', 'true');
  const [status, hook, slack, mattermost] = receivers;
  const { url: remote } = await serveHttp(site.remote, { token: `${CANARY}-git-0123456789` });
  const mail = {
    host: 'localhost',
    port: mailPort,
    tls: 'starttls',
    from: 'kvm@example.org',
    to: ['ops@example.org'],
  };
  return {
    git: { remote, token: { file: secretFile('git') } },
    ssh: {
      key: site.simulator.operatorKey,
      knownHosts: site.simulator.knownHosts,
      passphraseFile: secretFile('passphrase'),
    },
    guests: { key: secretFile('guest-key') },
    secrets: { folder: join(site.dir, 'secrets'), ageKey: secretFile('age') },
    http: { listen: `127.0.0.1:${site.port}`, adminToken: { file: secretFile('admin') } },
    webhook: { forge: 'github', secret: { file: secretFile('webhook') } },
    commitStatus: {
      forge: 'github',
      api: status?.url.replace(/\/hook\/.*/, ''),
      repository: 'acme/manifests',
      token: { file: secretFile('status') },
    },
    notifications: [
      {
        name: 'hook',
        kind: 'webhook',
        url: { file: secretFile('hook-url', hook?.url) },
        secret: { file: secretFile('hook') },
      },
      { name: 'slack', kind: 'slack', url: { file: secretFile('slack-url', slack?.url) } },
      {
        name: 'mattermost',
        kind: 'mattermost',
        url: { file: secretFile('mattermost-url', mattermost?.url) },
      },
      { name: 'mail', kind: 'smtp', ...mail, user: 'kvm', password: { file: secretFile('mail') } },
    ].map((receiver) => ({ ...receiver, delay: '1ms' })),
  };
}

/** Keys of operator.yaml whose value is a secret in a file or the environment. */
function secretKeys(schema: z.core.JSONSchema.JSONSchema, path: readonly string[] = []): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return [];
    const key = [...path, name];
    const { items, anyOf = [] } = property;
    const isPlace = (one: unknown) =>
      typeof one === 'object' &&
      one !== null &&
      'properties' in one &&
      Object.keys(one.properties ?? {}).includes('env');
    if ([property, ...anyOf].some(isPlace)) return [key];
    return secretKeys(typeof items === 'object' && !Array.isArray(items) ? items : property, key);
  });
}

/** Whether something is written at a key; of a list, in any item. */
function isWritten(value: unknown, [first, ...rest]: readonly string[]): boolean {
  if (Array.isArray(value)) return value.some((item) => isWritten(item, [first ?? '', ...rest]));
  if (first === undefined) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    first in value &&
    isWritten(Reflect.get(value, first), rest)
  );
}

/** A certificate for `localhost`, and the authority that the program is told to trust: itself. */
function certificate() {
  const [key, cert] = [join(site.dir, 'mail-key.pem'), join(site.dir, 'mail-cert.pem')];
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', [...args, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { key: readFileSync(key), cert: readFileSync(cert), file: cert };
}

async function get(path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${site.port}${path}`);
  return answer.text();
}

async function send(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const body = '{"ref":"refs/heads/main"}';
  const url = `http://127.0.0.1:${site.port}${path}`;
  const { status } = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  return status;
}

function everyFileOfTheState(): string[] {
  return readdirSync(site.state, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
}

/** What a receiver was told, in one text. */
const textOf = ({ deliveries }: StubReceiver) => deliveries.map(({ body }) => body).join('\n');

describe('an operator with a secret in every credential', () => {
  it('tells everybody of what breaks and mends, and shows no secret to anybody', {
    timeout: 120_000,
  }, async () => {
    const receivers = await Promise.all([
      stubReceiver(),
      stubReceiver(BROKEN),
      stubReceiver(BROKEN),
      stubReceiver(BROKEN),
    ]);
    const [, hook, slack, mattermost] = receivers;
    const { file: ca, ...pair } = certificate();
    const server = await stubMailServer({ ...pair, password: `${CANARY}-mail-0123456789` });
    const credentials = await everyCredential(receivers, server.port);
    const config = site.configWith((text) => {
      const hosts = /^hosts:\n(?: {2}.*\n)+/m.exec(text)?.[0] ?? '';
      return `state: ./state\n${hosts}${Object.entries(credentials)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
        .join('')}log: { level: debug }\n`;
    });
    const schema = writtenConfig({ folder: '/', env: {}, home: '/' });
    const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
    const missing = secretKeys(json).filter((key) => !isWritten(credentials, key));
    expect(missing).toEqual([]);

    const env = { NODE_EXTRA_CA_CERTS: ca };
    const first = site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
    const operator: Running = site.start(['--config', config, 'run'], env);
    onTestFinished(() => void operator.child.kill('SIGKILL'));
    await operator.says('a receiver of notifications cannot be told');
    await vi.waitFor(() => expect(server.mails).toHaveLength(1), 20_000);
    expect(server.mails[0]).toMatchObject({ isEncrypted: true, user: 'kvm' });
    await vi.waitFor(
      () => {
        for (const one of [hook, slack, mattermost]) expect(textOf(one)).toContain(first.slice(0, 12));
      },
      { timeout: 20_000 },
    );

    const wrong = site.commit('Wrong', { [WEB]: manifest('t09', 'web-1') });
    expect(await send('/webhook', { 'x-hub-signature-256': 'sha256=00' })).toBe(401);
    const right = createHmac('sha256', `${CANARY}-webhook-0123456789`)
      .update('{"ref":"refs/heads/main"}')
      .digest('hex');
    expect(
      await send('/webhook', { 'x-github-event': 'push', 'x-hub-signature-256': `sha256=${right}` }),
    ).toBe(202);
    expect(await send('/api/resume', { authorization: 'Bearer nobody' })).toBe(401);
    expect(await send('/api/resume', { authorization: `Bearer ${CANARY}-admin-0123456789` })).toBe(400);
    await vi.waitFor(
      () => {
        for (const one of [hook, slack, mattermost]) expect(textOf(one)).toContain(wrong.slice(0, 12));
        expect(server.mails.at(-1)?.text).toContain('1 refused');
      },
      { timeout: 20_000 },
    );
    expect(textOf(hook)).toContain('"kind":"refused"');

    const outputs = [await get('/metrics'), await get('/api/status'), await get('/readyz')];
    for (const args of [['status'], ['status', '--json'], ['log'], ['plan'], ['config', 'check', '--notify']])
      outputs.push(...Object.values(await site.run(['--config', config, ...args], env)).map(String));
    expect(outputs.join('\n')).toContain('notifications to mail by smtp (localhost');
    expect(server.mails.at(-1)?.text).toContain('a test of notifications');
    operator.child.kill('SIGTERM');
    const { stdout, stderr } = await operator.finished;
    const notes = site.git('--git-dir', site.remote, 'log', '--all', '-p', '--notes=kvm-gitops');
    const key = readFileSync(site.simulator.operatorKey, 'utf8').split('\n')[2] ?? '';
    const all = [stdout, stderr, notes, ...outputs, ...everyFileOfTheState(), ...receivers.map(textOf)].join(
      '\n',
    );
    expect(all).toContain('applied');
    for (const secret of [
      CANARY,
      'canary-url',
      Buffer.from(`\0kvm\0${CANARY}`).toString('base64').slice(0, 20),
      key,
    ])
      expect(all).not.toContain(secret);
  });

  it('does a commit though nobody can be told, and says at its end who was not', async () => {
    const hook = await stubReceiver(...Array.from({ length: 99 }, () => ({ status: 403 })));
    const config = site.configWith(
      (text) => `${text}notifications: [{ name: hook, kind: webhook, url: "${hook.url}" }]\n`,
    );
    site.commit('Back', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1', 'web-2') });
    const { code, stderr } = await site.run(['--config', config, 'reconcile', '--once']);
    expect(code).toBe(0);
    expect(site.simulator.host('t01').host.isRunning('web-2')).toBe(true);
    expect(stderr).toContain('hook was not notified of');
    expect(stderr).not.toContain('canary');
    hook.answers.length = 0;
    expect(await site.run(['--config', config, 'reconcile', '--once'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(textOf(hook)).toContain('"kind":"applied"');
    const told = hook.deliveries.length;
    expect(await site.run(['--config', config, 'reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(hook.deliveries).toHaveLength(told);
  });

  it('names the commit that took a VM out of git, and not the one that is applied with it', async () => {
    const hook = await stubReceiver();
    const config = site.configWith(
      (text) => `${text}notifications: [{ name: who, kind: webhook, url: "${hook.url}", vms: [web-1] }]\n`,
    );
    const guarded = manifest('t01', 'web-1').replace('memoryGb: 0.5', 'memoryGb: 0.5, protect: true');
    site.commit('Guard', { [WEB]: guarded });
    expect(await site.run(['--config', config, 'reconcile', '--once'])).toMatchObject({ code: 0 });
    const taken = site.commit('Take out', { [WEB]: manifest('t02', 'web-3') });
    site.commit('Another', { [WEB]: manifest('t02', 'web-3', 'web-4') });
    expect(await site.run(['--config', config, 'reconcile', '--once'])).toMatchObject({ code: 1 });
    const notices = hook.deliveries.flatMap(({ body }) => {
      const { data }: { data: { notices: object[] } } = JSON.parse(body);
      return data.notices;
    });
    expect(notices.at(-1)).toMatchObject({
      kind: 'held',
      subject: 'web-1',
      because: 'guard',
      reason: expect.stringContaining('kvm-gitops confirm '),
      commit: { sha: taken, subject: 'Take out' },
    });
  });
});
