import { SEED_TARGET } from './seed.ts';
import { escapeXml } from './xml.ts';

/** A disk as libvirt is told of it. */
export interface DiskDevice {
  readonly target: string;
  readonly file: string;
  /** `qcow2`, `raw`: libvirt guesses nothing, and a wrong one shows the guest another disk. */
  readonly format: string;
}

/** `type='file'`, not `'volume'`: AppArmor's helper only understands files. */
export function renderDisk({ target, file, format }: DiskDevice): string {
  return `    <disk type='file' device='disk'>
      <driver name='qemu' type='${escapeXml(format)}' discard='unmap'/>
      <source file='${escapeXml(file)}'/>
      <target dev='${escapeXml(target)}' bus='virtio'/>
    </disk>`;
}

/** On virtio: Debian's cloud kernel has no driver for a CD-ROM. A snapshot of the VM leaves it out. */
export function renderSeed(file: string): string {
  return `    <disk type='file' device='disk' snapshot='no'>
      <driver name='qemu' type='raw'/>
      <source file='${escapeXml(file)}'/>
      <target dev='${SEED_TARGET}' bus='virtio'/>
      <readonly/>
    </disk>`;
}

export function renderNic(bridge: string, mac: string): string {
  return `    <interface type='bridge'>
      <mac address='${mac}'/>
      <source bridge='${escapeXml(bridge)}'/>
      <model type='virtio'/>
    </interface>`;
}

/** As many as virt-install leaves: some eight disks more can be attached while the VM runs. */
const ROOT_PORTS = 14;

/** Places on the PCI Express bus. libvirt itself leaves one that is free, and a running VM gets no further ones. */
export function renderRootPorts(): string {
  const ports = Array.from(
    { length: ROOT_PORTS },
    (_, index) => `    <controller type='pci' index='${index + 1}' model='pcie-root-port'/>`,
  );
  return ["    <controller type='pci' index='0' model='pcie-root'/>", ...ports].join('\n');
}
