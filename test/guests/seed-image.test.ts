import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Secret } from '../../src/core/secret.ts';
import type { DesiredSeed, SeedContent } from '../../src/core/seed.ts';
import { seedFiles } from '../../src/guests/seed-files.ts';
import { seedImage } from '../../src/guests/seed-image.ts';

const UUID = '8c1f0000-0000-5000-8000-000000000001';
const MAC = '52:54:00:00:00:01';
const KEY = 'ssh-ed25519 AAAAC3Nz ann';

function files(content: Partial<SeedContent>, hostname?: string): Record<string, string> {
  const { sops: _, ...rest } = { sshKeys: [], userData: {}, ...content };
  return Object.fromEntries(seedFiles({ instanceId: UUID, hostname, mac: MAC, content: rest }));
}

/** PyYAML, which cloud-init reads with, takes YAML 1.1. */
function userData(content: Partial<SeedContent>, hostname = 'web-1.lab.internal'): unknown {
  return parse(files(content, hostname)['user-data'] ?? '', { version: '1.1' });
}

describe('the files of a seed', () => {
  it("name the machine by the VM's uuid, and give it its host name", () => {
    const { 'meta-data': text = '' } = files({}, 'web-1.lab.internal');
    expect(parse(text)).toEqual({ 'instance-id': UUID, 'local-hostname': 'web-1.lab.internal' });
    expect(userData({})).toEqual({
      hostname: 'web-1.lab.internal',
      fqdn: 'web-1.lab.internal',
      prefer_fqdn_over_hostname: true,
    });
    expect(userData({}, 'web-1')).toEqual({ hostname: 'web-1' });
  });

  it('leave the name alone where it comes from elsewhere', () => {
    const { 'meta-data': meta = '', 'user-data': user = '' } = files({});
    expect(parse(meta)).toEqual({ 'instance-id': UUID });
    expect(parse(user)).toEqual({ preserve_hostname: true });
  });

  it('begin user data with the line that cloud-init asks for', () => {
    expect(files({})['user-data']).toMatch(/^#cloud-config\n/);
  });

  it('put user and keys beside the user data, whose own keys stay', () => {
    const content = {
      user: 'ann',
      sshKeys: [KEY],
      userData: { packages: ['nginx'], ssh_authorized_keys: ['k2'] },
    };
    expect(userData(content, 'web')).toEqual({
      hostname: 'web',
      user: 'ann',
      packages: ['nginx'],
      ssh_authorized_keys: [KEY, 'k2'],
    });
  });

  it('say texts so that YAML 1.1 takes them for texts', () => {
    const odd = [
      'on',
      '012',
      '1e3',
      ' x ',
      '# no',
      'a: b',
      'ü🙂',
      'two\nlines',
      '\u0007\u007f\u0085',
      '2001-01-01',
      '~',
    ];
    expect(userData({ userData: { odd } }, 'web')).toEqual({ hostname: 'web', odd });
    expect(files({ userData: { odd } })['user-data']).not.toMatch(/[\u007f-\u009f]/);
  });

  it.each([
    [{ address: '10.0.0.11', prefix: 24, dns: [] }, { addresses: ['10.0.0.11/24'] }],
    [
      { address: '10.0.0.11', prefix: 16, gateway: '10.0.0.1', dns: ['10.0.0.2', '10.0.0.3'] },
      {
        addresses: ['10.0.0.11/16'],
        routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }],
        nameservers: { addresses: ['10.0.0.2', '10.0.0.3'] },
      },
    ],
  ])('give a static address to the card with its MAC address', (network, card) => {
    const { 'network-config': text = '' } = files({ network });
    expect(parse(text)).toEqual({
      version: 2,
      ethernets: { eth0: { match: { macaddress: MAC }, 'set-name': 'eth0', ...card } },
    });
  });

  it('say nothing of the network where DHCP does', () => {
    expect(Object.keys(files({}))).toEqual(['meta-data', 'user-data']);
  });
});

describe('the image of a seed', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kg-seed-'));
    writeFileSync(join(folder, 'password'), 'canary-7f3a\n', { mode: 0o600 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const seed = (said: SeedContent['userData']): DesiredSeed => ({
    pool: 'default',
    volume: 'web-seed.img',
    content: new Secret({ sshKeys: [], userData: said }),
    explicit: true,
  });

  it('holds the secret in the place of its reference', async () => {
    const image = await seedImage(
      { uuid: UUID, mac: MAC, seed: seed({ password: { secret: 'password' } }) },
      { folder },
    );
    expect(image.includes('"password": "canary-7f3a"')).toBe(true);
    expect(image.includes('secret')).toBe(false);
  });

  it('is not made of more than fits into it', async () => {
    const order = { uuid: UUID, mac: MAC, seed: seed({ motd: 'x'.repeat(3 * 1024 ** 2) }) };
    await expect(seedImage(order, {})).rejects.toMatchObject({ code: 'E_SECRET' });
  });
});
