import { expect, it } from 'vitest';
import { parseDomain } from '../../src/core/domain-definition.ts';
import { MARK_NAMESPACE, MARK_PREFIX } from '../../src/core/mark.ts';
import { markForMetadataCall } from '../../src/core/mark-xml.ts';
import { machineXml, makeMachine, markOf } from './machine.ts';
import { failureOf, onEveryHost } from './site.ts';

const ours = (xml: string | undefined) => ({ uri: MARK_NAMESPACE, key: MARK_PREFIX, xml });
const CONFIG = { config: true } as const;
const LIVE = { live: true } as const;

onEveryHost('metadata', (bench) => {
  it('replaces our mark, which the definition then shows', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const removed = {
      at: '2026-01-02T03:04:05Z',
      purgeAfter: '2026-01-09T03:04:05Z',
      commit: 'aa<&"\'b',
      complete: true,
    };
    const mark = { ...markOf('web'), state: 'tombstone', removed } as const;
    await domains.setMetadata(domain, ours(markForMetadataCall(mark)), CONFIG);
    expect(parseDomain(await domains.xml(domain, { inactive: true })).mark).toEqual(mark);
  });

  it('gives an element back without prefix and namespace', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    await domains.setMetadata(domain, ours('<vm a="1"><volume pool="p"/></vm>'), CONFIG);
    const xml = '<vm a="1">\n  <volume pool="p"/>\n</vm>';
    expect(await domains.metadata(domain, MARK_NAMESPACE, CONFIG)).toBe(xml);
  });

  it('writes the prefix to every element', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    await domains.setMetadata(domain, ours('<vm a="1"><volume pool="p"/></vm>'), CONFIG);
    expect(await domains.xml(domain)).toContain(`  <metadata>
    <kg:vm xmlns:kg="urn:kvm-gitops:1" a="1">
      <kg:volume pool="p"/>
    </kg:vm>
  </metadata>
`);
  });

  it('leaves the elements of others alone, and puts the new one last', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    await domains.setMetadata(domain, { uri: 'urn:other', key: 'o', xml: '<x/>' }, CONFIG);
    await domains.setMetadata(domain, ours('<vm/>'), CONFIG);
    expect(await domains.xml(domain)).toMatch(/<o:x xmlns:o="urn:other"\/>\s+<kg:vm /);
  });

  it('takes an element out, also one that is not there', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    await domains.setMetadata(domain, ours(undefined), CONFIG);
    await domains.setMetadata(domain, ours(undefined), CONFIG);
    expect(await domains.metadata(domain, MARK_NAMESPACE, CONFIG)).toBeUndefined();
    expect(await domains.xml(domain)).toContain('  <metadata/>\n');
    expect(parseDomain(await domains.xml(domain)).mark).toBeUndefined();
  });

  it('has nothing for a namespace that nobody used', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    expect(await domains.metadata(domain, 'urn:nobody')).toBeUndefined();
  });

  it('keeps text and special characters', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const xml = '<vm a="&lt;1&quot;\'">\n  text &amp; <volume pool="p"/></vm>';
    await domains.setMetadata(domain, ours(xml), CONFIG);
    expect(await domains.metadata(domain, MARK_NAMESPACE, CONFIG)).toBe(xml);
  });

  it.each([
    ['is not XML', '<vm>', 'XML_DETAIL', 20],
    ['has our prefix already', '<kg:vm xmlns:kg="urn:kvm-gitops:1"/>', 'INTERNAL_ERROR', 5],
  ])('refuses an element that %s', async (_, xml, code, origin) => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const failure = await failureOf(domains.setMetadata(domain, ours(xml), CONFIG));
    expect(failure).toMatchObject({ code, domain: origin });
    expect(parseDomain(await domains.xml(domain)).mark).toEqual(markOf('web'));
  });

  it('keeps the running domain and its definition apart', async () => {
    const { domains } = bench.libvirt;
    const domain = await makeMachine(bench.libvirt, 'web');
    await domains.start(domain);
    await domains.setMetadata(domain, ours('<vm a="config"/>'), CONFIG);
    expect(await domains.metadata(domain, MARK_NAMESPACE, LIVE)).toContain('state="building"');
    await domains.setMetadata(domain, ours('<vm a="current"/>'));
    expect(await domains.metadata(domain, MARK_NAMESPACE, LIVE)).toBe('<vm a="current"/>');
    expect(await domains.metadata(domain, MARK_NAMESPACE, CONFIG)).toBe('<vm a="config"/>');
    await domains.setMetadata(domain, ours('<vm a="both"/>'), { ...LIVE, ...CONFIG });
    expect(await domains.metadata(domain, MARK_NAMESPACE, LIVE)).toBe('<vm a="both"/>');
    expect(await domains.xml(domain, { inactive: true })).toContain('a="both"');
  });

  it('has no live metadata of a domain that is off', async () => {
    const { domains } = bench.libvirt;
    const domain = await domains.define(machineXml('web'));
    const expected = {
      code: 'OPERATION_INVALID',
      domain: 20,
      message: 'Requested operation is not valid: domain is not running',
    };
    expect(await failureOf(domains.setMetadata(domain, ours('<vm/>'), LIVE))).toEqual(expected);
    expect(await failureOf(domains.metadata(domain, MARK_NAMESPACE, LIVE))).toEqual(expected);
  });
});
