import { describe, expect, it } from 'vitest';
import { checkBranch, checkFolder, parseRemote } from '../../src/git/remote.ts';

describe('parseRemote', () => {
  it.each([
    ['ssh://git@git.example.org:2222/infra.git', 'ssh'],
    ['ssh://git@[::1]/infra.git', 'ssh'],
    ['git@git.example.org:team/infra.git', 'ssh'],
    ['git.example.org:infra.git', 'ssh'],
    ['https://git.example.org/team/infra.git', 'https'],
    ['https://me@git.example.org/infra.git', 'https'],
    ['http://localhost:3000/infra.git', 'http'],
    ['http://127.0.0.1/infra.git', 'http'],
    ['file:///srv/git/infra.git', 'local'],
    ['/srv/git/infra.git', 'local'],
  ])('takes %s', (address, kind) => {
    expect(parseRemote(address).kind).toBe(kind);
  });

  it('makes file:// a path', () => {
    expect(parseRemote('file:///srv/a%20b')).toEqual({ kind: 'local', url: '/srv/a b', path: '/srv/a b' });
  });

  it.each([
    ['https://me:canary@git.example.org/x.git', /password/],
    ['ssh://git:canary@git.example.org/x.git', /password/],
    ['https://git.example.org/x.git?private_token=canary', /\? or #/],
    ['http://git.example.org/x.git', /use https/],
    ['http://localhost.example.org/x.git', /use https/],
    ['git://git.example.org/x.git', /not allowed/],
    ['ftp://git.example.org/x.git', /not allowed/],
    ['ext::sh -c touch% /tmp/canary', /spaces/],
    ['ext::sh', /remote helpers/],
    ['fd::17', /remote helpers/],
    ['--upload-pack=canary', /starts with/],
    ['', /empty/],
    ['ssh://-oProxyCommand=canary/x', /host/],
    ['-oProxyCommand=canary:x', /starts with/],
    ['git@-oProxyCommand=canary:x', /host/],
    ['-canary@host:x', /starts with/],
    ['git@host:-canary', /path starts/],
    ['ssh://git@ho%73t%0a/x', /host/],
    ['file://server/share', /no host/],
    ['../infra.git', /neither/],
    ['infra', /neither/],
    ['/srv/git\n/x', /control/],
  ])('refuses %j without repeating a secret', (address, why) => {
    const attempt = (): unknown => parseRemote(address);
    expect(attempt).toThrow(why);
    expect(attempt).not.toThrow(/:canary@|token=canary/);
  });
});

describe('checkBranch', () => {
  it.each(['main', 'release/2.0', 'user@x', 'a_b-c', 'v1.0+2'])('takes %s', (branch) => {
    expect(checkBranch(branch)).toBe(branch);
  });

  it.each([
    '',
    '-x',
    'a..b',
    'a b',
    'a:b',
    'a~1',
    'a^',
    'a*',
    'a/',
    '/a',
    'a.lock',
    'a/.b',
    'a//b',
    '@{1}',
    'a\nb',
    'a.',
  ])('refuses %j', (branch) => {
    expect(() => checkBranch(branch)).toThrow(/not the name of a git branch/);
  });
});

describe('checkFolder', () => {
  it.each([
    ['', ''],
    ['.', ''],
    ['/', ''],
    ['prod/', 'prod'],
    ['./a/b', 'a/b'],
  ])('reads %j as %j', (folder, clean) => {
    expect(checkFolder(folder)).toBe(clean);
  });

  it.each(['../x', 'a/../b', 'a:b', '-x', 'a\0b', '..'])('refuses %j', (folder) => {
    expect(() => checkFolder(folder)).toThrow(/not a folder/);
  });
});
