import { connectHost } from '../../src/hosts/host-link.ts';
import type { DomainEvent } from '../../src/libvirt/events.ts';
import { openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';

export interface SeenEvent {
  /** Of `performance.now()`, when the event came in. */
  readonly atMs: number;
  readonly vm: string;
  /** `started booted`, `stopped destroyed`, `metadata`, ... */
  readonly what: string;
}

/** Every event that libvirt on a host sends from now on. */
export interface HostEvents {
  readonly seen: readonly SeenEvent[];
  close(): void;
}

/** Listens over a connection of its own, beside the operator's; done when libvirt has taken it on. */
export async function listenTo(lab: Lab, host: LabHost): Promise<HostEvents> {
  const target = {
    name: host.name,
    address: host.address,
    port: host.sshPort,
    user: 'root',
    key: lab.operatorKey,
    knownHosts: lab.knownHosts,
    connectTimeoutMs: 10_000,
    keepaliveMs: 5000,
  };
  const endpoint = { uri: 'qemu:///system', sudo: false };
  const session = await connectHost(
    { target, libvirt: endpoint },
    (stream, signal) => openLibvirt(stream, { signal }),
    AbortSignal.timeout(20_000),
  );
  const seen: SeenEvent[] = [];
  await session.client.events.subscribe((event) =>
    seen.push({ atMs: performance.now(), vm: event.domain.name, what: describe(event) }),
  );
  return { seen, close: () => session.close() };
}

function describe(event: DomainEvent): string {
  return event.kind === 'lifecycle' ? `${event.eventName} ${event.detailName}` : event.kind;
}
