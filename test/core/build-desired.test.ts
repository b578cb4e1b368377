import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildDesired } from '../../src/core/build-desired.ts';
import { vmUuid } from '../../src/core/identity.ts';
import { GUIDE_BUILD, GUIDE_DELETE, GUIDE_DELETE_MENDED } from './guide.ts';
import { accepted, CLUSTER, manifest, onlyVm, refused, repository, vm } from './repository.ts';

const WITH_RANGES = `${CLUSTER}addresses: [10.77.0.0/16]\n`;

describe('buildDesired', () => {
  it("takes the guide's manifest as it stands", () => {
    expect(onlyVm(repository([{ path: 'manifests/all.json', content: GUIDE_BUILD }]))).toEqual({
      name: 'tdh-m01',
      host: 't01',
      uuid: vmUuid('lab', 'tdh-m01'),
      hostname: 'tdh-m01.tdh.internal',
      title: 'tdh-m01.tdh.internal',
      hostnameVia: 'dhcp',
      ipaddress: '173.30.5.11',
      vcpus: 2,
      memoryMiB: 4096,
      maxMemoryMiB: 8192,
      bootDisk: {
        target: 'vda',
        pool: 'default',
        volume: 'tdh-m01-vda.qcow2',
        image: { name: 'base', pool: 'default', volume: 'base.qcow2' },
        clone: 'overlay',
      },
      dataDisks: [],
      nics: [{ bridge: 'br0' }],
      power: 'on',
      autostart: true,
      antiAffinity: [],
      restart: 'never',
      dependsOn: [],
      protect: false,
      drift: 'heal',
      migration: 'offline',
      source: { file: 'manifests/all.json', line: 6 },
    });
  });

  it("takes the guide's other manifest once its comma is put right, and shows where that is", () => {
    const broken = repository([{ path: 'manifests/tdh.json', content: GUIDE_DELETE }]);
    expect(refused(broken)).toEqual([
      'manifests/tdh.json:7:47: missing "," after "TDH Datanode" (before "hostname")',
    ]);
    expect(onlyVm(repository([{ path: 'manifests/tdh.json', content: GUIDE_DELETE_MENDED }]))).toMatchObject({
      host: 't04.tdh.internal',
      description: 'TDH Datanode',
      dataDisks: [{ target: 'vdb', sizeGiB: 60 }],
    });
  });

  it('merges files of both formats at any depth, and hosts that stand in several', () => {
    const yaml = `- host: t01\n  vmspecs:\n    - {name: b, ipaddress: 10.0.0.2, vcpus: 1, memoryGb: 1}\n- host: t01\n  vmspecs: []\n`;
    const { vms } = accepted(
      repository([
        { path: 'manifests/prod/eu/b.yaml', content: yaml },
        { path: 'manifests/c.yml', content: yaml.replace('name: b', 'name: c').replace('0.2', '0.3') },
        manifest('a.json', [vm({ name: 'a' })]),
      ]),
    );
    expect([...vms.keys()]).toEqual(['a', 'c', 'b']);
    expect(vms.get('b')?.source).toEqual({ file: 'manifests/prod/eu/b.yaml', line: 3 });
  });

  it.each([
    'README.md',
    'web.json',
    'other/web.json',
    'manifests/web.json.bak',
    'manifests.json',
    'manifests/json',
  ])('ignores %s', (path) => {
    expect(accepted(repository([{ path, content: 'no manifest' }])).vms.size).toBe(0);
  });

  it('does not let one bad file hide what is wrong in others', () => {
    const issues = refused([
      { path: 'manifests/a.json', content: '[1,]' },
      { path: 'manifests/b.yaml', content: 'a: [' },
      manifest('c.json', [vm({ vcpus: 0 }), 'web', vm({ name: 'web-2', ipaddress: '10.77.0.11' })]),
      { path: 'cluster.yaml', content: `${CLUSTER}colour: red\n` },
    ]);
    expect(issues.map((issue) => issue.split(': ')[0])).toEqual([
      'cluster.yaml:5:1',
      'manifests/a.json:1:3',
      'manifests/b.yaml:1:5',
      'manifests/c.json:8:14',
      'manifests/c.json:11:4',
      'manifests/c.json:14:18',
    ]);
  });

  it.each([
    [
      '{"host": "t01"}',
      ':1:1: expected a list of objects with "host" and "vmspecs", got an object (begin with',
    ],
    ['{"cluster": "lab"}', '(cluster.yaml belongs to the root of the repository)'],
    ['[{"host": "t01"}]', ':1:2: "vmspecs" is missing: expected a list of VMs'],
    ['[{"vmspecs": []}]', ':1:2: "host" is missing: expected a host name'],
    ['[{"host": "t01", "vmspecs": {}}]', ':1:29: vmspecs: expected a list of VMs, got an object'],
    ['[{"host": "t01", "vmspecs": null}]', ':1:29: vmspecs: expected a list of VMs, got nothing'],
    ['[{"host": "t01", "vmspec": []}]', ':1:18: unknown key "vmspec"; did you mean "vmspecs"?'],
    ['["t01"]', ':1:2: expected an object with "host" and "vmspecs", got "t01"'],
    [
      '[{"host": "t01", "vmspecs": [[]]}]',
      ':1:30: this VM: expected an object that describes a VM, got a list',
    ],
    [
      '[{"host": "t03", "vmspecs": []}]',
      ':1:11: host: "t03" is not listed in cluster.yaml; did you mean "t01"?',
    ],
  ])('refuses %s', (content, issue) => {
    expect(refused(repository([{ path: 'manifests/a.json', content }]))).toEqual([
      expect.stringContaining(issue),
    ]);
  });

  it('knows the hosts from the configuration, if there is one', () => {
    const context = { hosts: new Map([['kvm-a', { address: '10.77.0.1' }]]) };
    const cluster = CLUSTER.replace(/hosts: .*/, 'hosts: {}');
    expect([
      ...accepted(repository([manifest('a.json', [vm()], 'kvm-a')], cluster), context).hosts.keys(),
    ]).toEqual(['kvm-a']);
    expect(refused(repository([manifest('a.json', [vm()], 'kvm-b')], cluster), context)).toEqual([
      'manifests/a.json:3:11: host: "kvm-b" is not in the operator\'s configuration; did you mean "kvm-a"? (known hosts: kvm-a)',
    ]);
  });

  it.each([
    ['10.78.0.1', 'is outside the addresses that cluster.yaml allows (10.77.0.0/16)'],
    ['10.77.0.0', 'is the network address of 10.77.0.0/16'],
    ['10.77.255.255', 'is the broadcast address of 10.77.0.0/16'],
    ['10.77.0.1', 'is the address of the KVM host t01'],
  ])('refuses the address %s: it %s', (ipaddress, problem) => {
    const hosts = new Map(
      ['t01', 't02', 't04.tdh.internal'].map((name, i) => [name, { address: `10.77.0.${i + 1}` }]),
    );
    expect(refused(repository([manifest('a.json', [vm({ ipaddress })])], WITH_RANGES), { hosts })).toEqual([
      `manifests/a.json:7:18: ipaddress of web-1: ${ipaddress} ${problem}`,
    ]);
  });

  it.each([
    [{ name: 'web-1' }, 'name: a VM "web-1" is declared in manifests/a.json:6 already'],
    [{ hostname: 'WEB-1' }, 'hostname of web-2: web-1 is that of web-1 in manifests/a.json:5 already'],
    [
      { ipaddress: '10.77.0.11' },
      'ipaddress of web-2: 10.77.0.11 is that of web-1 in manifests/a.json:7 already',
    ],
    [
      { mac: '52:54:00:00:00:0A' },
      'mac of web-2: 52:54:00:00:00:0a is that of web-1 in manifests/a.json:10 already',
    ],
  ])('refuses a second VM with %j', (same, message) => {
    const first = manifest('a.json', [vm({ mac: '52:54:00:00:00:0a' })]);
    const second = manifest('b.json', [vm({ name: 'web-2', ipaddress: '10.77.0.12', ...same })], 't02');
    for (const files of [repository([first, second]), repository([second, first])]) {
      expect(refused(files)).toEqual([expect.stringMatching(/^manifests\/b.json:\d+:\d+: /)]);
      expect(refused(files)[0]).toContain(message);
    }
  });

  it('refuses a VM without an image where there is no default', () => {
    const cluster = CLUSTER.replace('{image: base}', '{}');
    expect(refused(repository([manifest('a.json', [vm()])], cluster))).toEqual([
      expect.stringContaining(
        'manifests/a.json:5:4: image of web-1: missing, and cluster.yaml has no default',
      ),
    ]);
  });

  it('refuses a VM whose disk would have the name of an image', () => {
    const cluster = CLUSTER.replace('base.qcow2', 'web-1-vdb.qcow2');
    const withDisk = manifest('a.json', [vm({ numDisks: 1, diskSize: 1 })]);
    expect(refused(repository([withDisk], cluster))).toEqual([
      expect.stringContaining(
        'name of web-1: its disk would have the name of the image "base", web-1-vdb.qcow2',
      ),
    ]);
    expect(accepted(repository([manifest('a.json', [vm()])], cluster)).vms.size).toBe(1);
  });
});

describe('laws of buildDesired', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd', 'B');
  const specs = fc.record({
    name: names,
    ipaddress: fc.constantFrom('10.0.0.1', '10.0.0.2', 'x'),
    vcpus: fc.integer({ min: 0, max: 3 }),
    memoryGb: fc.constant(1),
  });
  const contents = fc.oneof(
    fc
      .array(
        fc.record({ host: fc.constantFrom('t01', 't02', 't9'), vmspecs: fc.array(specs, { maxLength: 3 }) }),
      )
      .map((groups) => JSON.stringify(groups, null, 1)),
    fc.json(),
    fc.string(),
  );

  it('the order of files makes no difference', () => {
    fc.assert(
      fc.property(fc.array(contents, { maxLength: 4 }), fc.infiniteStream(fc.nat()), (texts, random) => {
        const files = repository(texts.map((content, i) => ({ path: `manifests/${i}.json`, content })));
        const shuffled = files
          .map((file) => ({ file, key: random.next().value }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ file }) => file);
        expect(buildDesired(shuffled)).toEqual(buildDesired(files));
      }),
    );
  });

  it('more mistakes than anybody reads are counted', () => {
    const content = `- host: t01\n  vmspecs:\n${'    - {}\n'.repeat(300)}`;
    const built = buildDesired(repository([{ path: 'manifests/a.yaml', content }]));
    const issues = built.ok ? [] : built.issues;
    expect(issues).toHaveLength(1_001);
    expect(issues.at(-1)?.message).toBe('and at least 200 more mistakes from here on');
    expect(issues.at(-1)?.line).toBe((issues.at(-2)?.line ?? 0) + 1);
  });

  it('what it says does not grow with the mistakes times what there is to choose from', () => {
    const images = Array.from({ length: 2_000 }, (_, i) => `i${i}: {pool: d, volume: i${i}}`).join(', ');
    const addresses = Array.from({ length: 2_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/32`).join(', ');
    const wrong = Array.from({ length: 1_500 }, (_, i) =>
      vm({ name: `w-${i}`, ipaddress: `11.0.${i >> 8}.${i & 255}`, image: `x${i}`, dependsOn: [`v${i}`] }),
    );
    const ring = Array.from({ length: 1_500 }, (_, i) =>
      vm({
        name: `r-${i}`,
        dependsOn: [`r-${(i + 1) % 1_500}`, ...(i > 2 ? [`r-${i - 2}`, `r-${i - 3}`] : [])],
      }),
    );
    const cluster = `${CLUSTER.replace('images: {', `images: {${images}, `)}addresses: [${addresses}]\n`;
    const built = buildDesired(repository([manifest('a.json', wrong), manifest('b.json', ring)], cluster));
    const issues = built.ok ? [] : built.issues;
    expect(issues).toHaveLength(1_001);
    expect(JSON.stringify(issues).length).toBeLessThan(1024 * 1024);
    expect(issues.find(({ hint }) => hint?.startsWith('declared are'))?.hint).toMatch(/, i19 and 1981 more$/);
  });

  it.each(['manifests/a.json', 'manifests/a.yaml', 'cluster.yaml'])(
    'nothing in %s makes it throw, and each issue has a place',
    (path) => {
      fc.assert(
        fc.property(
          fc.oneof(
            contents,
            fc.jsonValue().map((value) => JSON.stringify(value, null, 1)),
          ),
          (content) => {
            const others = repository([]).filter((file) => file.path !== path);
            const built = buildDesired([...others, { path, content }]);
            for (const issue of built.ok ? [] : built.issues) {
              expect(issue.line).toBeGreaterThan(0);
              expect(issue.column).toBeGreaterThan(0);
              expect(issue.message).not.toMatch(/[\p{Cc}\u2028]/u);
            }
          },
        ),
        { numRuns: 300 },
      );
    },
  );
});
