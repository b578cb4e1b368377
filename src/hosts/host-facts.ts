import { attribute, elementAt, elementsAt, parseXml, textAt } from '../core/xml.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

/** What does not change while a host is up. */
export interface HostFacts {
  /** libvirt's own id of the host: two names in the config that lead to the same one are a mistake. */
  readonly hostUuid: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly arch: string;
  readonly virtType: 'kvm' | 'qemu';
  /** Machine types of guests of that architecture. */
  readonly machines: ReadonlySet<string>;
}

/** Asks once for each connection. `virtType` from the config wins over what libvirt says is possible. */
export async function readHostFacts(client: Libvirt, virtType?: 'kvm' | 'qemu'): Promise<HostFacts> {
  const [node, memory, capabilities] = await Promise.all([
    client.node.info(),
    client.node.memoryStats(),
    client.node.capabilities(),
  ]);
  const root = parseXml(capabilities);
  const arch = textAt(root, 'host', 'cpu', 'arch') ?? 'x86_64';
  return {
    hostUuid: textAt(root, 'host', 'uuid') ?? '',
    cpus: node.cpus,
    // Not `node.memoryKiB`: on some machines that is one NUMA cell's.
    memoryMiB: Math.floor((memory['total'] ?? node.memoryKiB) / 1024),
    arch,
    virtType: virtType ?? (canRunKvm(root, arch) ? 'kvm' : 'qemu'),
    machines: new Set(guestsOf(root, arch).flatMap(machinesOf)),
  };
}

type Element = ReturnType<typeof parseXml>;

function guestsOf(capabilities: Element, arch: string): Element[] {
  return elementsAt(capabilities, 'guest').filter(
    (guest) => attribute(elementAt(guest, 'arch'), 'name') === arch,
  );
}

function canRunKvm(capabilities: Element, arch: string): boolean {
  return guestsOf(capabilities, arch).some((guest) =>
    elementsAt(guest, 'arch', 'domain').some((domain) => attribute(domain, 'type') === 'kvm'),
  );
}

/** By all their names: `q35` is one of this day, `pc-q35-7.2` stays. */
function machinesOf(guest: Element): string[] {
  const machines = [
    ...elementsAt(guest, 'arch', 'machine'),
    ...elementsAt(guest, 'arch', 'domain', 'machine'),
  ];
  return machines.flatMap((machine) => [
    machine.textContent?.trim() ?? '',
    ...(attribute(machine, 'canonical') ?? []).toString().split(',').filter(Boolean),
  ]);
}
