import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { errorMessage } from '../../src/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'kg-config-'));
const file = join(dir, 'operator.yaml');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ENV = {
  HOME: '/home/kate',
  CHAT: 'https://hooks.example.org/canary',
  PLAIN: 'http://hooks.example.org/canary',
  NO_URL: 'canary',
  LOGIN: 'https://canary:canary@hooks.example.org/',
  PW: 'canary',
};
const BASE = 'git: {remote: /srv/vms.git}\nssh: {key: id}\nhosts: {t01: {address: 10.0.0.1}}\n';

function load(...receivers: readonly string[]) {
  writeFileSync(file, `${BASE}notifications:\n${receivers.map((one) => `  - {${one}}\n`).join('')}`);
  return loadConfig(file, ENV).notifications;
}
const mail = (more: string) => `name: m, kind: smtp, from: a@b.org, to: [c@d.org]${more}`;

describe('notifications in operator.yaml', () => {
  it('fill in everything and the usual port, and show no secret', () => {
    const [chat, post] = load(
      'name: c, kind: slack, url: {env: CHAT}',
      mail(', host: mx, user: u, password: {env: PW}'),
    );
    expect(chat).toMatchObject({
      name: 'c',
      delayMs: 10_000,
      interest: { events: expect.arrayContaining(['failed', 'applied']) },
    });
    expect(post?.way).toMatchObject({ kind: 'smtp', port: 587, tls: 'starttls', login: { user: 'u' } });
    expect(inspect([chat, post], { depth: 9 }) + JSON.stringify([chat, post])).not.toContain('canary');
  });

  it.each([
    ['name: w, kind: webhook, url: "https://hooks.example.org/x"'],
    ['name: w, kind: webhook, url: "http://localhost:9/x", secret: {env: PW}'],
    [mail(', host: localhost, tls: none')],
    [mail(', host: mx, tls: tls').replace('a@b.org', '"KVM <a@b.org>"')],
  ])('may be {%s}', (receiver) => {
    expect(load(receiver)).toHaveLength(1);
  });

  it.each([
    ['name: c, kind: slack', 'notifications.0.url is missing: slack posts to a URL'],
    [
      'name: c, kind: slack, url: "https://hooks.example.org/canary"',
      'notifications.0.url: that of slack is a secret',
    ],
    [
      'name: c, kind: mattermost, url: {env: CHAT}, secret: {env: PW}',
      'notifications.0.secret: only a webhook is signed',
    ],
    [
      'name: c, kind: slack, url: {env: CHAT}, host: mx',
      'notifications.0.host: only smtp has one, and this is slack',
    ],
    ['name: c, kind: slack, url: {env: PLAIN}', 'notifications.0.url: expected https'],
    ['name: c, kind: slack, url: {env: NO_URL}', 'notifications.0.url: expected a URL'],
    ['name: c, kind: slack, url: {env: LOGIN}', 'notifications.0.url: it holds a user or a password'],
    ['name: c, kind: slack, url: {env: NOT_SET}', 'notifications.0.url: the variable NOT_SET is not set'],
    [
      'name: w, kind: webhook, url: "https://x", secret: canary',
      'notifications.0.secret: a secret is never written here',
    ],
    ['name: w, kind: pigeon', 'notifications.0.kind: expected one of'],
    ['name: w, kind: webhook, url: "https://x", events: [died]', 'notifications.0.events.0: expected one of'],
    [
      'name: w, kind: webhook, url: "https://x", event: [failed]',
      'unknown key "event" in notifications.0; did you mean "events"?',
    ],
    [mail(''), 'notifications.0.host is missing: smtp needs a mail server'],
    [mail(', host: mx, url: "https://x"'), 'notifications.0.url: smtp has a host and a port instead'],
    [
      mail(', host: mx, tls: none'),
      'notifications.0.tls: none is only for a server on this machine, and mx is another',
    ],
    [mail(', host: mx, user: u'), 'notifications.0.password is missing: a login has a user and a password'],
    [
      mail(', host: mx').replace('c@d.org', '"c@d.org, e@f.org"'),
      'notifications.0.to.0: expected a mail address',
    ],
    [
      mail(', host: mx').replace('a@b.org', '"a\\nBcc: x@y.z <a@b.org>"'),
      'notifications.0.from: expected a mail address',
    ],
  ])('are refused as {%s}, and nothing secret is repeated', (receiver, mistake) => {
    const said = messageOf(receiver);
    expect(said).toContain(mistake);
    expect(said).not.toContain('canary');
    expect(said).toMatch(/operator\.yaml:\d+:\d+: /);
  });

  it('have each a name of its own', () => {
    const one = 'name: c, kind: slack, url: {env: CHAT}';
    expect(messageOf(one, one)).toContain(':6:12: notifications.1.name: two have the name c');
  });
});

function messageOf(...receivers: readonly string[]): string {
  try {
    load(...receivers);
  } catch (error) {
    return errorMessage(error);
  }
  return 'it was taken';
}
