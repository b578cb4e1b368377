import { describe, expect, it } from 'vitest';
import { accepted, CLUSTER, manifest, onlyVm, refused, repository, vm } from './repository.ts';

const WEB = manifest('a.json', [vm()]);
const OWN_POOL = manifest('a.json', [
  vm({ pool: 'own', bridge: 'br9', power: 'on', clone: 'full', autostart: true }),
]);

const RICH = `cluster: lab
defaults:
  image: base
  clone: full
  bootDiskGb: 40
  pool: fast
  bridge: br1
  power: manual
  autostart: false
  reserve: {vcpus: 2, memoryGb: 0.5, diskGb: 10}
  ratio: {vcpu: 8}
hosts:
  t01: {state: offline, pool: slow, reserve: {memoryGb: 4}, ratio: {memory: 1.5}}
  t02:
images: {base: {pool: images, volume: debian-12.qcow2}}
policy: {maxRemovals: 0, tombstoneDays: 30}
`;

const POOLS = `cluster: lab
pools:
  default: {path: /data01/primary}
  secondary: {type: netfs, path: /secondary, source: {host: nas, path: /export/secondary}}
hosts:
  t01:
  t02:
    pools: {default: {path: /srv/vms}, secondary: null, fast: {path: /nvme, autostart: false}}
`;

describe('cluster.yaml', () => {
  it('needs little', () => {
    const { cluster, policy, hosts } = accepted(repository([], 'cluster: lab\nhosts: {t01: }\n'));
    expect(cluster).toBe('lab');
    expect(policy).toEqual({
      maxRemovals: 5,
      tombstoneDays: 7,
      nPlusOne: 'ignore',
      migration: { maxPerHost: 1 },
    });
    expect(hosts.get('t01')).toEqual({
      name: 't01',
      state: 'active',
      pool: 'default',
      reserve: { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
      ratio: { vcpu: 4, memory: 1, disk: 1 },
      pools: [],
      images: [],
    });
  });

  it('gives hosts what they do not say themselves, field by field', () => {
    const { hosts, policy } = accepted(repository([], RICH));
    expect(policy).toEqual({
      maxRemovals: 0,
      tombstoneDays: 30,
      nPlusOne: 'ignore',
      migration: { maxPerHost: 1 },
    });
    expect(hosts.get('t01')).toEqual({
      name: 't01',
      state: 'offline',
      pool: 'slow',
      reserve: { vcpus: 2, memoryMiB: 4096, diskGiB: 10 },
      ratio: { vcpu: 8, memory: 1.5, disk: 1 },
      pools: [],
      images: [{ name: 'base', pool: 'images', volume: 'debian-12.qcow2' }],
    });
    expect(hosts.get('t02')).toMatchObject({
      state: 'active',
      reserve: { memoryMiB: 512 },
      ratio: { memory: 1 },
    });
  });

  it('gives hosts the pools of all, as each has them', () => {
    const { hosts } = accepted(repository([], POOLS));
    const nas = { type: 'netfs', autostart: true, source: { host: 'nas', path: '/export/secondary' } };
    expect(hosts.get('t01')?.pools).toEqual([
      { name: 'default', type: 'dir', path: '/data01/primary', autostart: true },
      { name: 'secondary', path: '/secondary', ...nas },
    ]);
    expect(hosts.get('t02')?.pools).toEqual([
      { name: 'default', type: 'dir', path: '/srv/vms', autostart: true },
      { name: 'fast', type: 'dir', path: '/nvme', autostart: false },
    ]);
  });

  it.each([
    ['pools: {a: {}}', '2:12: "pools.a.path" is missing'],
    ['pools: {a: {path: data}}', '2:19: pools.a.path: expected the folder of a pool: an absolute path'],
    ['pools: {a: {path: /x/../y}}', '2:19: pools.a.path: expected the folder of a pool: an absolute path'],
    ['pools: {a: {path: /x/}}', '2:19: pools.a.path: expected the folder of a pool: an absolute path'],
    ['pools: {a: {path: /x, type: netfs}}', '2:12: pools.a: "source" is missing: type netfs needs'],
    ['pools: {a: {path: /x, source: {host: n, path: /y}}}', '2:12: pools.a: "source" goes with type netfs'],
    ['pools: {a: {path: /x}, b: {path: /x}}', '2:34: pools.b.path: /x is the folder of pool "a" already'],
    ['hosts: {t01: {pools: {a: {}}}}', '2:26: hosts.t01.pools.a: "path" is missing'],
    ['hosts: {t01: {pools: {a: null}}}', '2:26: hosts.t01.pools.a: there is no pool "a" to take away'],
    [
      'pools: {a: {path: /x}}\nhosts: {t01: {pools: {b: {path: /x}}}}',
      '3:33: hosts.t01.pools.b.path: /x is the folder of pool "a" already',
    ],
  ])('refuses %s', (text, issue) => {
    expect(refused([{ path: 'cluster.yaml', content: `cluster: lab\n${text}` }])).toEqual([
      expect.stringContaining(`cluster.yaml:${issue}`),
    ]);
  });

  it.each([
    [
      'images: {b: {pool: p, volume: v, url: "http://x/y"}}',
      '2:39: images.b: "volume" and "url" exclude each other',
    ],
    [`images: {b: {file: /x, format: raw}}`, '2:13: "images.b.sha256" is missing: "file" needs it'],
    ['images: {b: {volume: v}}', '2:13: "images.b.pool" is missing: "volume" needs it'],
    ['images: {b: {volume: v, pool: p, host: t01}}', '2:40: images.b.host: it does not go with "volume"'],
    [
      'images: {b: {srcvm: centos7, format: raw}}',
      '2:38: images.b.format: without "sha256" it is the format of the disk',
    ],
    [
      'hosts: {t01: {}}\nimages: {b: {srcvm: centos7, host: t02}}',
      '3:36: images.b.host: there is no host "t02"',
    ],
    [
      'images: {b: {url: "file:///etc/shadow", sha256: 0}}',
      '2:19: images.b.url: expected an http or https URL',
    ],
    ['images: {b: {url: "http://me:pw@x/y"}}', '2:19: images.b.url: expected an http or https URL'],
  ])('refuses %s', (text, issue) => {
    const issues = refused([{ path: 'cluster.yaml', content: `cluster: lab\n${text}` }]);
    expect(issues).toContainEqual(expect.stringContaining(`cluster.yaml:${issue}`));
  });

  it('names the volume of an image that is brought by its content, in the pool of the host', () => {
    const sha256 = 'ABCDEF0123456789'.repeat(4);
    const images = `images: {base: {url: "https://x/y.qcow2", sha256: ${sha256}, cloudInit: true}}`;
    const cluster = `cluster: lab\ndefaults: {image: base}\nhosts: {t01: {pool: fast}}\n${images}\n`;
    expect(onlyVm(repository([WEB], cluster)).bootDisk?.image).toEqual({
      name: 'base',
      pool: 'fast',
      volume: 'base-abcdef0123456789.qcow2',
      cloudInit: true,
      content: { url: 'https://x/y.qcow2', sha256: sha256.toLowerCase(), format: 'qcow2' },
    });
  });

  it.each([
    ['on the host of each VM', 'srcvm: centos7', { sourceVm: { name: 'centos7', host: 't01' }, volume: '' }],
    [
      'on one host, as git names its content',
      `srcvm: centos7, host: t02, pool: fast, format: raw, sha256: ${'ab'.repeat(32)}`,
      {
        sourceVm: { name: 'centos7', host: 't02' },
        pool: 'fast',
        volume: 'base-abababababababab.img',
        content: { sha256: 'ab'.repeat(32), format: 'raw' },
      },
    ],
  ])('takes the disk of a VM for an image: %s', (_, source, image) => {
    const cluster = CLUSTER.replace('{pool: default, volume: base.qcow2}', `{${source}}`);
    expect(onlyVm(repository([WEB], cluster)).bootDisk).toMatchObject({ clone: 'overlay', image });
  });

  it('refuses a VM whose host has not its pool', () => {
    const own = 't01: {pools: {fast: null}}';
    const cluster = `${CLUSTER.replace('t01: {}', own)}pools: {fast: {path: /fast}}\n`;
    const file = manifest('a.json', [vm({ pool: 'fast' })]);
    expect(refused(repository([file], cluster))).toEqual([
      expect.stringContaining('t01 does not have pool "fast": cluster.yaml says null for it'),
    ]);
  });

  it.each([
    ['those of the host before those of all', RICH, WEB, { bootDisk: { pool: 'slow' } }],
    [
      'those of all',
      RICH,
      WEB,
      {
        bootDisk: { clone: 'full', sizeGiB: 40 },
        nics: [{ bridge: 'br1' }],
        power: 'manual',
        autostart: false,
      },
    ],
    [
      'nothing that they say themselves',
      RICH,
      OWN_POOL,
      { bootDisk: { pool: 'own', clone: 'full' }, nics: [{ bridge: 'br9' }], power: 'on', autostart: true },
    ],
    [
      "the program's own where it says nothing",
      CLUSTER,
      WEB,
      {
        bootDisk: { pool: 'default', clone: 'overlay' },
        nics: [{ bridge: 'br0' }],
        power: 'on',
        autostart: true,
      },
    ],
  ])('gives VMs %s', (_, cluster, file, expected) => {
    expect(onlyVm(repository([file], cluster))).toMatchObject(expected);
  });

  it('must be there', () => {
    expect(refused([WEB])).toEqual([
      expect.stringMatching(/^cluster.yaml: the file is missing .*cluster: NAME/),
    ]);
  });

  it('may be called cluster.yml, but not both', () => {
    const yml = { path: 'cluster.yml', content: CLUSTER };
    expect(accepted([yml, WEB]).cluster).toBe('lab');
    expect(refused([...repository([WEB]), yml])).toEqual([
      'cluster.yml: there is cluster.yaml too (keep one of them)',
    ]);
  });

  it.each([
    ['hosts: {}', 'cluster.yaml:1:1: "cluster" is missing: expected a cluster name'],
    ['cluster: Lab', 'cluster.yaml:1:10: cluster: expected a cluster name'],
    ['- cluster: lab', 'cluster.yaml:1:1: expected an object with "cluster", got a list'],
    ['cluster: lab\nimage: {}', 'cluster.yaml:2:1: unknown key "image"; did you mean "images"?'],
    [
      'cluster: lab\npolicy: {maxRemoval: 1}',
      'cluster.yaml:2:10: unknown key "maxRemoval" in policy; did you mean',
    ],
    [
      'cluster: lab\npolicy: {tombstoneDays: -1}',
      'cluster.yaml:2:25: policy.tombstoneDays: expected a whole number',
    ],
    [
      'cluster: lab\nhosts: {t01: {state: draining}}',
      'cluster.yaml:2:22: hosts.t01.state: expected one of active, drained, offline',
    ],
    ['cluster: lab\nhosts: {"t 1": {}}', 'cluster.yaml:2:9: "t 1": expected a host name'],
    [
      'cluster: lab\nhosts: {t01: {address: 10.0.0.1}}',
      'cluster.yaml:2:15: unknown key "address" in hosts.t01',
    ],
    ['cluster: lab\nimages: {base: {pool: default}}', 'cluster.yaml:2:16: "images.base.volume" is missing'],
    [
      'cluster: lab\nimages: {b: {pool: p, volume: ../x}}',
      'cluster.yaml:2:31: images.b.volume: expected a volume name',
    ],
    ['cluster: lab\nimages: {__proto__: {}}', 'cluster.yaml:2:10: the key "__proto__" is not allowed'],
    [
      'cluster: lab\ndefaults: {image: base}',
      'cluster.yaml:2:19: defaults.image: no image "base" is declared',
    ],
    [
      'cluster: lab\naddresses: [10.0.0.1/8]',
      'cluster.yaml:2:13: addresses: "10.0.0.1/8": the network has bits',
    ],
    ['cluster: lab\naddresses: [10]', 'cluster.yaml:2:13: addresses.0: expected a network such as'],
  ])('of %j is refused: %s', (content, issue) => {
    expect(refused([{ path: 'cluster.yaml', content }])).toEqual([expect.stringContaining(issue)]);
  });

  it('blames no VM for what cannot be read in it', () => {
    const broken =
      'cluster: lab\ndefaults: {x: 1}\nhosts: {t01: 3}\nimages: [base]\naddresses: [10.1.0.0/16, junk]\n';
    const issues = refused(repository([manifest('a.json', [vm({ image: 'base' })], 't09')], broken));
    expect(issues).toHaveLength(4);
    expect(issues.every((issue) => issue.startsWith('cluster.yaml:'))).toBe(true);
  });

  it('may name only hosts that the operator knows', () => {
    const hosts = new Map([
      ['t01', { address: '192.0.2.1' }],
      ['t02', { address: '192.0.2.2' }],
    ]);
    expect(refused(repository([WEB]), { hosts })).toEqual([
      'cluster.yaml:3:27: host "t04.tdh.internal" is not in the operator\'s configuration (add it to operator.yaml first)',
    ]);
  });
});
