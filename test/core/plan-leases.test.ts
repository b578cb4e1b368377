import { describe, expect, it } from 'vitest';
import { orderSteps } from '../../src/core/order-steps.ts';
import { pendingAddresses } from '../../src/core/pending-addresses.ts';
import { stepId } from '../../src/core/step.ts';
import { desiredState, desiredVm, inWords, knownHost, NOW, observedState, stranger } from '../builders.ts';
import {
  judge,
  knownNames,
  lease,
  OLD_MAC,
  off,
  old,
  oldEntry,
  runs,
  startOf,
  tombstone,
  WEB_MAC,
  web,
  webEntry,
  withMac,
} from './names.ts';

describe('a lease in the way', () => {
  it('of a removed VM is released, after the names and before the start', () => {
    const { steps } = judge(
      [web],
      [knownHost('a', [off, tombstone])],
      knownNames([], { leases: [lease()] }),
    ).plan;
    expect(inWords(steps)).toContain('release lease 10.0.0.11 on dnsmasq');
    expect(startOf(steps)).toEqual(['publish dnsmasq/names', 'release dnsmasq/lease 10.0.0.11']);
  });

  it('of a VM that is being removed is released once it is off', () => {
    const { steps } = judge(
      [web],
      [knownHost('a', [off, old])],
      knownNames([oldEntry], { leases: [lease()] }),
    ).plan;
    const release = steps.find((step) => step.kind === 'release');
    expect(release?.after).toEqual(['publish dnsmasq/names', 'remove a/old']);
  });

  it('of a removed VM is released though nobody is to have its address: DNS would go on giving its name', () => {
    const names = knownNames([webEntry], { leases: [lease({ address: '10.0.0.40' })] });
    const { steps } = judge([web], [knownHost('a', [runs, tombstone])], names).plan;
    expect(inWords(steps)).toContain('release lease 10.0.0.40 on dnsmasq');
  });

  it('of a VM that moves to another host is released once it is off there', () => {
    const elsewhere = desiredVm({ name: 'old', host: 'b', ipaddress: '10.0.0.12' });
    const hosts = [knownHost('a', [off, old]), knownHost('b')];
    const { steps } = judge([web, elsewhere], hosts, knownNames([oldEntry], { leases: [lease()] })).plan;
    const release = steps.find((step) => step.kind === 'release');
    expect(release?.after).toEqual(['publish dnsmasq/names', 'depart a/old']);
  });

  it.each([
    [
      'of a machine that is not ours',
      [off],
      /52:54:00:00:00:02, which is not ours, until .* never taken away/,
    ],
    ["of a stranger's VM", [off, stranger({ name: 'alien', macs: [OLD_MAC] })], /VM alien on a/],
  ])('%s is never taken away: the VM waits', (_, vms, reason) => {
    const { plan } = judge([web], [knownHost('a', vms)], knownNames([], { leases: [lease()] }));
    expect(inWords(plan.steps)).toEqual(['publish names on dnsmasq']);
    expect(plan.held).toMatchObject([
      { kind: 'start', because: 'conflict', reason: expect.stringMatching(reason) },
    ]);
  });

  it('of a VM of ours that runs with it is left to it', () => {
    const other = desiredVm({ name: 'old', ipaddress: '10.0.0.12' });
    const { plan } = judge([web, other], [knownHost('a', [off, old])], knownNames([], { leases: [lease()] }));
    expect(inWords(plan.held)).toEqual(['start web on a']);
    expect(plan.held[0]?.reason).toContain('leased to old on a, which runs with it');
  });

  it('that has ended is none', () => {
    const names = knownNames([webEntry], { leases: [lease({ expires: NOW.getTime() / 1000 - 1 })] });
    expect(inWords(judge([web], [knownHost('a', [off])], names).plan.steps)).toEqual(['start web on a']);
  });
});

describe('two VMs that exchange their addresses', () => {
  const git = [
    desiredVm({ name: 'web', host: 'b', ipaddress: '10.0.0.12' }),
    desiredVm({ name: 'old', host: 'a', ipaddress: '10.0.0.11' }),
  ];
  const entries = [webEntry, { ...oldEntry, address: '10.0.0.12' }];
  const leases = [lease({ mac: WEB_MAC }), lease({ address: '10.0.0.12' })];
  const names = knownNames(entries, { leases });

  it('and their hosts start once the other has let go of its own', () => {
    const { plan } = judge(git, [knownHost('a', [runs]), knownHost('b', [withMac(old, OLD_MAC)])], names);
    expect(plan.held).toEqual([]);
    const after = new Map(orderSteps(plan.steps).map(({ step }) => [stepId(step), step.after ?? []]));
    expect(after.get('start b/web')).toContain('release dnsmasq/lease 10.0.0.12');
    expect(after.get('release dnsmasq/lease 10.0.0.12')).toContain('depart b/old');
    expect(after.get('start a/old')).toContain('release dnsmasq/lease 10.0.0.11');
    expect(after.get('release dnsmasq/lease 10.0.0.11')).toContain('depart a/web');
  });

  it('and run are told to dnsmasq, and pending', () => {
    const here = git.map((vm) => ({ ...vm, host: 'a' }));
    const { plan, clashes, pendingRestart } = judge(
      here,
      [knownHost('a', [runs, withMac(old, OLD_MAC)])],
      names,
    );
    expect(clashes).toEqual([]);
    expect(inWords([...plan.steps, ...plan.held])).toEqual(['publish names on dnsmasq']);
    expect(pendingRestart.map(({ vm }) => vm).toSorted()).toEqual(['old', 'web']);
  });
});

describe('a VM that runs with another address than git has', () => {
  it.each([
    ['is pending', [lease({ mac: WEB_MAC, address: '10.0.0.50' })], 1],
    [
      'is not, once it has the new one too',
      [lease({ mac: WEB_MAC }), lease({ mac: WEB_MAC, address: '10.0.0.50' })],
      0,
    ],
    ['is not, where it has no lease', [], 0],
  ])('%s', (_, leases, count) => {
    const observed = { ...observedState(knownHost('a', [runs])), names: knownNames([], { leases }) };
    expect(pendingAddresses(desiredState([web]).vms, observed)).toHaveLength(count);
  });
});
