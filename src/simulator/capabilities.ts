import type { HostFacts } from './facts.ts';
import { invalidArgument, unsupportedConfig } from './failure.ts';

const CELL_CPUS_MAX = 288;

/** The host's capabilities, those parts of which somebody may read. */
export function capabilitiesXml(facts: HostFacts): string {
  const { arch, cpus, emulator, uuid, memoryMiB, virtType } = facts;
  const kvm = virtType === 'kvm' ? "\n      <domain type='kvm'/>" : '';
  return `<capabilities>
  <host>
    <uuid>${uuid}</uuid>
    <cpu>
      <arch>${arch}</arch>
      <topology sockets='1' dies='1' cores='${cpus}' threads='1'/>
    </cpu>
    <topology>
      <cells num='1'>
        <cell id='0'>
          <memory unit='KiB'>${memoryMiB * 1024}</memory>
          <cpus num='${cpus}'/>
        </cell>
      </cells>
    </topology>
  </host>
  <guest>
    <os_type>hvm</os_type>
    <arch name='${arch}'>
      <wordsize>64</wordsize>
      <emulator>${emulator}</emulator>
      <domain type='qemu'/>${kvm}
    </arch>
  </guest>
</capabilities>
`;
}

export interface CapabilitiesQuery {
  readonly emulator: string | undefined;
  readonly arch: string | undefined;
  readonly machine: string | undefined;
  readonly virtType: string | undefined;
}

/** What a guest can have, those parts of which somebody may read. Without a type it is about the best that there is. */
export function domainCapabilitiesXml(facts: HostFacts, query: CapabilitiesQuery): string {
  const { emulator } = facts;
  const virtType = query.virtType ?? facts.virtType;
  if (!['qemu', 'kvm', 'xen', 'lxc', 'test'].includes(virtType))
    throw invalidArgument('qemu', `invalid argument: unknown virttype: ${virtType}`);
  const arch = query.arch ?? facts.arch;
  if (arch !== facts.arch)
    throw unsupportedConfig('qemu', `unable to find any emulator to serve '${arch}' architecture`);
  if (virtType !== 'qemu' && virtType !== facts.virtType) {
    const what = `the accel '${virtType}' is not supported by '${emulator}' on this host`;
    throw invalidArgument('qemu', `invalid argument: ${what}`);
  }
  return `<domainCapabilities>
  <path>${emulator}</path>
  <domain>${virtType}</domain>
  <machine>${canonicalMachine(facts, query.machine)}</machine>
  <arch>${arch}</arch>
  <vcpu max='${CELL_CPUS_MAX}'/>
</domainCapabilities>
`;
}

function canonicalMachine({ arch, emulator }: HostFacts, wanted: string | undefined): string {
  if (arch !== 'x86_64') return wanted ?? 'virt-7.2';
  const machine = { pc: 'pc-i440fx-7.2', q35: 'pc-q35-7.2' }[wanted ?? 'pc'] ?? wanted ?? '';
  if (/^pc-(i440fx|q35)-[2-7]\.\d+$/.test(machine)) return machine;
  const what = `the machine '${wanted}' is not supported by emulator '${emulator}'`;
  throw invalidArgument('qemu', `invalid argument: ${what}`);
}
