import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { pendingRestarts } from '../../src/core/size.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  knownHost,
  NOW,
  observedState,
  observedVm,
  stranger,
} from '../builders.ts';

const MAC = '52:54:00:00:00:01';
const OTHER = '52:54:00:00:00:02';
const card = { mac: MAC, bridge: 'br0' };

function planned(
  vm: Partial<DesiredVm>,
  found: Partial<ObservedVm> = {},
  others: ObservedVm[] = [],
): string[] {
  const host = knownHost('a', [observedVm(found), ...others]);
  const { steps, held } = plan(desiredState([desiredVm(vm)]), observedState(host), {
    now: NOW,
    commit: COMMIT,
  });
  return [
    ...steps.map(({ kind, reason }) => `${kind}: ${reason}`),
    ...held.map(({ kind, because }) => `held ${kind}: ${because}`),
  ];
}

describe('cards, title and description of a VM that is there', () => {
  it.each<{ what: string; vm: Partial<DesiredVm>; found?: Partial<ObservedVm>; expected: string[] }>([
    { what: 'a bridge that nobody declared', vm: { nics: [{ bridge: 'br1' }] }, expected: [] },
    {
      what: 'the bridge of the manifest',
      vm: { nics: [{ bridge: 'br1', bridgeFrom: 'vm' }] },
      expected: ['rewire: bridge br0 -> br1'],
    },
    {
      what: 'the bridge of cluster.yaml',
      vm: { nics: [{ bridge: 'br1', bridgeFrom: 'cluster' }] },
      expected: ['rewire: bridge br0 -> br1'],
    },
    {
      what: 'the bridge of cluster.yaml, for a card on a network of libvirt',
      vm: { nics: [{ bridge: 'br1', bridgeFrom: 'cluster' }] },
      found: { nics: [{ mac: MAC }] },
      expected: [],
    },
    {
      what: 'the MAC address of the manifest',
      vm: { nics: [{ bridge: 'br0', mac: OTHER.toUpperCase() }] },
      expected: [`rewire: MAC address ${MAC} -> ${OTHER}`],
    },
    {
      what: 'the MAC address of a second card',
      vm: { nics: [{ bridge: 'br0', mac: OTHER }] },
      found: { nics: [card, { mac: OTHER, bridge: 'br9' }], macs: [MAC, OTHER] },
      expected: [],
    },
    {
      what: 'a MAC address where there is no card',
      vm: { nics: [{ bridge: 'br0', mac: OTHER }] },
      found: { nics: [], macs: [] },
      expected: ['held rewire: conflict'],
    },
    { what: 'a hostname', vm: { title: 'web.lab' }, expected: ['describe: its title in git'] },
    {
      what: 'hostname and description',
      vm: { title: 'web.lab', description: 'The web\nserver\n' },
      expected: ['describe: its title and description in git'],
    },
    {
      what: 'texts that are so already',
      vm: { title: 'web.lab', description: 'The web\nserver\n' },
      found: { title: 'web.lab', description: 'The web\nserver' },
      expected: [],
    },
    { what: 'no description', vm: {}, found: { title: 'by hand', description: 'by hand' }, expected: [] },
  ])('follow $what', ({ vm, found, expected }) => {
    expect(planned(vm, found)).toEqual(expected);
  });

  it('leave a MAC address alone that another VM has', () => {
    const other = stranger({ nics: [{ mac: OTHER, bridge: 'br0' }], macs: [OTHER] });
    expect(planned({ nics: [{ bridge: 'br0', mac: OTHER }] }, {}, [other])).toEqual([
      'held rewire: conflict',
    ]);
  });
});

describe('a running VM', () => {
  const data = { target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 1 };
  const vdb = { target: 'vdb', file: '/pool/web-vdb.qcow2' };
  const vda = { target: 'vda', file: '/pool/web-vda.qcow2' };

  it.each<{ what: string; vm?: Partial<DesiredVm>; found: Partial<ObservedVm>; reason?: string }>([
    {
      what: 'a disk that it does not have yet',
      vm: { dataDisks: [data] },
      found: { disks: [vda, vdb], liveDevices: { disks: [vda], nics: [card] } },
      reason: 'disk vdb is attached',
    },
    {
      what: 'a disk of ours that it still has',
      found: {
        disks: [vda],
        liveDevices: { disks: [vda, { ...vdb, file: '/pool/web-vda.qcow2' }], nics: [card] },
      },
      reason: 'disk vdb is detached',
    },
    {
      what: 'nothing of a disk that somebody attached to it',
      found: {
        disks: [vda],
        liveDevices: { disks: [vda, { target: 'vdz', file: '/tmp/rescue' }], nics: [card] },
      },
    },
    {
      what: 'its MAC address',
      vm: { nics: [{ bridge: 'br0', mac: OTHER }] },
      found: { nics: [{ mac: OTHER, bridge: 'br0' }], liveDevices: { disks: [vda], nics: [card] } },
      reason: `MAC address ${MAC} -> ${OTHER}`,
    },
    {
      what: 'its bridge',
      vm: { nics: [{ bridge: 'br1', bridgeFrom: 'vm' }] },
      found: { nics: [{ mac: MAC, bridge: 'br1' }], liveDevices: { disks: [vda], nics: [card] } },
      reason: 'bridge br0 -> br1',
    },
  ])('waits for its next start with $what', ({ vm = {}, found, reason }) => {
    const wanted = desiredVm(vm);
    const observed = observedState(knownHost('a', [observedVm(found)]));
    expect(pendingRestarts(new Map([['web', wanted]]), observed).map((one) => one.reason)).toEqual(
      reason === undefined ? [] : [reason],
    );
  });
});
