import { expect, it } from 'vitest';
import { parseDomain } from '../../src/core/domain-definition.ts';
import { vmUuid } from '../../src/core/identity.ts';
import { machineXml, makeMachine, markOf } from './machine.ts';
import { failureOf, onEveryHost } from './site.ts';

const NOBODY = { name: 'nobody', uuid: vmUuid('lab', 'nobody'), id: -1 };

onEveryHost('defining', (bench) => {
  it('finds a defined domain by name, by uuid and in the list', async () => {
    const { domains } = bench.libvirt;
    const expected = { name: 'web', uuid: vmUuid('lab', 'web'), id: -1 };
    expect(await domains.define(machineXml('web'), { validate: true })).toEqual(expected);
    expect(await domains.byName('web')).toEqual(expected);
    expect(await domains.byUuid(expected.uuid)).toEqual(expected);
    expect(await domains.list()).toEqual([expected]);
    expect(await domains.state(expected)).toEqual({ state: 'shutoff', reason: 0 });
  });

  it('gives back what was defined, our mark included', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web', { vcpus: 2 }), { validate: true });
    expect(parseDomain(await domains.xml(domain, { inactive: true }))).toEqual({
      name: 'web',
      uuid: vmUuid('lab', 'web'),
      type: 'qemu',
      arch: 'x86_64',
      machine: 'pc-q35-7.2',
      vcpus: 2,
      maxVcpus: 2,
      memoryMiB: 64,
      maxMemoryMiB: 128,
      title: 'web.example.org',
      macs: ['52:54:00:12:34:56'],
      nics: [{ mac: '52:54:00:12:34:56', bridge: 'br0' }],
      disks: [{ target: 'vda', file: '/data01/primary/web-vda.qcow2' }],
      mark: markOf('web'),
    });
  });

  it('writes sizes in KiB, the machine by its full name, and the emulator', async () => {
    const { domains } = bench.libvirt;
    const xml = await domains.xml(await domains.define(machineXml('web')), { inactive: true });
    expect(xml).toContain("  <memory unit='KiB'>131072</memory>\n");
    expect(xml).toContain("  <currentMemory unit='KiB'>65536</currentMemory>\n");
    expect(xml).toMatch(/<type arch='x86_64' machine='pc-q35-\d\.\d'>hvm<\/type>/);
    expect(xml).toContain('<emulator>/usr/bin/qemu-system-x86_64</emulator>');
    expect(xml).toContain("  <clock offset='utc'/>\n");
  });

  it('caps the memory at its maximum without a word', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web', { memoryMiB: 640 }));
    const { memoryMiB, maxMemoryMiB } = parseDomain(await domains.xml(domain));
    expect({ memoryMiB, maxMemoryMiB }).toEqual({ memoryMiB: 128, maxMemoryMiB: 128 });
  });

  it('makes up a uuid and a MAC address where there are none', async () => {
    const { domains } = bench.libvirt;
    const xml = machineXml('web')
      .replace(/<uuid.*uuid>/, '')
      .replace(/<mac .*>/, '');
    const read = parseDomain(await domains.xml(await domains.define(xml)));
    expect(read.uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(read.macs).toEqual([expect.stringMatching(/^52:54:00(:[0-9a-f]{2}){3}$/)]);
  });

  it('replaces the definition of the same name and uuid, and keeps autostart', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    await domains.setAutostart(domain, true);
    await domains.define(machineXml('web', { vcpus: 2 }));
    expect(await domains.autostart(domain)).toBe(true);
    expect(parseDomain(await domains.xml(domain)).vcpus).toBe(2);
    expect(await domains.list()).toHaveLength(1);
  });

  it('refuses a name that another uuid has', async () => {
    const { domains } = bench.libvirt;
    const { uuid } = await domains.define(machineXml('web'));
    const clash = domains.define(machineXml('web', { uuid: vmUuid('lab', 'other') }));
    expect(await failureOf(clash)).toEqual({
      code: 'OPERATION_FAILED',
      domain: 20,
      message: `operation failed: domain 'web' already exists with uuid ${uuid}`,
    });
  });

  it('refuses a uuid that another name has', async () => {
    const { domains } = bench.libvirt;
    const { uuid } = await domains.define(machineXml('web'));
    expect(await failureOf(domains.define(machineXml('db', { uuid })))).toEqual({
      code: 'OPERATION_FAILED',
      domain: 20,
      message: `operation failed: domain 'web' is already defined with uuid ${uuid}`,
    });
  });

  it.each([
    ['what is not XML', '<domain', ['XML_DETAIL', 20, '(domain_definition):1: ']],
    ['nothing', '', ['XML_DETAIL', 20, 'Document is empty']],
    ['another root', '<dom/>', ['XML_ERROR', 5, "expecting root element of 'domain', not 'dom'"]],
  ])('refuses %s', async (_, xml, [code, domain, message]) => {
    const failure = await failureOf(bench.libvirt.domains.define(xml));
    expect(failure).toMatchObject({ code, domain, message: expect.stringContaining(String(message)) });
  });

  it.each([
    ['no type', / type='qemu'/, '', ['INTERNAL_ERROR', 20]],
    ['an unknown type', "type='qemu'", "type='foo'", ['CONFIG_UNSUPPORTED', 20]],
    ['hardware virtualisation', "domain type='qemu'", "domain type='kvm'", ['CONFIG_UNSUPPORTED', 10]],
    ['no name', /<name>.*<\/name>/, '', ['code 21', 20]],
    ['a name with a slash', '<name>web<', '<name>a/b<', ['XML_ERROR', 20]],
    ['a broken uuid', /<uuid>.{8}/, '<uuid>zzz', ['INTERNAL_ERROR', 20]],
    ['no memory', /<memory .*<\/memory>/, '', ['XML_ERROR', 20]],
    ['words for memory', '>128<', '>many<', ['XML_ERROR', 5]],
    ['an unknown unit', "memory unit='MiB'", "memory unit='QiB'", ['INVALID_ARG', 0]],
    ['no vcpu', '>1</vcpu>', '>0</vcpu>', ['INTERNAL_ERROR', 20]],
    ['a thousand vcpus', '>1</vcpu>', '>1000</vcpu>', ['CONFIG_UNSUPPORTED', 10]],
    ['no operating system type', /<os>[^]*<\/os>/, '', ['XML_ERROR', 20]],
    ['another architecture', "arch='x86_64' machine='q35'", "arch='aarch64'", ['CONFIG_UNSUPPORTED', 10]],
    ['an unknown machine', /'q35'([^]*?)(?:\s*<controller type='pci'.*\/>)+/, "'q36'$1", ['XML_ERROR', 20]],
    ['an unknown machine with PCI slots', "'q35'", "'q36'", ['CONFIG_UNSUPPORTED', 10]],
    ['a broken MAC address', '52:54:00:12:34:56', 'hello', ['XML_ERROR', 20]],
    ['a multicast MAC address', '52:54:00:12:34:56', '01:54:00:12:34:56', ['XML_ERROR', 20]],
    ['a disk without a target', /<target dev='vda'.*\/>/, '', ['code 20', 20]],
    ['two disks of one name', /(<disk[^]*<\/disk>)/, '$1$1', ['XML_ERROR', 20]],
  ])('refuses %s', async (_, from, to, [code, domain]) => {
    const xml = machineXml('web').replace(from, to);
    expect(await failureOf(bench.libvirt.domains.define(xml))).toMatchObject({ code, domain });
    expect(await bench.libvirt.domains.list()).toEqual([]);
  });

  it.each(['<domain>', '<devices>'])(
    'refuses a stranger in %s when it validates, else drops it',
    async (parent) => {
      const { domains } = bench.libvirt;
      const place = parent === '<domain>' ? '<name>' : parent;
      const xml = machineXml('web').replace(
        place,
        parent === '<domain>' ? '<bogus/><name>' : '<devices><bogus/>',
      );
      expect(await failureOf(domains.define(xml, { validate: true }))).toMatchObject({
        code: 'XML_INVALID_SCHEMA',
        domain: 5,
      });
      expect(await domains.xml(await domains.define(xml))).not.toContain('bogus');
    },
  );

  it('forgets a domain that is undefined, and leaves its disk', async () => {
    const { domains, pools } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await domains.undefine(domain, { managedSave: true, nvram: true });
    expect(await domains.list()).toEqual([]);
    const volumes = await pools.volumes(await pools.byName('default'));
    expect(volumes.map(({ name }) => name)).toEqual(['web-vda.qcow2']);
  });

  it('knows no domain of another name or uuid', async () => {
    const { domains } = bench.libvirt;
    expect(await failureOf(domains.byName('nobody'))).toEqual({
      code: 'NO_DOMAIN',
      domain: 10,
      message: "Domain not found: no domain with matching name 'nobody'",
    });
    expect(await failureOf(domains.byUuid(NOBODY.uuid))).toEqual({
      code: 'NO_DOMAIN',
      domain: 10,
      message: `Domain not found: no domain with matching uuid '${NOBODY.uuid}'`,
    });
  });

  it.each([
    ['xml'],
    ['start'],
    ['shutdown'],
    ['destroy'],
    ['undefine'],
    ['state'],
    ['autostart'],
    ['hasManagedSave'],
  ] as const)('says to %s of a domain that has gone that there is none', async (call) => {
    const failure = await failureOf(bench.libvirt.domains[call](NOBODY));
    expect(failure).toEqual({
      code: 'NO_DOMAIN',
      domain: 10,
      message: `Domain not found: no domain with matching uuid '${NOBODY.uuid}' (nobody)`,
    });
  });

  it('takes the uuid and not the name of what it is given', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    expect(await domains.xml({ ...domain, name: 'other' })).toContain('<name>web</name>');
  });

  it('changes memory and vcpus of the definition', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const config = { config: true } as const;
    await domains.setMemory(domain, 1024 * 1024, { ...config, maximum: true });
    await domains.setMemory(domain, 512 * 1024, config);
    await domains.setVcpus(domain, 4, { ...config, maximum: true });
    await domains.setVcpus(domain, 3, config);
    expect(parseDomain(await domains.xml(domain))).toMatchObject({
      memoryMiB: 512,
      maxMemoryMiB: 1024,
      vcpus: 3,
    });
    expect(await domains.vcpus(domain, { ...config, maximum: true })).toBe(4);
    await domains.setMemory(domain, 256 * 1024, { ...config, maximum: true });
    expect(parseDomain(await domains.xml(domain))).toMatchObject({ memoryMiB: 256, maxMemoryMiB: 256 });
  });

  it('refuses more memory or vcpus than the maximum', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    expect(await failureOf(domains.setMemory(domain, 1024 * 1024, { config: true }))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message: 'invalid argument: cannot set memory higher than max memory',
    });
    expect(await failureOf(domains.setVcpus(domain, 4, { config: true }))).toEqual({
      code: 'INVALID_ARG',
      domain: 10,
      message:
        'invalid argument: requested vcpus is greater than max allowable vcpus for the persistent domain: 4 > 1',
    });
  });
});
