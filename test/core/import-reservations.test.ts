import { describe, expect, it } from 'vitest';
import { parseHosts, parseReservations } from '../../src/core/dnsmasq-lines.ts';
import { importHosts, importReservations } from '../../src/core/import-reservations.ts';
import { desiredState, desiredVm } from '../builders.ts';

const MAC = '52:54:00:aa:bb:01';
const { vms } = desiredState([
  desiredVm({ name: 'web', ipaddress: '10.0.0.11' }),
  desiredVm({ name: 'db', ipaddress: '10.0.0.12', nics: [{ bridge: 'br0', mac: MAC }] }),
]);

describe('a line of kvm-leases', () => {
  it.each([
    [
      'gives a MAC address for the manifest',
      'dhcp-host=52:54:00:AA:BB:09,10.0.0.11',
      { kind: 'same', vm: 'web', mac: '52:54:00:aa:bb:09' },
    ],
    ['can go where git has it', `dhcp-host=${MAC},10.0.0.12`, { kind: 'same', vm: 'db' }],
    [
      'has another MAC address than git',
      'dhcp-host=52:54:00:00:00:99,10.0.0.12',
      { kind: 'differs', vm: 'db', reason: `mac ${MAC}` },
    ],
    [
      'has another address than git',
      `dhcp-host=${MAC},10.0.0.77`,
      { kind: 'differs', vm: 'db', reason: 'ipaddress 10.0.0.12' },
    ],
    // The scripts took 10.0.0.1 for a part of 10.0.0.11.
    ['is about nobody of git', 'dhcp-host=52:54:00:00:00:02,10.0.0.1', { kind: 'foreign' }],
    ['is no reservation of an address', 'dhcp-host=52:54:00:00:00:02,ignore', { kind: 'foreign' }],
  ])('%s', (_, line, expected) => {
    const found = importReservations(parseReservations(`# leases\n${line}\n`, 'kvm-leases'), vms);
    expect(found).toMatchObject([{ place: 'kvm-leases:2', ...expected }]);
    expect(found[0]?.mac).toBe('mac' in expected ? expected.mac : undefined);
  });

  it('of a VM that has two by former builds leaves the choice to a person', () => {
    const lines = 'dhcp-host=52:54:00:00:00:01,10.0.0.11\ndhcp-host=52:54:00:00:00:02,10.0.0.11\n';
    const found = importReservations(parseReservations(lines, 'f'), vms);
    expect(found).toMatchObject([
      { kind: 'same' },
      { kind: 'differs', place: 'f:2', reason: 'no mac, and f:1 has 52:54:00:00:00:01' },
    ]);
  });
});

describe('a line of /etc/hosts', () => {
  it.each([
    ['can go', '10.0.0.11 web.lab.internal web', [{ kind: 'same', vm: 'web' }]],
    [
      'has another name',
      '10.0.0.11 old-web',
      [{ kind: 'differs', reason: '10.0.0.11 web.lab.internal web' }],
    ],
    ['has another address', '10.0.0.77 web', [{ kind: 'differs', vm: 'web' }]],
    ['is about nobody of git', '127.0.0.1 localhost', []],
  ])('%s', (_, line, expected) => {
    expect(importHosts(parseHosts(`${line}\n`, '/etc/hosts'), vms)).toMatchObject(expected);
  });
});
