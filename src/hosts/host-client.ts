import type { DomainEvent } from '../libvirt/events.ts';
import { type Libvirt, type OpenOptions, openLibvirt } from '../libvirt/libvirt.ts';
import { createDomainEvents, type DomainEvents } from './domain-events.ts';
import { type HostFacts, readHostFacts } from './host-facts.ts';

/** A host's libvirt, what was learnt when the connection was made, and what happens there. */
export interface HostClient {
  readonly libvirt: Libvirt;
  readonly facts: HostFacts;
  readonly events: DomainEvents;
}

export interface HostClientOptions extends OpenOptions {
  /** From the config; wins over what libvirt says is possible. */
  readonly virtType?: 'kvm' | 'qemu' | undefined;
  readonly onEvent?: (event: DomainEvent) => void;
}

/** Opens libvirt over a stream to its socket, and listens to what it tells unasked. */
export async function openHostClient(
  stream: Parameters<typeof openLibvirt>[0],
  { virtType, onEvent = () => {}, ...options }: HostClientOptions = {},
): Promise<HostClient> {
  const libvirt = await openLibvirt(stream, options);
  const events = createDomainEvents();
  await libvirt.events.subscribe((event) => {
    events.publish(event);
    onEvent(event);
  });
  return { libvirt, facts: await readHostFacts(libvirt, virtType), events };
}
