import { expect, it } from 'vitest';
import { nameStatuses } from '../../src/core/name-status.ts';
import type { KnownNames } from '../../src/core/observed-names.ts';
import { desiredState, desiredVm, NOW } from '../builders.ts';
import { knownNames } from './names.ts';

const MAC = '52:54:00:00:00:01';
const web = desiredVm({ name: 'web', ipaddress: '10.0.0.11' });
const entry = { vm: 'web', hostname: 'web.lab.internal', address: '10.0.0.11', mac: MAC };
const expires = NOW.getTime() / 1000 + 60;
const until = new Date(expires * 1000).toISOString();

function statuses(known: KnownNames, git = [web]) {
  return nameStatuses(desiredState(git), { known, clashes: [], held: [], now: NOW });
}

it.each([
  ['loaded', knownNames([entry]), { state: 'loaded', mac: MAC, names: ['web.lab.internal', 'web'] }],
  ['written and not read', knownNames([entry], { isLoaded: false }), { state: 'written' }],
  ['another address', knownNames([{ ...entry, address: '10.0.0.9' }]), { state: 'differs' }],
  ['another name', knownNames([{ ...entry, hostname: 'www' }]), { state: 'differs' }],
  ['nothing', knownNames(), { state: 'missing' }],
])('shows a VM of which dnsmasq has %s', (_, known, expected) => {
  expect(statuses(known)).toMatchObject([{ vm: 'web', address: '10.0.0.11', ...expected }]);
});

it.each([
  ['its own', { mac: MAC, address: '10.0.0.11', expires }, { mac: MAC, address: '10.0.0.11', until }],
  ['one for ever', { mac: MAC, address: '10.0.0.11', expires: 0 }, { mac: MAC, address: '10.0.0.11' }],
  [
    'one of another address',
    { mac: MAC, address: '10.0.0.50', expires },
    { mac: MAC, address: '10.0.0.50', until },
  ],
  [
    'one of somebody else in its way',
    { mac: 'aa:00:00:00:00:01', address: '10.0.0.11', expires },
    { mac: 'aa:00:00:00:00:01', address: '10.0.0.11', until },
  ],
  ['one that has ended', { mac: MAC, address: '10.0.0.11', expires: 1 }, undefined],
])('shows the lease of a VM: %s', (_, lease, expected) => {
  const known = knownNames([entry], { leases: [{ clientId: '*', ...lease }] });
  expect(statuses(known)[0]?.lease).toEqual(expected);
});

it('shows what is in the way of a VM', () => {
  const [status] = nameStatuses(desiredState([web]), {
    known: knownNames(),
    clashes: [{ vm: 'web', message: 'ipaddress 10.0.0.11 is reserved' }],
    held: [],
    now: NOW,
  });
  expect(status?.problem).toBe('ipaddress 10.0.0.11 is reserved');
});

it('shows entries that stand though git has the VM no more', () => {
  const found = statuses(knownNames([entry]), []);
  expect(found).toMatchObject([{ vm: 'web', state: 'loaded' }]);
  expect(found[0]?.source).toBeUndefined();
});
