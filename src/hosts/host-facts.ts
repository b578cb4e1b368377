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
  };
}

function canRunKvm(capabilities: ReturnType<typeof parseXml>, arch: string): boolean {
  return elementsAt(capabilities, 'guest')
    .filter((guest) => attribute(elementAt(guest, 'arch'), 'name') === arch)
    .some((guest) =>
      elementsAt(guest, 'arch', 'domain').some((domain) => attribute(domain, 'type') === 'kvm'),
    );
}
