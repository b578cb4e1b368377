import { describe, expect, it } from 'vitest';
import type { SourceFile } from '../../src/core/source-file.ts';
import { accepted, manifest, onlyVm, refused, repository, vm } from './repository.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ann@laptop';
const CANARY = 'canary-hunter2';
const SOPS = `packages: [nginx]
sops:
  age: [{recipient: age1xyz, enc: "-----BEGIN AGE ENCRYPTED FILE-----"}]
  lastmodified: "2026-11-24T20:00:00Z"
  mac: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]
`;

/** A cluster whose images say of themselves what their names say, with defaults. */
function cluster(defaults: Record<string, unknown> = {}): string {
  const image = (cloudInit?: boolean) => ({ pool: 'default', volume: 'base.qcow2', cloudInit });
  const images = { silent: image(), cloudy: image(true), plain: image(false) };
  return JSON.stringify({
    cluster: 'lab',
    hosts: { t01: {} },
    images,
    defaults: { image: 'silent', ...defaults },
  });
}

function files(fields: Record<string, unknown>, defaults?: Record<string, unknown>): SourceFile[] {
  return repository([manifest('a.json', [vm(fields)])], cluster(defaults));
}

function guest(fields: Record<string, unknown>, defaults?: Record<string, unknown>) {
  const { hostnameVia, seed } = onlyVm(files(fields, defaults));
  return { hostnameVia, seed: seed && { ...seed, content: seed.content.reveal() } };
}

describe('how a guest learns its host name', () => {
  it.each([
    ['an image that says nothing', {}, {}, { hostnameVia: 'dhcp', seed: false }],
    ['an image with cloud-init', { image: 'cloudy' }, {}, { hostnameVia: 'cloud-init', seed: true }],
    ['an image without', { image: 'plain' }, {}, { hostnameVia: 'dhcp', seed: false }],
    [
      'an image without, though the defaults say something',
      { image: 'plain' },
      { cloudInit: {} },
      { hostnameVia: 'dhcp', seed: false },
    ],
    ['cloudInit on the VM', { cloudInit: {} }, {}, { hostnameVia: 'cloud-init', seed: true }],
    ['cloudInit in the defaults', {}, { cloudInit: {} }, { hostnameVia: 'cloud-init', seed: true }],
    [
      'hostnameVia: cloud-init on the VM',
      { hostnameVia: 'cloud-init' },
      {},
      { hostnameVia: 'cloud-init', seed: true },
    ],
    ['hostnameVia in the defaults', {}, { hostnameVia: 'ssh' }, { hostnameVia: 'ssh', seed: false }],
    [
      'hostnameVia of the VM over the defaults',
      { hostnameVia: 'none' },
      { hostnameVia: 'ssh' },
      { hostnameVia: 'none', seed: false },
    ],
    ['ssh beside a seed', { image: 'cloudy', hostnameVia: 'ssh' }, {}, { hostnameVia: 'ssh', seed: true }],
    [
      'cloud-init by default, and an image without',
      { image: 'plain' },
      { hostnameVia: 'cloud-init' },
      { hostnameVia: 'dhcp', seed: false },
    ],
  ])('%s', (_, fields, defaults, expected) => {
    const { hostnameVia, seed } = guest(fields, defaults);
    expect({ hostnameVia, seed: seed !== undefined }).toEqual(expected);
  });

  it.each([
    ['cloud-init', 'web-1.lab.internal'],
    ['ssh', 'web-1.lab.internal'],
    ['dhcp', undefined],
    ['none', undefined],
  ])('via %s leaves its seed with the name %s', (hostnameVia, expected) => {
    const { seed } = guest({ hostname: 'Web-1.lab.internal', image: 'cloudy', hostnameVia });
    expect(seed?.hostname).toBe(expected);
  });
});

describe('cloudInit', () => {
  it("lays the VM's keys over the defaults: mappings are merged, lists and references are replaced", () => {
    const defaults = {
      cloudInit: {
        user: 'admin',
        sshKeys: [KEY],
        userData: { packages: ['vim'], ntp: { enabled: true, pools: ['a'] }, password: { secret: 'common' } },
      },
    };
    const own = {
      sshKeys: [],
      userData: { packages: ['nginx'], ntp: { pools: ['b'] }, password: { age: AGE }, timezone: 'UTC' },
    };
    expect(guest({ cloudInit: own }, defaults).seed?.content).toEqual({
      user: 'admin',
      sshKeys: [],
      userData: {
        packages: ['nginx'],
        ntp: { enabled: true, pools: ['b'] },
        password: { age: AGE },
        timezone: 'UTC',
      },
    });
  });

  it('makes a seed beside the boot disk', () => {
    const { seed } = guest({ pool: 'fast', cloudInit: {} });
    expect(seed).toMatchObject({ pool: 'fast', volume: 'web-1-seed.img', explicit: true });
  });

  it('gives the address of the VM to a static network', () => {
    const network = { network: 'static', prefix: 16, gateway: '10.77.0.1' };
    expect(
      guest({ cloudInit: { dns: ['10.77.0.2'] } }, { cloudInit: network }).seed?.content.network,
    ).toEqual({
      address: '10.77.0.11',
      prefix: 16,
      gateway: '10.77.0.1',
      dns: ['10.77.0.2'],
    });
  });

  it('takes a file that sops has encrypted, which is no manifest', () => {
    const sops = { path: 'manifests/web.sops.yaml', content: SOPS };
    const desired = accepted([...files({ cloudInit: { userDataFile: sops.path } }), sops]);
    expect(desired.vms.get('web-1')?.seed?.content.reveal().sops).toEqual(sops);
  });

  it('reads a file once that a thousand VMs name, or it would take minutes', () => {
    const content = Array.from(
      { length: 4_000 },
      (_, index) => `key-${index}: ENC[AES256_GCM,data:AA==]\n`,
    ).join('');
    const sops = { path: 'manifests/web.sops.yaml', content: `${content}${SOPS}` };
    const vms = Array.from({ length: 1_000 }, (_, index) =>
      vm({
        name: `vm-${index}`,
        ipaddress: `10.77.${1 + (index >> 8)}.${index & 255}`,
        cloudInit: { userDataFile: sops.path },
      }),
    );
    expect(accepted([...repository([manifest('a.json', vms)], cluster()), sops]).vms.size).toBe(1_000);
  });

  it('shows nothing of its content in JSON', () => {
    const shown = JSON.stringify(onlyVm(files({ cloudInit: { userData: { motd: CANARY } } })));
    expect(shown).not.toContain(CANARY);
  });
});

const AGE = '-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n';
const HASH = '$6$rounds=4096$salt$hash';

describe('secrets in user data', () => {
  it.each([
    [{ password: HASH }],
    [{ password: '!' }],
    [{ password: { secret: 'web/root-password' } }],
    [{ password: { age: AGE } }],
    [{ users: ['default', { name: 'ann', hashed_passwd: HASH, passwd: '*' }] }],
    [{ chpasswd: { expire: false, list: `root:${HASH}\nann:RANDOM\n` } }],
    [{ chpasswd: { users: [{ name: 'ann', password: 'RANDOM', type: 'RANDOM' }] } }],
    [{ write_files: [{ path: '/key', content: { secret: 'key' } }] }],
    [{ ssh_pwauth: false, disable_root: true }],
    // Not ours: it has more keys than a reference.
    [{ module: { secret: 7, other: 1 } }],
  ])('may stand as %j', (userData) => {
    expect(refused(files({ cloudInit: { userData } }))).toEqual([]);
  });

  it.each([
    ['password', { password: CANARY }, 'a password stands here in the clear'],
    [
      'users.1.passwd',
      { users: ['default', { name: 'a', passwd: CANARY }] },
      'a password stands here in the clear',
    ],
    [
      'users.0.plain_text_passwd',
      { users: [{ plain_text_passwd: CANARY }] },
      'a password stands here in the clear',
    ],
    [
      'chpasswd.list',
      { chpasswd: { list: `root:${HASH}\nann:${CANARY}` } },
      'a password stands here in the clear',
    ],
    ['chpasswd.list.0', { chpasswd: { list: [`ann:${CANARY}`] } }, 'a password stands here in the clear'],
    [
      'write_files.0.content',
      { write_files: [{ content: `-----BEGIN OPENSSH PRIVATE KEY-----\n${CANARY}` }] },
      'a private key stands here',
    ],
    [
      'password',
      { password: { secret: '../etc/shadow' } },
      "expected the name of a file in the operator's folder",
    ],
    ['password', { password: { secret: 7 } }, "expected the name of a file in the operator's folder"],
    ['password', { password: { age: CANARY } }, 'expected what `age --armor` prints'],
    ['hostname', { hostname: 'x' }, 'the host name is the field "hostname" of a VM'],
    ['fqdn', { fqdn: 'x' }, 'the host name is the field "hostname" of a VM'],
  ])('may not stand at %s of %j', (path, userData, message) => {
    const [own, ...others] = refused(files({ cloudInit: { userData } }));
    expect(others).toEqual([]);
    expect(own).toMatch(/^manifests\/a\.json:\d+:\d+: /);
    expect(own).toContain(`userData.${path} in cloudInit of web-1: ${message}`);
    expect(own).not.toContain(CANARY);
    const [inDefaults] = refused(files({}, { cloudInit: { userData } }));
    expect(inDefaults).toContain(`userData.${path} in defaults.cloudInit: ${message}`);
  });

  it('are not repeated where the whole of it is a text', () => {
    const [issue] = refused(files({ cloudInit: { userData: `#cloud-config\npassword: ${CANARY}` } }));
    expect(issue).toContain('cloudInit.userData of web-1: expected a mapping of cloud-config modules');
    expect(issue).not.toContain('canary');
  });
});

describe('mistakes in cloudInit', () => {
  it.each([
    ['an image without it', { image: 'plain', cloudInit: {} }, 'the image "plain" has no cloud-init'],
    [
      'an image without it',
      { image: 'plain', hostnameVia: 'cloud-init' },
      'hostnameVia of web-1: the image "plain"',
    ],
    [
      'a static address without prefix',
      { cloudInit: { network: 'static' } },
      'needs the prefix of its network',
    ],
    [
      'a gateway elsewhere',
      { cloudInit: { network: 'static', prefix: 24, gateway: '10.0.0.1' } },
      'cloudInit.gateway of web-1: 10.0.0.1 is not in the network of 10.77.0.11/24',
    ],
    ['a key that is none', { cloudInit: { sshKeys: ['AAAA'] } }, 'expected a public SSH key in one line'],
    ['a user that is none', { cloudInit: { user: 'Ann B' } }, 'expected a login name'],
    ['another word', { hostnameVia: 'mdns' }, 'expected one of cloud-init, dhcp, ssh, agent, none'],
    ['a key that is none', { cloudInit: { userdata: {} } }, 'did you mean "userData"'],
    ['too much', { cloudInit: { userData: { motd: 'x'.repeat(300_000) } } }, 'the limit is 262144'],
    [
      'a file elsewhere',
      { cloudInit: { userDataFile: 'secrets/x.sops.yaml' } },
      'expected the path of a file',
    ],
    [
      'a file that is not there',
      { cloudInit: { userDataFile: 'manifests/web1.sops.yaml' } },
      'there is no file manifests/web1.sops.yaml in the repository; did you mean "manifests/web.sops.yaml"?',
    ],
    [
      'a file in the clear',
      { cloudInit: { userDataFile: 'manifests/clear.sops.yaml' } },
      'manifests/clear.sops.yaml is not encrypted by sops',
    ],
    [
      'a file for others',
      { cloudInit: { userDataFile: 'manifests/pgp.sops.yaml' } },
      'manifests/pgp.sops.yaml is not encrypted for an age recipient',
    ],
  ])('%s: %j', (_, fields, message) => {
    const others = [
      { path: 'manifests/web.sops.yaml', content: SOPS },
      { path: 'manifests/clear.sops.yaml', content: 'packages: [nginx]\n' },
      { path: 'manifests/pgp.sops.yaml', content: SOPS.replace('  age:', '  pgp:') },
    ];
    const issues = refused([...files(fields), ...others]);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toContain(message);
  });

  it("keeps the name of a seed's volume free of images", () => {
    const text = cluster().replaceAll('base.qcow2', 'web-1-seed.img');
    expect(refused(repository([manifest('a.json', [vm()])], text))[0]).toContain('web-1-seed.img');
  });
});
