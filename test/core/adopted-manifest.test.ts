import { describe, expect, it } from 'vitest';
import { vmUuid } from '../../src/core/identity.ts';
import { manifest, onlyVm, refused, repository, vm } from './repository.ts';

const UUID = '4dea22b3-1d52-d8f3-2516-782e98ab3fa0';
const issuesWith = (...vms: Record<string, unknown>[]) =>
  refused(repository([manifest('a.json', vms.map(vm))])).map((issue) => issue.replace(/^\S+ /, ''));

describe('a VM that was there before the repository', () => {
  it('has the uuid, the disks and the cards that its lines say, and no image', () => {
    const disks = [{ sizeGb: 2.5, target: 'sda', pool: 'old' }, { sizeGb: 1 }];
    const networks = [{ bridge: 'br1', mac: '52:54:00:AA:00:01' }, {}];
    const declared = onlyVm(
      repository([manifest('a.json', [vm({ uuid: UUID.toUpperCase(), disks, networks })])]),
    );
    expect(declared).not.toHaveProperty('bootDisk');
    expect(declared).toMatchObject({
      uuid: UUID,
      dataDisks: [
        { target: 'sda', sizeGiB: 2.5, pool: 'old' },
        { target: 'vdb', sizeGiB: 1, pool: 'default' },
      ],
      nics: [{ bridge: 'br1', mac: '52:54:00:aa:00:01' }, { bridge: 'br0' }],
    });
  });

  it('declares no card where its lines say none', () => {
    expect(onlyVm(repository([manifest('a.json', [vm({ uuid: UUID })])]))).toMatchObject({ nics: [] });
  });

  it.each([
    {
      fields: { image: 'base' },
      says: 'image of web-1: a VM with a uuid was there before and has its disks',
    },
    { fields: { bootDiskGb: 9 }, says: 'bootDiskGb of web-1: a VM with a uuid was there before' },
    { fields: { uuid: vmUuid('lab', 'web-1') }, says: 'uuid of web-1: it is the one that the VM has anyway' },
    { fields: { uuid: 'web-1' }, says: 'uuid of web-1: expected a uuid such as' },
    { fields: { networks: [{}], mac: '52:54:00:00:00:01' }, says: 'mac of web-1: it has "networks" too' },
    { fields: { disks: [], numDisks: 1, diskSize: 1 }, says: 'numDisks of web-1: it has "disks" too' },
    {
      fields: {
        disks: [
          { sizeGb: 1, target: 'vdb' },
          { sizeGb: 1, target: 'vdb' },
        ],
      },
      says: 'disks.1.target of web-1: vdb is there twice',
    },
  ])('is refused with $fields', ({ fields, says }) => {
    expect(issuesWith({ uuid: UUID, ...fields })).toEqual(
      expect.arrayContaining([expect.stringContaining(says)]),
    );
  });

  it('is there once', () => {
    const twice = issuesWith({ uuid: UUID }, { name: 'web-2', ipaddress: '10.77.0.12', uuid: UUID });
    expect(twice).toEqual([expect.stringContaining(`uuid of web-2: ${UUID} is that of web-1`)]);
  });
});

describe('a VM that is made of an image', () => {
  it.each(['vda', 'sda', 'hdb'])('does not list %s under its disks', (target) => {
    expect(issuesWith({ disks: [{ sizeGb: 1, target }] })).toEqual([
      expect.stringContaining(`disks.0.target of web-1: expected vdb to vdz, got ${target}`),
    ]);
  });

  it('has no two cards with one MAC address', () => {
    const mac = '52:54:00:00:00:01';
    expect(issuesWith({ networks: [{ mac }, { mac }] })).toEqual([
      expect.stringContaining(`mac of web-1: ${mac} is that of web-1`),
    ]);
  });
});
