import type { DomainEvent } from '../../src/libvirt/events.ts';
import type { Libvirt } from '../../src/libvirt/libvirt.ts';

/** What is heard from now on, of each domain, as `event detail`. */
export async function listen(
  libvirt: Libvirt,
): Promise<{ heard: (name: string) => string[]; stop: () => Promise<void> }> {
  const events: DomainEvent[] = [];
  const stop = await libvirt.events.subscribe((event) => void events.push(event));
  const heard = (name: string) => events.filter(({ domain }) => domain.name === name).map(describeEvent);
  return { heard, stop };
}

function describeEvent(event: DomainEvent): string {
  return event.kind === 'metadata' ? `metadata ${event.uri}` : `${event.eventName} ${event.detailName}`;
}
