import { disksOf, type NewVm } from './desired.ts';
import { renderDisk, renderNic, renderRootPorts, renderSeed } from './device-xml.ts';
import type { Mark } from './mark.ts';
import { markForDefinition } from './mark-xml.ts';
import { escapeXml } from './xml.ts';

/** What a definition needs to know of the host that it is for. */
export interface DomainPlace {
  readonly virtType: 'kvm' | 'qemu';
  /** As libvirt names it: `x86_64`, `aarch64`. */
  readonly arch: string;
  /** Folder of each pool that the VM uses. */
  readonly poolPath: (pool: string) => string;
}

/**
 * The libvirt definition of a new VM. UUID and MACs always stand in it: libvirt would otherwise make up new ones on
 * each define. The emulator does not: each host has its own.
 */
export function renderDomain(vm: NewVm, macs: readonly string[], mark: Mark, place: DomainPlace): string {
  const disks = disksOf(vm);
  const devices = [
    ...(place.arch === 'x86_64' ? [renderRootPorts()] : []),
    ...disks.map(({ target, pool, volume }) =>
      renderDisk({ target, file: `${place.poolPath(pool)}/${volume}`, format: 'qcow2' }),
    ),
    ...(vm.seed === undefined ? [] : [renderSeed(`${place.poolPath(vm.seed.pool)}/${vm.seed.volume}`)]),
    ...vm.nics.map((nic, index) => renderNic(nic.bridge, macs[index] ?? '')),
  ];
  return `<domain type='${place.virtType}'>
  <name>${escapeXml(vm.name)}</name>
  <uuid>${vm.uuid}</uuid>
  <title>${escapeXml(vm.hostname)}</title>${
    vm.description === undefined ? '' : `\n  <description>${escapeXml(vm.description)}</description>`
  }
  <metadata>${markForDefinition(mark)}</metadata>
  <memory unit='MiB'>${vm.maxMemoryMiB}</memory>
  <currentMemory unit='MiB'>${vm.memoryMiB}</currentMemory>
  <vcpu placement='static'>${vm.vcpus}</vcpu>
  <os>
    <type arch='${escapeXml(place.arch)}'${place.arch === 'x86_64' ? " machine='q35'" : ''}>hvm</type>
    <boot dev='hd'/>
  </os>
  <features><acpi/>${place.arch === 'x86_64' ? '<apic/>' : ''}</features>
  <cpu mode='${place.virtType === 'kvm' ? 'host-model' : 'maximum'}'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
${devices.join('\n')}
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='pty'/>
    <console type='pty'/>
    <memballoon model='virtio'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>
  </devices>
</domain>`;
}
