import { describe, expect, it } from 'vitest';
import { arrangeFleet } from '../../src/core/fleet.ts';
import { macAddress } from '../../src/core/identity.ts';
import { macAllocator } from '../../src/core/mac-allocator.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { CLUSTER, desiredState, desiredVm, knownHost, observedState, stranger } from '../builders.ts';

const first = macAddress(CLUSTER, 'web', 0, 0);
const web = desiredVm();

function allocate(
  vm = web,
  others: readonly ReturnType<typeof desiredVm>[] = [],
  there: readonly ObservedVm[] = [],
) {
  const fleet = arrangeFleet(CLUSTER, observedState(knownHost('c', there)));
  return macAllocator(desiredState([vm, ...others]), fleet)(vm);
}

describe('the MAC address of a new VM', () => {
  it('is the same on every run, and another for each card', () => {
    const nics = [{ bridge: 'br0' }, { bridge: 'br1' }];
    expect(allocate({ ...web, nics })).toEqual([first, macAddress(CLUSTER, 'web', 1, 0)]);
  });

  it('is the declared one, in lower case', () => {
    expect(allocate({ ...web, nics: [{ bridge: 'br0', mac: '52:54:00:AA:BB:CC' }] })).toEqual([
      '52:54:00:aa:bb:cc',
    ]);
  });

  it('is none that a VM on any host has, ours or not, in whatever case it is written', () => {
    expect(allocate(web, [], [stranger({ macs: [first.toUpperCase()] })])).toEqual([
      macAddress(CLUSTER, 'web', 0, 1),
    ]);
  });

  it('is none that another manifest declares', () => {
    const other = desiredVm({ name: 'db', nics: [{ bridge: 'br0', mac: first }] });
    expect(allocate(web, [other])).toEqual([macAddress(CLUSTER, 'web', 0, 1)]);
  });
});
