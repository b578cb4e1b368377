import type { DataDisk, NewVm } from '../../src/core/desired.ts';
import { renderDomain } from '../../src/core/domain-xml.ts';
import { vmUuid } from '../../src/core/identity.ts';
import type { Mark } from '../../src/core/mark.ts';
import { renderVolume } from '../../src/core/volume-xml.ts';
import type { Libvirt } from '../../src/libvirt/libvirt.ts';
import type { DomainRef, VolumeRef } from '../../src/libvirt/protocol/procedure.ts';

export const MIB = 1024 ** 2;
/** Where the pool `default` is on every host. */
export const POOL_PATH = '/data01/primary';

/** The mark of a VM that is being built. */
export function markOf(name: string): Mark {
  return {
    cluster: 'lab',
    uuid: vmUuid('lab', name),
    state: 'building',
    file: 'manifests/web.yaml',
    commit: '4f2c91d0',
    protect: false,
    volumes: [{ target: 'vda', pool: 'default', name: `${name}-vda.qcow2`, made: true }],
  };
}

/** A VM as the product defines it, with 64 MiB of 128. */
export function machineXml(name: string, change: Partial<NewVm> = {}): string {
  const vm: NewVm = {
    name,
    host: 't01',
    uuid: vmUuid('lab', name),
    hostname: `${name}.example.org`,
    ipaddress: '10.0.0.1',
    vcpus: 1,
    memoryMiB: 64,
    maxMemoryMiB: 128,
    bootDisk: {
      target: 'vda',
      pool: 'default',
      volume: `${name}-vda.qcow2`,
      image: { name: 'base', pool: 'default', volume: 'base.qcow2' },
      clone: 'overlay',
    },
    dataDisks: [],
    nics: [{ bridge: 'br0' }],
    power: 'on',
    autostart: false,
    antiAffinity: [],
    restart: 'never',
    dependsOn: [],
    hostnameVia: 'dhcp',
    protect: false,
    drift: 'heal',
    migration: 'offline',
    source: { file: 'manifests/web.yaml', line: 1 },
    ...change,
  };
  const place = { virtType: 'qemu', arch: 'x86_64', poolPath: () => POOL_PATH } as const;
  return renderDomain(vm, ['52:54:00:12:34:56'], markOf(name), place);
}

/** Makes an empty volume of 16 MiB. */
export async function makeVolume({ pools, volumes }: Libvirt, name: string): Promise<VolumeRef> {
  return volumes.create(await pools.byName('default'), renderVolume(name, 16 * MIB));
}

/** A data disk as a VM of that name has it. */
export function dataDisk(name: string, target = 'vdb'): DataDisk {
  return { target, pool: 'default', volume: `${name}-${target}.qcow2`, sizeGiB: 1 };
}

/** Defines a VM and makes its disks. */
export async function makeMachine(
  libvirt: Libvirt,
  name: string,
  change: Partial<NewVm> = {},
): Promise<DomainRef> {
  await makeVolume(libvirt, `${name}-vda.qcow2`);
  for (const { volume } of change.dataDisks ?? []) await makeVolume(libvirt, volume);
  return libvirt.domains.define(machineXml(name, change), { validate: true });
}
