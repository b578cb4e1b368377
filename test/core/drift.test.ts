import { describe, expect, it } from 'vitest';
import { appliedNow } from '../../src/core/applied.ts';
import type { NewVm } from '../../src/core/desired.ts';
import { findDrift } from '../../src/core/drift.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import {
  desiredState,
  desiredVm,
  GIB,
  knownHost,
  mark,
  observedState,
  observedVm,
  unknownHost,
} from '../builders.ts';

function driftOf(found: Partial<ObservedVm>, git: Partial<NewVm> = {}, before: Partial<NewVm> = {}) {
  const vm = desiredVm(git);
  const seen = observedVm({
    mark: mark({ applied: appliedNow(desiredVm({ ...git, ...before })) }),
    ...found,
  });
  return findDrift(desiredState([vm]), observedState(knownHost('a', [seen]), unknownHost('b')));
}

describe('drift', () => {
  it('is none where the host is as git declares', () => {
    expect(driftOf({})).toEqual([]);
  });

  it.each<{ found: Partial<ObservedVm>; git?: Partial<NewVm>; field: string; is: [string, string] }>([
    { found: { vcpus: 1 }, field: 'vcpus', is: ['2', '1'] },
    { found: { memoryMiB: 1536 }, field: 'memoryGb', is: ['2', '1.5'] },
    { found: { maxMemoryMiB: 2048 }, field: 'maxMemoryGb', is: ['4', '2'] },
    { found: { power: 'shutoff' }, field: 'power', is: ['running', 'shutoff'] },
    { found: { autostart: false }, field: 'autostart', is: ['true', 'false'] },
    { found: { disks: [] }, field: 'disk vda', is: ['there', 'missing'] },
    {
      found: { disks: [...observedVm().disks, { target: 'vdb', capacity: GIB }] },
      git: { dataDisks: [{ target: 'vdb', pool: 'default', volume: 'v', sizeGiB: 2 }] },
      field: 'disk vdb',
      is: ['2 GiB', '1 GiB'],
    },
    {
      found: {},
      git: { nics: [{ bridge: 'br0', mac: '52:54:00:00:00:02' }] },
      field: 'network card 1',
      is: ['52:54:00:00:00:02', '52:54:00:00:00:01'],
    },
    {
      found: { nics: [], macs: [] },
      git: { nics: [{ bridge: 'br0', mac: '52:54:00:00:00:02' }] },
      field: 'network card 1',
      is: ['52:54:00:00:00:02', 'missing'],
    },
    {
      found: {},
      git: { nics: [{ bridge: 'br1', bridgeFrom: 'vm' }] },
      field: 'bridge of network card 1',
      is: ['br1', 'br0'],
    },
    { found: {}, git: { title: 'Shop' }, field: 'title', is: ['Shop', 'none'] },
    { found: { title: 'shop' }, git: { title: 'Shop' }, field: 'title', is: ['Shop', 'shop'] },
    {
      found: { description: 'old' },
      git: { description: 'new\n' },
      field: 'description',
      is: ['new', 'old'],
    },
  ])('is told of $field', ({ found, git, field, is: [inGit, actual] }) => {
    expect(driftOf(found, git)).toEqual([
      { host: 'a', vm: 'web', field, git: inGit, actual, kind: 'drift', policy: 'heal' },
    ]);
  });

  it('is not a description that differs in white space around it', () => {
    expect(driftOf({ description: 'text' }, { description: ' text\n' })).toEqual([]);
  });

  it('is not a bridge that nobody declares, or a title', () => {
    expect(driftOf({ title: 'mine' }, { nics: [{ bridge: 'br9' }] })).toEqual([]);
  });

  it('is a disk that git no longer names', () => {
    const vdb = { target: 'vdb', pool: 'default', name: 'web-vdb.qcow2', made: true };
    const seen = { mark: mark({ volumes: [...mark().volumes, vdb] }) };
    expect(driftOf(seen)).toMatchObject([{ field: 'disk vdb', git: 'none', actual: 'there' }]);
  });

  it('is not a boot disk that is larger than the default', () => {
    const { bootDisk } = desiredVm();
    expect(driftOf({}, { bootDisk: { ...bootDisk, sizeGiB: 1, sizeIsDefault: true } })).toEqual([]);
  });

  it('is not what git leaves to people', () => {
    expect(driftOf({ power: 'shutoff' }, { power: 'manual' })).toEqual([]);
  });

  it('is no drift where git has changed since', () => {
    expect(driftOf({ vcpus: 1, autostart: false }, {}, { vcpus: 1 })).toMatchObject([
      { field: 'autostart', kind: 'drift' },
      { field: 'vcpus', kind: 'pending' },
    ]);
  });

  it('is not what a VM only shows from its next start on', () => {
    expect(driftOf({ live: { vcpus: 1, maxVcpus: 1, memoryMiB: 1024, maxMemoryMiB: 1024 } })).toEqual([]);
  });

  it.each([
    { what: 'is not ours', found: { mark: mark({ cluster: 'other' }) } },
    { what: 'was removed', found: { mark: mark({ state: 'tombstone' }) } },
  ])('is nothing that counts for a VM that $what', ({ found }) => {
    expect(driftOf({ vcpus: 1, ...found })).toEqual([]);
  });
});
