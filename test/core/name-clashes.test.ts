import { describe, expect, it } from 'vitest';
import { clashIssues } from '../../src/core/name-clashes.ts';
import type { KnownNames } from '../../src/core/observed-names.ts';
import { desiredState, desiredVm, inWords, knownHost } from '../builders.ts';
import { judge, knownNames, OLD_MAC, off, runs, WEB_MAC, web, webEntry } from './names.ts';

describe('a clash with what somebody else wrote', () => {
  const place = '/etc/dnsmasq.d/other:3';
  it.each<[string, Partial<KnownNames>, string]>([
    [
      'an address that is reserved',
      { reservations: [{ place, macs: [OLD_MAC], address: '10.0.0.11' }] },
      'is reserved for',
    ],
    [
      'a MAC address with another one',
      { reservations: [{ place, macs: [WEB_MAC], address: '10.0.0.99' }] },
      `its MAC address ${WEB_MAC} has 10.0.0.99 in ${place}`,
    ],
    [
      'a name that is taken',
      { reservations: [{ place, macs: [OLD_MAC], name: 'web' }] },
      'its name web is that of',
    ],
    [
      'an address in a hosts file',
      { hostEntries: [{ place, address: '10.0.0.11', names: ['printer'] }] },
      `is that of printer in ${place}`,
    ],
    [
      'a name in a hosts file',
      { hostEntries: [{ place, address: '10.0.0.99', names: ['web.lab.internal'] }] },
      'has the address 10.0.0.99',
    ],
    [
      "dnsmasq's own address",
      { interfaces: [{ name: 'br0', address: '10.0.0.11', prefix: 24 }] },
      "dnsmasq's own machine",
    ],
    ['an address outside every range', { networks: [] }, 'outside the networks'],
  ])('refuses %s', (_, overrides, message) => {
    const { clashes, plan } = judge([web], [knownHost('a', [off])], knownNames([], overrides));
    const issues = clashIssues(clashes, desiredState([web]));
    expect(issues).toMatchObject([{ file: 'manifests/web.yaml', line: 4 }]);
    expect(issues[0]?.message).toContain(message);
    // Where the commit is in force already: everything but this VM's start goes on.
    expect(inWords(plan.held)).toEqual(['start web on a']);
  });

  it.each<[string, Partial<KnownNames>]>([
    ['the same reservation twice', { reservations: [{ place, macs: [WEB_MAC], address: '10.0.0.11' }] }],
    ['the same name twice', { hostEntries: [{ place, address: '10.0.0.11', names: ['web'] }] }],
  ])('is not %s', (_, overrides) => {
    const { clashes, plan } = judge([web], [knownHost('a', [off])], knownNames([], overrides));
    expect(clashes).toEqual([]);
    expect(inWords(plan.steps)).toContain('start web on a');
  });

  it('is not an address of whatever network, where dnsmasq gives no addresses', () => {
    const { networks: _, ...names } = knownNames();
    const far = { ...web, ipaddress: '192.0.2.7' };
    expect(judge([far], [knownHost('a', [off])], names).clashes).toEqual([]);
  });

  it('leaves an entry as it is that worked before', () => {
    const names = knownNames([webEntry], {
      hostEntries: [{ place, address: '10.0.0.11', names: ['printer'] }],
    });
    const { plan } = judge([web], [knownHost('a', [runs])], names);
    expect(plan.steps).toEqual([]);
    expect(inWords(plan.held)).toEqual(['publish web on a']);
  });

  it('is also a VM whose name is the hostname of another', () => {
    const other = desiredVm({ name: 'db', hostname: 'web', ipaddress: '10.0.0.12', power: 'off' });
    const { clashes } = judge([web, other], [knownHost('a', [off])], knownNames());
    expect(clashes).toMatchObject([{ vm: 'web', message: expect.stringContaining('the hostname of db') }]);
  });
});
