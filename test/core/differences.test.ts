import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import { differences } from '../../src/core/differences.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { desiredVm, GIB, mark, observedVm } from '../builders.ts';

const vdb = { target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 5 };
const withVdb = [
  { target: 'vda', pool: 'default', name: 'web-vda.qcow2', made: true },
  { target: 'vdb', pool: 'default', name: 'web-vdb.qcow2', made: true },
];

describe('differences', () => {
  it.each<{ name: string; git?: Partial<DesiredVm>; found?: Partial<ObservedVm>; says?: string }>([
    { name: 'nothing where all is as declared' },
    { name: 'nothing of processors and memory, which are changed', git: { vcpus: 4, memoryMiB: 1024 } },
    { name: 'a data disk that is not there', git: { dataDisks: [vdb] }, says: 'no disk vdb' },
    {
      name: 'a data disk of another size',
      git: { dataDisks: [vdb] },
      found: { disks: [{ target: 'vdb', capacity: 3 * GIB }] },
      says: 'vdb GiB 3 -> 5',
    },
    {
      name: 'nothing of a disk whose size libvirt could not tell',
      git: { dataDisks: [vdb] },
      found: { disks: [{ target: 'vdb' }] },
    },
    {
      name: 'a boot disk of another size',
      git: { bootDisk: { ...desiredVm().bootDisk, sizeGiB: 10 } },
      says: 'vda GiB 2 -> 10',
    },
    {
      name: 'a data disk that git dropped',
      found: { mark: mark({ volumes: withVdb }) },
      says: 'disk web-vdb.qcow2 is not in git',
    },
    {
      name: 'a declared MAC address that it has not',
      git: { nics: [{ bridge: 'br0', mac: '52:54:00:aa:bb:cc' }] },
      says: 'no network card 52:54:00:aa:bb:cc',
    },
    {
      name: 'nothing of a declared MAC address in other case',
      git: { nics: [{ bridge: 'br0', mac: '52:54:00:aa:bb:cc' }] },
      found: { macs: ['52:54:00:AA:BB:CC'] },
    },
    {
      name: 'nothing of a disk that somebody attached',
      found: { disks: [...observedVm().disks, { target: 'vdz', file: '/backup.qcow2' }] },
    },
  ])('names $name', ({ git, found, says }) => {
    const held = differences(desiredVm(git), observedVm(found));
    expect(held.map(({ because, kind }) => `${because}: ${kind}`)).toEqual(says ? ['change: update'] : []);
    expect(held.map(({ reason }) => reason.split(': ')[0])).toEqual(says === undefined ? [] : [says]);
  });

  it('names them all in one sentence', () => {
    const nics = [{ bridge: 'br0', mac: '52:54:00:aa:bb:cc' }];
    expect(differences(desiredVm({ nics, dataDisks: [vdb] }), observedVm())[0]?.reason).toContain(
      'no network card 52:54:00:aa:bb:cc, no disk vdb:',
    );
  });
});
