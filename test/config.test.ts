import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.ts';
import { OperatorError } from '../src/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'kg-config-'));
const env = { HOME: '/home/kate' };
const file = join(dir, 'operator.yaml');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const GIT = 'git: {remote: /srv/vms.git}\n';
const SSH = 'ssh: {key: id}\n';
const HOSTS = 'hosts: {t01: {address: 10.0.0.1}}\n';

function load(text: string, more: Readonly<Record<string, string>> = {}) {
  writeFileSync(file, text);
  return loadConfig(file, { ...env, ...more });
}
const withToken = (place: string) => `git: {remote: 'https://forge/x.git', token: ${place}}\n${SSH}${HOSTS}`;
/** What is wrong with a config, a line each, without the file's name. */
function mistakes(text: string, more: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    load(text, more);
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'E_CONFIG_INVALID') throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim().replace(`${file}:`, ''));
  }
  return [];
}
function secretFile(name: string, content: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe('loadConfig', () => {
  it('fills in a default for everything but the remote, a login and the hosts', () => {
    expect(load(GIT + SSH + HOSTS)).toEqual({
      file,
      stateDir: '/var/lib/kvm-gitops',
      secrets: {},
      guests: { user: 'root', throughHost: false, timeoutMs: 30_000 },
      git: {
        remote: '/srv/vms.git',
        branch: 'main',
        allowRewind: false,
        verify: undefined,
        path: '',
        credentials: {},
        notes: true,
        notesRef: 'refs/notes/kvm-gitops',
        identity: { name: 'kvm-gitops', email: 'kvm-gitops@localhost' },
        timeoutMs: 60_000,
      },
      hosts: new Map([
        [
          't01',
          {
            name: 't01',
            target: {
              name: 't01',
              address: '10.0.0.1',
              port: 22,
              user: 'root',
              key: join(dir, 'id'),
              knownHosts: '/home/kate/.ssh/known_hosts',
              connectTimeoutMs: 10_000,
              keepaliveMs: 10_000,
            },
            libvirt: { uri: 'qemu:///system', sudo: false },
            migrationAddress: '10.0.0.1',
          },
        ],
      ]),
      pollMs: 60_000,
      driftMs: 300_000,
      concurrency: { hosts: 16, vmsPerHost: 4 },
      shutdownTimeoutMs: 120_000,
      force: 'never',
      http: { listen: { host: '127.0.0.1', port: 8080 } },
      notifications: [],
      logLevel: 'info',
    });
  });

  it('lets a host say otherwise than ssh, field by field', () => {
    const { hosts } = load(
      `${GIT}ssh: {user: kvm, key: id, knownHosts: known, keepalive: 5s, jump: {address: bastion, user: j}}
hosts:
  t01: {address: a, user: admin, key: ~/k, agent: true, connectTimeout: 2s, sudo: true, virtType: qemu}
  t02: {address: b, direct: true, socket: /srv/sock, libvirtUri: test:///default}
  t03: {address: c, port: 2222, jump: {address: other, port: 24}}`,
      { SSH_AUTH_SOCK: '/run/agent' },
    );
    expect(hosts.get('t01')).toMatchObject({
      target: {
        user: 'admin',
        key: '/home/kate/k',
        agentSocket: '/run/agent',
        knownHosts: join(dir, 'known'),
        connectTimeoutMs: 2000,
        keepaliveMs: 5000,
        jump: { name: 't01, jump host', address: 'bastion', port: 22, user: 'j', key: join(dir, 'id') },
      },
      libvirt: { sudo: true },
      virtType: 'qemu',
    });
    expect(hosts.get('t02')).toMatchObject({ libvirt: { uri: 'test:///default', socket: '/srv/sock' } });
    expect(hosts.get('t02')?.target.jump).toBeUndefined();
    expect(hosts.get('t03')?.target.jump).toMatchObject({ address: 'other', port: 24, user: 'kvm' });
  });

  it.each([
    ['ssh://git@forge/vms.git', 'ssh://git@forge/vms.git'],
    ['git@forge:infra/vms.git', 'git@forge:infra/vms.git'],
    ['https://forge/vms.git', 'https://forge/vms.git'],
    ['file:///srv/vms.git', '/srv/vms.git'],
    ['/srv/vms.git', '/srv/vms.git'],
    ['../vms.git', join(dir, '../vms.git')],
    ['vms.git', join(dir, 'vms.git')],
    ['~/vms.git', '/home/kate/vms.git'],
  ])('gives git the remote %s as %s', (remote, url) => {
    expect(load(`git: {remote: '${remote}'}\n${SSH}${HOSTS}`).git.remote).toBe(url);
  });

  it('reports every mistake at once, in the order of the file', () => {
    const text = `state: 5
git:
  remote: /srv/vms.git
  brnch: main
hosts:
  t01: {addres: a, port: 99999}
  "-x": {address: "a b"}
intervals: {poll: 60, drift: 5 minutes}
log: {level: loud}
`;
    expect(mistakes(text)).toEqual([
      '1:8: state: expected string, received number',
      '4:3: unknown key "brnch" in git; did you mean "branch"?',
      '6:8: hosts.t01.address is missing: expected string',
      '6:9: unknown key "addres" in hosts.t01; did you mean "address"?',
      '6:26: hosts.t01.port: Too big: expected number to be <=65535',
      '7:3: hosts.-x: expected a host name: letters, digits, dot, dash, underscore',
      '8:19: intervals.poll: expected a number with ms, s, m or h, as in 60s, up to 24h',
      '8:30: intervals.drift: expected a number with ms, s, m or h, as in 60s, up to 24h; got "5 minutes"',
      '9:14: log.level: expected one of "error"|"warn"|"info"|"debug"',
    ]);
  });

  it.each([
    ['hosts: {}', 'hosts: expected at least one host'],
    ['hosts: {t01: {address: -oProxyCommand=x}}', 'hosts.t01.address: expected a DNS name or an IP address'],
    [
      'hosts: {t01: {address: a, libvirtUri: "qemu+ssh://b/system"}}',
      'hosts.t01.libvirtUri: expected a local URI',
    ],
    ['hosts: {t01: {address: a, socket: sock}}', 'hosts.t01.socket: expected an absolute path on the host'],
    [
      'hosts: {t01: {address: a, agent: true}}',
      'hosts.t01: root@a is to use the ssh-agent, but $SSH_AUTH_SOCK is not set',
    ],
    ['hosts: {t01: {address: a}, t02: {address: A}}', 'hosts.t02: is the same host as t01 (A:22)'],
  ])('refuses %s', (hosts, message) => {
    expect(mistakes(`${GIT}${SSH}${hosts}`).join('\n')).toContain(message);
  });

  it.each([
    [
      'remote: https://u:hunter2@forge/x.git',
      'git.remote: the address of the git remote is wrong: it holds a password',
    ],
    ['remote: "ext::sh -c id"', 'git.remote: the address of the git remote is wrong'],
    ['remote: /x, branch: --upload-pack=x', 'git.branch: "--upload-pack=x" is not the name of a git branch'],
    ['remote: /x, path: ../other', 'git.path: "../other" is not a folder of the repository'],
    ['remote: /x, notesRef: refs/heads/main', 'git.notesRef: "refs/heads/main" is no notes ref'],
  ])('refuses git: {%s}', (git, message) => {
    const [mistake] = mistakes(`git: {${git}}\n${SSH}${HOSTS}`);
    expect(mistake).toContain(message);
    expect(mistake).not.toContain('hunter2');
  });

  it('says that a host has no way to log in', () => {
    expect(mistakes(GIT + HOSTS)).toEqual([
      '2:9: hosts.t01: root@10.0.0.1 has no way to log in: set ssh.key, ssh.agent, or one of them here',
    ]);
  });

  it('reports what is no YAML with its place', () => {
    expect(mistakes('git: {remote: /x\nhosts:')[0]).toMatch(/^\d+:\d+: /);
  });
});

describe('secrets in operator.yaml', () => {
  it.each([
    ['http: {adminToken: hunter2}', 'http.adminToken: a secret is never written here'],
    ['webhook: {secret: hunter2}', 'webhook.secret: a secret is never written here'],
    ['webhook: {secret: {value: hunter2}}', 'unknown key "value" in webhook.secret'],
    ['webhook: {secret: {}}', 'webhook.secret: needs exactly one of file and env'],
    ['webhook: {secret: {env: A, file: b}}', 'webhook.secret: needs exactly one of file and env'],
    ['webhook: {secret: {env: NOT_SET}}', 'webhook.secret: the variable NOT_SET is not set'],
    ['webhook: {secret: {file: nowhere}}', 'webhook.secret: ENOENT'],
    ['ssh: {password: hunter2}', 'a secret is never written here'],
  ])('refuses %s without repeating it', (line, message) => {
    const all = mistakes(`${GIT}${HOSTS}${line}\n`).join('\n');
    expect(all).toContain(message);
    expect(all).not.toContain('hunter2');
  });

  it.each([
    [
      '{forge: gitea, repository: a/b, token: {env: T}}',
      'commitStatus.api is missing: every gitea has its own',
    ],
    [
      '{forge: github, api: "http://h/api", repository: a/b, token: {env: T}}',
      'commitStatus.api: expected https',
    ],
    ['{forge: github, repository: a, token: {env: T}}', 'commitStatus.repository: expected owner/name'],
    ['{forge: github, repository: a/b/c, token: {env: T}}', 'commitStatus.repository: expected owner/name'],
    [
      '{forge: github, repository: a/b, token: hunter2}',
      'commitStatus.token: a secret is never written here',
    ],
  ])('refuses commitStatus: %s', (written, mistake) => {
    expect(mistakes(`${GIT}${SSH}${HOSTS}commitStatus: ${written}`, { T: 'x' })).toEqual([
      expect.stringContaining(mistake),
    ]);
  });

  it('fills in the API of a forge that is one service, and shows its token nowhere', () => {
    const written = 'commitStatus: {forge: gitlab, repository: a/b/c, token: {env: T}}';
    const { commitStatus } = load(`${GIT}${SSH}${HOSTS}${written}`, { T: 'hunter2' });
    expect(commitStatus?.target).toMatchObject({ api: 'https://gitlab.com/api/v4', context: 'kvm-gitops' });
    expect(commitStatus?.token.reveal()).toBe('hunter2');
    expect(inspect(commitStatus)).not.toContain('hunter2');
  });

  const STATUS = 'commitStatus: {forge: github, repository: a/b, token: {env: T}}\n';

  it.each([
    ['pullRequests: {}', '4:1: pullRequests: needs commitStatus'],
    [
      `${STATUS.replace('github', 'bitbucket')}pullRequests: {}`,
      '5:1: pullRequests: commitStatus.forge is bitbucket',
    ],
    [
      `${STATUS}pullRequests: {name: kvm-gitops}`,
      '5:16: pullRequests.name: commitStatus.name is "kvm-gitops"',
    ],
    [`${STATUS}pullRequests: {name: "a --> b"}`, '5:22: pullRequests.name: expected letters'],
    [
      `${STATUS}pullRequests: {confirmers: ["@ann"]}`,
      '5:29: pullRequests.confirmers.0: expected a user name',
    ],
    [`${STATUS}pullRequests: {forks: maybe}`, '5:23: pullRequests.forks: expected boolean'],
  ])('refuses %s', (written, mistake) => {
    expect(mistakes(`${GIT}${SSH}${HOSTS}${written}`, { T: 'x' })).toEqual([
      expect.stringContaining(mistake),
    ]);
  });

  it('plans pull requests on the forge that shows commits, under another name', () => {
    const { pullRequests } = load(`${GIT}${SSH}${HOSTS}${STATUS}pullRequests: {forks: false}`, {
      T: 'hunter2',
    });
    expect(pullRequests).toMatchObject({
      forks: false,
      target: {
        forge: 'github',
        api: 'https://api.github.com',
        repository: 'a/b',
        context: 'kvm-gitops/plan',
      },
    });
    expect(pullRequests?.token.reveal()).toBe('hunter2');
    expect(load(`${GIT}${SSH}${HOSTS}${STATUS}`, { T: 'x' }).pullRequests).toBeUndefined();
  });

  it('says where the webhook secret of old stands now', () => {
    expect(mistakes(`${GIT}${SSH}${HOSTS}http: {webhookSecret: {env: HOOK}}`)).toEqual([
      '4:8: http.webhookSecret is now webhook.secret, and webhook.forge names the forge',
    ]);
  });

  it('refuses a secret file that others can read, and says what to type', () => {
    const path = secretFile('open', 'hunter2', 0o644);
    expect(mistakes(`${GIT}${SSH}${HOSTS}webhook: {secret: {file: open}}`)).toEqual([
      `4:19: webhook.secret: ${path} can be read by others (mode 0644): chmod 600 ${path}`,
    ]);
  });

  it('refuses an admin token that somebody could find by trying', () => {
    const text = `${GIT}${SSH}${HOSTS}http: {adminToken: {env: TOKEN}}`;
    expect(mistakes(text, { TOKEN: 'hunter2' })).toEqual([
      '4:20: http.adminToken: the token has less than 20 characters: take openssl rand -hex 32',
    ]);
    expect(load(text, { TOKEN: 'x'.repeat(20) }).http.adminToken?.reveal()).toHaveLength(20);
  });

  it.each([
    ['of two lines', `first\ncanary-4711\n`, 'has more than one line'],
    ['with a control character', `canary-4711\u0000x`, 'has more than one line, or control characters'],
    ['that no header takes', `canary-4711\u2019s`, 'letters that are not ASCII'],
  ])('refuses a token %s, and does not say it', (_what, content, mistake) => {
    secretFile('token', content);
    const found = mistakes(
      `${GIT}${SSH}${HOSTS}commitStatus: {forge: github, repository: a/b, token: {file: token}}`,
    );
    expect(found).toEqual([expect.stringContaining(mistake)]);
    expect(found[0]).toContain('commitStatus.token');
    expect(found[0]).not.toContain('canary');
  });

  it('refuses an empty secret file', () => {
    const path = secretFile('empty', '\n');
    expect(mistakes(`${GIT}${SSH}${HOSTS}webhook: {secret: {file: empty}}`)[0]).toContain(`${path} is empty`);
  });

  it.each([
    ['file', '{file: hook}', {}],
    ['environment', '{env: HOOK}', { HOOK: 'hunter2' }],
  ])('reads the webhook secret from its %s and shows it nowhere', (_where, place, more) => {
    secretFile('hook', 'hunter2\n');
    const config = load(`${GIT}${SSH}${HOSTS}webhook: {secret: ${place}}`, more);
    expect(config.webhook?.secret.reveal()).toBe('hunter2');
    expect(inspect(config, { depth: 9, showHidden: true })).not.toContain('hunter2');
    expect(JSON.stringify(config)).not.toContain('hunter2');
    expect(String(config.webhook?.secret)).toBe('[secret]');
  });

  it('keeps the place of the git token, so that it can be rotated, and checks that it is there', () => {
    const tokenFile = secretFile('token', 'hunter2');
    expect(load(withToken('{file: token, username: bot}')).git.credentials).toEqual({
      tokenFile,
      username: 'bot',
    });
    expect(load(withToken('{env: TOKEN}'), { TOKEN: 'hunter2' }).git.credentials).toEqual({
      tokenEnv: 'TOKEN',
    });
    expect(mistakes(withToken('{env: TOKEN}'))).toEqual(['1:45: git.token: the variable TOKEN is not set']);
  });
});

describe('where operator.yaml is looked for', () => {
  it('takes the path that is given, then the one in the environment', () => {
    mkdirSync(join(dir, 'a'), { recursive: true });
    const other = join(dir, 'a', 'other.yaml');
    writeFileSync(other, GIT + SSH + HOSTS);
    load(GIT + SSH + HOSTS);
    expect(loadConfig(undefined, { ...env, KVM_GITOPS_CONFIG: other }).file).toBe(other);
    expect(loadConfig(file, { ...env, KVM_GITOPS_CONFIG: other }).file).toBe(file);
  });

  it('names the file that it cannot read', () => {
    const nowhere = join(dir, 'nowhere.yaml');
    expect(() => loadConfig(nowhere, env)).toThrow(
      `the config cannot be read: ENOENT: no such file or directory, open '${nowhere}'`,
    );
  });
});
