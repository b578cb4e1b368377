import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fingerprint, knownHostsProblems, knownKeys } from '../../src/hosts/known-hosts.ts';
import { hasSshd, makeKey, publicKey, startSshd } from './sshd.ts';

const KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIMy1iWQ7y8ShmpZ1c7H1kZfbH6o9d8R0m2QfI3rJxw7P';
const LINE = `ssh-ed25519 ${KEY}`;

describe('knownKeys', () => {
  it.each([
    { names: 'kvm-a', host: 'kvm-a', port: 22, found: true },
    { names: 'KVM-A', host: 'kvm-a', port: 22, found: true },
    { names: 'kvm-a', host: 'KVM-A', port: 22, found: true },
    { names: 'kvm-a', host: 'kvm-ab', port: 22, found: false },
    { names: 'kvm-a', host: 'kvm-a', port: 2222, found: false },
    { names: '[kvm-a]:2222', host: 'kvm-a', port: 2222, found: true },
    { names: '[kvm-a]:2222', host: 'kvm-a', port: 22, found: false },
    { names: '[kvm-a]:2222', host: 'kvm-a', port: 2223, found: false },
    { names: 'kvm-b,10.0.0.1', host: '10.0.0.1', port: 22, found: true },
    { names: 'fd00::1', host: 'fd00::1', port: 22, found: true },
    { names: '[fd00::1]:2222', host: 'fd00::1', port: 2222, found: true },
    { names: '*.example', host: 'kvm-a.example', port: 22, found: true },
    { names: '*.example', host: 'example', port: 22, found: false },
    { names: 'kvm-?', host: 'kvm-a', port: 22, found: true },
    { names: 'kvm-?', host: 'kvm-', port: 22, found: false },
    { names: 'k*m-*', host: 'kvm-a', port: 22, found: true },
    { names: '*', host: 'anything', port: 2222, found: true },
    { names: '*.example,!kvm-a.example', host: 'kvm-a.example', port: 22, found: false },
    { names: '!kvm-a.example,*.example', host: 'kvm-a.example', port: 22, found: false },
    { names: '!kvm-a.example,*.example', host: 'kvm-b.example', port: 22, found: true },
    { names: '!kvm-a', host: 'kvm-b', port: 22, found: false },
    { names: '10.0.0.?', host: '10x0y0z1', port: 22, found: false },
  ])('$names is for $host port $port: $found', ({ names, host, port, found }) => {
    expect(knownKeys(`${names} ${LINE}`, host, port).keys).toHaveLength(found ? 1 : 0);
  });

  it('gives each key with its type and its line, past comments and blank lines', () => {
    const text = `# lab\n\n  kvm-a ${LINE} root@kvm-a\r\nkvm-b ${LINE}\n`;
    expect(knownKeys(text, 'kvm-a', 22)).toEqual({
      keys: [{ type: 'ssh-ed25519', base64: KEY, line: 3 }],
      revoked: [],
      authorities: [],
    });
  });

  it('keeps revoked keys and certificate authorities apart from the keys that count', () => {
    const known = knownKeys(`@revoked * ${LINE}\n@cert-authority *.example ${LINE}`, 'kvm-a.example', 22);
    expect(known.keys).toEqual([]);
    expect(known.revoked.map(({ line }) => line)).toEqual([1]);
    expect(known.authorities.map(({ line }) => line)).toEqual([2]);
  });

  it.each([
    ['kvm-a', 'expected: names, key type, key'],
    ['kvm-a ssh-ed25519', 'expected: names, key type, key'],
    ['kvm-a ssh-ed25519 not*base64', 'the key is not base64'],
    [`kvm-a ssh-rsa ${KEY}`, 'the key is not of type ssh-rsa'],
    [`kvm-a ssh-ed25519 ${KEY.slice(0, 4)}`, 'the key is not of type ssh-ed25519'],
    ['kvm-a 1024 35 1234567890', 'the key is not base64'],
    [`@banned kvm-a ${LINE}`, 'unknown marker @banned'],
    [`|1|short ${LINE}`, 'malformed hashed name'],
    [`|2|AAAA|AAAA ${LINE}`, 'malformed hashed name'],
  ])('reports %j and reads the rest', (bad, message) => {
    const text = `${bad}\nkvm-a ${LINE}\n`;
    expect(knownHostsProblems(text)).toEqual([{ line: 1, message }]);
    expect(knownKeys(text, 'kvm-a', 22).keys.map(({ line }) => line)).toEqual([2]);
  });

  it('needs no long time for a pattern full of stars', () => {
    const names = `${'*a'.repeat(500)}b`;
    expect(knownKeys(`${names} ${LINE}`, 'a'.repeat(2000), 22).keys).toEqual([]);
  });
});

describe('knownKeys on files that OpenSSH made', () => {
  const dir = mkdtempSync(join(tmpdir(), 'kg-known-'));
  const key = publicKey(`${makeKey(join(dir, 'id'), 'ed25519')}.pub`);
  const base64 = key.split(' ')[1];
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const file = join(dir, 'known_hosts');
  beforeAll(() => {
    writeFileSync(file, `kvm-a,10.0.0.1 ${key}\n[kvm-a]:2222 ${key}\n@revoked kvm-old ${key}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
  });

  it.each([
    ['kvm-a', 22],
    ['10.0.0.1', 22],
    ['kvm-a', 2222],
  ] as const)('finds the hashed entry of %s port %d, as ssh-keygen -F does', (host, port) => {
    const name = port === 22 ? host : `[${host}]:${port}`;
    expect(execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8' })).toContain(base64);
    expect(readFileSync(file, 'utf8')).not.toContain(host);
    expect(knownKeys(readFileSync(file, 'utf8'), host, port).keys.map((found) => found.base64)).toEqual([
      base64,
    ]);
  });

  it('finds nothing for a host that is not there', () => {
    const known = knownKeys(readFileSync(file, 'utf8'), 'kvm-b', 22);
    expect(known).toMatchObject({ keys: [], revoked: [] });
  });

  it('computes the fingerprint that ssh-keygen -l prints', () => {
    const printed = execFileSync('ssh-keygen', ['-lf', join(dir, 'id.pub')], { encoding: 'utf8' });
    expect(printed).toContain(fingerprint(Buffer.from(base64 ?? '', 'base64')));
  });

  it.skipIf(!hasSshd)('reads what ssh-keyscan writes of a real server', async () => {
    const sshd = await startSshd({ hostKeyTypes: ['ed25519', 'rsa', 'ecdsa'] });
    try {
      const args = ['-p', `${sshd.port}`, '127.0.0.1'];
      const scanned = execFileSync('ssh-keyscan', args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const found = knownKeys(scanned, '127.0.0.1', sshd.port);
      expect(knownHostsProblems(scanned)).toEqual([]);
      expect(found.keys.map((one) => `${one.type} ${one.base64}`).toSorted()).toEqual(
        sshd.hostKeys.toSorted(),
      );
    } finally {
      await sshd.stop();
    }
  });
});
