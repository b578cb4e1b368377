import { describe, expect, it } from 'vitest';
import type { ObservedHost } from '../../src/core/observed.ts';
import type { KnownNames } from '../../src/core/observed-names.ts';
import { desiredVm, inWords, knownHost, stranger } from '../builders.ts';
import { judge, knownNames, lease, off, publishOf, runs, WEB_MAC, web, webEntry, withMac } from './names.ts';

describe('a VM whose MAC address changes', () => {
  const NEW_MAC = '52:54:00:00:00:99';
  const rewired = desiredVm({
    ...web,
    nics: [{ bridge: 'br0', mac: NEW_MAC }],
  });
  const before = knownNames([webEntry], { leases: [lease({ mac: WEB_MAC })] });
  const cardOf = (mac: string) => [{ mac, bridge: 'br0' }];
  const both = `${NEW_MAC},${WEB_MAC},id:*,10.0.0.11,web`;

  it.each<[string, ObservedHost]>([
    ['is still to get it', knownHost('a', [withMac(runs, WEB_MAC)])],
    [
      'has it with its next start',
      knownHost('a', [{ ...withMac(runs, NEW_MAC), liveDevices: { disks: [], nics: cardOf(WEB_MAC) } }]),
    ],
    ['is off, and its old lease is left', knownHost('a', [withMac(off, NEW_MAC)])],
  ])('keeps its address under both while it %s', (_, host) => {
    const { steps } = judge([rewired], [host], before).plan;
    expect(publishOf(steps).files.dhcpHosts).toContain(`\n${both}\n`);
    expect(inWords(steps).join()).not.toContain('release');
  });

  it.each<[string, Partial<KnownNames>]>([
    ['has its lease under the new one', { leases: [lease({ mac: NEW_MAC })] }],
    ['has no lease any more', { leases: [] }],
    ['had one that has ended', { leases: [lease({ mac: WEB_MAC, expires: 1 })] }],
  ])('has the new one alone once it %s', (_, overrides) => {
    const entry = { ...webEntry, mac: NEW_MAC, formerMac: WEB_MAC };
    const host = knownHost('a', [withMac(runs, NEW_MAC)]);
    const { steps } = judge([rewired], [host], knownNames([entry], overrides)).plan;
    expect(publishOf(steps).files.dhcpHosts).toContain(`\n${NEW_MAC},id:*,10.0.0.11,web\n`);
  });

  it('is not told of the new one while it cannot have it', () => {
    const other = stranger({ name: 'alien', macs: [NEW_MAC] });
    const { plan } = judge([rewired], [knownHost('a', [withMac(runs, WEB_MAC), other])], before);
    expect(inWords(plan.held)).toEqual(['rewire web on a']);
    expect(plan.steps).toEqual([]);
  });

  it.each<[string, ObservedHost]>([
    ['a stranger', knownHost('a', [withMac(off, NEW_MAC), stranger({ name: 'alien', macs: [WEB_MAC] })])],
    ['another VM of git', knownHost('a', [withMac(off, NEW_MAC)])],
  ])('does not lead its address to %s that has the old one by now', (who, host) => {
    const other = desiredVm({
      name: 'db',
      ipaddress: '10.0.0.12',
      nics: [{ bridge: 'br0', mac: WEB_MAC }],
    });
    const git = who === 'a stranger' ? [rewired] : [rewired, other];
    const { steps } = judge(git, [host], before).plan;
    expect(publishOf(steps).files.dhcpHosts).toContain(`\n${NEW_MAC},id:*,10.0.0.11,web\n`);
  });

  it('gets no address that a machine of the same name had: the lease of a stranger is never taken over', () => {
    const { plan } = judge([web], [knownHost('a', [off])], knownNames([webEntry], { leases: [lease()] }));
    expect(inWords(plan.held)).toEqual(['start web on a']);
  });
});
