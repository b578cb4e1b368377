import { describe, expect, it } from 'vitest';
import { appliedNow } from '../../src/core/applied.ts';
import { parseDomain } from '../../src/core/domain-definition.ts';
import { type DomainPlace, renderDomain } from '../../src/core/domain-xml.ts';
import { MARK_NAMESPACE } from '../../src/core/mark.ts';
import { markForDefinition, markForMetadataCall } from '../../src/core/mark-xml.ts';
import { renderVolume } from '../../src/core/volume-xml.ts';
import { attribute, elementAt, escapeXml, parseXml, textAt } from '../../src/core/xml.ts';
import { desiredVm, mark } from '../builders.ts';

const place: DomainPlace = { virtType: 'kvm', arch: 'x86_64', poolPath: (pool) => `/pools/${pool}` };
const macs = ['52:54:00:aa:bb:01', '52:54:00:aa:bb:02'];
const vm = desiredVm({
  dataDisks: [{ target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 5 }],
  nics: [{ bridge: 'br0' }, { bridge: 'br1' }],
});

const HOSTILE = [
  `</description><on_crash>destroy</on_crash>`,
  `a & b < c > d "e" 'f'`,
  ']]><x/>',
  '&lt;already&gt; &#x41;',
  '<!-- comment -->',
  'grün 日本 🙂',
  'two\nlines\tand a tab',
];

describe('a rendered domain', () => {
  it('reads back as what was asked for', () => {
    const ours = mark({ state: 'building', protect: true });
    expect(parseDomain(renderDomain(vm, macs, ours, place))).toEqual({
      name: 'web',
      uuid: vm.uuid,
      type: 'kvm',
      arch: 'x86_64',
      machine: 'q35',
      title: 'web.lab.internal',
      vcpus: 2,
      memoryMiB: 2048,
      maxMemoryMiB: 4096,
      maxVcpus: 2,
      macs,
      nics: [
        { mac: macs[0], bridge: 'br0' },
        { mac: macs[1], bridge: 'br1' },
      ],
      disks: [
        { target: 'vda', file: '/pools/default/web-vda.qcow2' },
        { target: 'vdb', file: '/pools/fast/web-vdb.qcow2' },
      ],
      mark: ours,
    });
  });

  it.each(HOSTILE)('keeps the description %j, and nothing comes out of it', (description) => {
    const xml = renderDomain({ ...vm, description }, macs, mark(), place);
    const root = parseXml(xml);
    expect(elementAt(root, 'description')?.textContent).toBe(description);
    expect(textAt(root, 'on_crash')).toBe('restart');
    const { description: _, ...parsed } = parseDomain(xml);
    expect(parsed).toEqual(parseDomain(renderDomain(vm, macs, mark(), place)));
  });

  it.each(HOSTILE)('keeps the hostname %j', (hostname) => {
    const root = parseXml(renderDomain({ ...vm, hostname }, macs, mark(), place));
    expect(elementAt(root, 'title')?.textContent).toBe(hostname);
  });

  it('has no machine type and no APIC where the host is not a PC', () => {
    const root = parseXml(renderDomain(vm, macs, mark(), { ...place, arch: 'aarch64' }));
    expect(attribute(elementAt(root, 'os', 'type'), 'machine')).toBeUndefined();
    expect(elementAt(root, 'features', 'apic')).toBeUndefined();
  });
});

describe('escapeXml', () => {
  it('replaces what XML cannot hold: the definition stays well-formed', () => {
    const text = 'a\u0000\u0008\u001b[31m\u000b\uFFFE\uD800z';
    expect(parseXml(`<x y="${escapeXml(text)}"/>`).getAttribute('y')).toBe(
      'a\uFFFD\uFFFD\uFFFD[31m\uFFFD\uFFFD\uFFFDz',
    );
  });

  it.each(HOSTILE)('brings %j through an attribute unchanged', (text) => {
    expect(parseXml(`<x y="${escapeXml(text)}"/>`).getAttribute('y')).toBe(text);
  });
});

describe('parseDomain', () => {
  const domain = (body: string) =>
    parseDomain(`<domain type='kvm'><name>x</name><uuid>u</uuid>${body}</domain>`);

  it.each([
    { xml: '<memory>2097152</memory>', memoryMiB: 2048, maxMemoryMiB: 2048 },
    { xml: "<memory unit='KiB'>2097152</memory>", memoryMiB: 2048, maxMemoryMiB: 2048 },
    {
      xml: "<memory unit='GiB'>4</memory><currentMemory unit='MiB'>512</currentMemory>",
      memoryMiB: 512,
      maxMemoryMiB: 4096,
    },
    { xml: "<memory unit='b'>1073741824</memory>", memoryMiB: 1024, maxMemoryMiB: 1024 },
  ])('reads the memory of $xml', ({ xml, memoryMiB, maxMemoryMiB }) => {
    expect(domain(xml)).toMatchObject({ memoryMiB, maxMemoryMiB });
  });

  it('counts the vcpus that are plugged in', () => {
    expect(domain("<vcpu current='2'>8</vcpu>").vcpus).toBe(2);
    expect(domain('<vcpu>8</vcpu>').vcpus).toBe(8);
    expect(domain('').vcpus).toBe(1);
  });

  it('leaves CD-ROMs out and takes disks that are no files', () => {
    const { disks } = domain(
      `<devices><disk type='file' device='cdrom'><source file='/x.iso'/><target dev='sda'/></disk>` +
        `<disk type='block'><source dev='/dev/sdz'/><target dev='vda'/></disk></devices>`,
    );
    expect(disks).toEqual([{ target: 'vda' }]);
  });

  it.each(['', 'not xml', '<domain>', '<domain><name></domain>'])('throws for %j', (xml) => {
    expect(() => parseDomain(xml)).toThrow('XML');
  });
});

describe('a mark', () => {
  const domainWith = (metadata: string, uuid: string = mark().uuid) =>
    parseDomain(`<domain><name>web</name><uuid>${uuid}</uuid><metadata>${metadata}</metadata></domain>`);

  it.each([
    { name: 'ready', given: mark() },
    { name: 'building and protected', given: mark({ state: 'building', protect: true }) },
    { name: 'a tombstone', given: mark({ state: 'tombstone' }) },
    { name: 'of a file with an odd name', given: mark({ file: `manifests/a "b" & 'c' <d>\té.yaml` }) },
    { name: 'that knows what it depends on', given: mark({ dependsOn: ['db-1', 'db-2'] }) },
    { name: 'that knows what is applied', given: mark({ applied: appliedNow(desiredVm()) }) },
    { name: 'of an older version', given: mark({ spec: '0123456789abcdef' }) },
    { name: 'that knows of no force', given: mark({ force: 'never' }) },
    { name: 'without volumes', given: mark({ volumes: [] }) },
  ])('that is $name reads back as it was written', ({ given }) => {
    expect(domainWith(markForDefinition(given))).toMatchObject({ mark: given });
    const called = markForMetadataCall(given).replace('<vm ', `<vm xmlns="${MARK_NAMESPACE}" `);
    expect(domainWith(called)).toMatchObject({ mark: given });
  });

  it('is not seen where it is not in our namespace', () => {
    const foreign = markForDefinition(mark()).replace(MARK_NAMESPACE, 'urn:other');
    expect(domainWith(foreign)).not.toHaveProperty('mark');
    expect(domainWith(foreign)).not.toHaveProperty('markError');
  });

  it('that virt-clone copied is not ours: the volumes in it are those of the original', () => {
    const clone = domainWith(markForDefinition(mark()), 'e9ed280a-769e-44a2-bc2c-4aee5aee43d2');
    expect(clone.mark).toBeUndefined();
    expect(clone.markError).toContain(`a copy of that of VM ${mark().uuid}`);
  });

  it.each([
    {
      name: 'an unknown state',
      from: 'state="ready"',
      to: 'state="migrated"',
      error: 'unknown state "migrated"',
    },
    {
      name: 'a move and no host that it goes to',
      from: 'state="ready"',
      to: 'state="migrating"',
      error: 'the state migrating and no host that it goes to',
    },
    {
      name: 'an arrival and no host that it comes from',
      from: 'state="ready"',
      to: 'state="arriving"',
      error: 'the state arriving and no host that it comes from',
    },
    { name: 'no state', from: 'state="ready"', to: '', error: 'lacks "state"' },
    { name: 'no cluster', from: 'cluster="lab"', to: 'cluster=""', error: 'lacks "cluster"' },
    { name: 'no uuid', from: / uuid="[^"]*"/, to: '', error: 'lacks "uuid"' },
    { name: 'a volume without a pool', from: 'pool="default"', to: '', error: 'lacks "pool"' },
    {
      name: 'neither yes nor no for protect',
      from: 'protect="no"',
      to: 'protect="true"',
      error: 'protect="true"',
    },
    {
      name: 'of no known word for force',
      from: 'protect="no"',
      to: 'protect="no" force="always"',
      error: 'force="always"',
    },
    {
      name: 'no hash of what is applied',
      from: 'protect="no"',
      to: 'protect="no" applied="vcpus=2"',
      error: '"vcpus=2" in applied',
    },
    {
      name: 'a removal though it is ready',
      from: '</kg:vm>',
      to: '<kg:removed/></kg:vm>',
      error: 'a removal',
    },
  ])('with $name makes the VM one that is never touched', ({ from, to, error }) => {
    const definition = domainWith(markForDefinition(mark()).replace(from, to));
    expect(definition.mark).toBeUndefined();
    expect(definition.markError).toContain(error);
  });

  it.each(['1', '2026', 'soon', '2026-13-45T00:00:00.000Z', ''])(
    'with the purge date %j is never touched',
    (date) => {
      const xml = markForDefinition(mark({ state: 'tombstone' })).replace(
        /purge-after="[^"]*"/,
        `purge-after="${date}"`,
      );
      expect(domainWith(xml).mark).toBeUndefined();
      expect(domainWith(xml).markError).toContain('purge-after');
    },
  );

  it('that is a tombstone without a removal is never touched', () => {
    const xml = markForDefinition(mark()).replace('"ready"', '"tombstone"');
    expect(domainWith(xml).markError).toContain('no removal');
  });
});

describe('a rendered volume', () => {
  it('has its size in bytes, and a backing file where it is an overlay', () => {
    const root = parseXml(renderVolume('a&b.qcow2', 5, { path: `/p/it's <x>`, format: 'qcow2' }));
    expect(textAt(root, 'name')).toBe('a&b.qcow2');
    expect(textAt(root, 'capacity')).toBe('5');
    expect(textAt(root, 'backingStore', 'path')).toBe(`/p/it's <x>`);
  });

  it('has none where it is not', () => {
    expect(elementAt(parseXml(renderVolume('a', 5)), 'backingStore')).toBeUndefined();
  });
});
