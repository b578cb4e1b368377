import { type DomainDefinition, parseDomain } from '../core/domain-definition.ts';
import type { LiveDevices } from '../core/observed.ts';
import { isLibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

type DomainRef = Parameters<Libvirt['domains']['xml']>[0];

/** Definitions as parsed last time. The text is read from the host on every pass; only its parsing is saved. */
export interface DefinitionCache {
  /** The domain's definition; undefined when it has gone since it was listed. */
  read(client: Libvirt, domain: DomainRef, signal: AbortSignal): Promise<DomainDefinition | undefined>;
  /**
   * What the domain runs with. It is read again when it was started anew, its definition or its disks have changed, or it
   * was forgotten: a fleet's live definitions in every pass would double the work.
   */
  readLive(client: Libvirt, domain: DomainRef, live: LiveQuestion): Promise<LiveDevices | undefined>;
  /** Forgets what that domain runs with; without one, what any does. */
  forgetLive(uuid?: string): void;
  /** Forgets all others. */
  keepOnly(domains: readonly DomainRef[]): void;
}

interface LiveQuestion {
  /** As `read` gave it. */
  readonly definition: DomainDefinition;
  /** The targets of its disks as they are now. */
  readonly targets: string;
  readonly signal: AbortSignal;
}

interface Live extends Pick<LiveQuestion, 'definition' | 'targets'> {
  readonly id: number;
  readonly devices: LiveDevices;
}

export function createDefinitionCache(): DefinitionCache {
  const cache = new Map<string, { readonly xml: string; readonly definition: DomainDefinition }>();
  const lives = new Map<string, Live>();
  return {
    async read(client, domain, signal) {
      const xml = await readXml(client, domain, { inactive: true, signal });
      if (xml === undefined) return undefined;
      const cached = cache.get(domain.uuid);
      if (cached?.xml === xml) return cached.definition;
      const definition = parseDomain(xml);
      cache.set(domain.uuid, { xml, definition });
      return definition;
    },
    async readLive(client, domain, { definition, targets, signal }) {
      const { uuid, id } = domain;
      const known = lives.get(uuid);
      if (known?.id === id && known.definition === definition && known.targets === targets)
        return known.devices;
      const xml = await readXml(client, domain, { signal });
      if (xml === undefined) return undefined;
      const { disks, nics } = parseDomain(xml);
      lives.set(uuid, { id, definition, targets, devices: { disks, nics } });
      return { disks, nics };
    },
    forgetLive(uuid) {
      if (uuid === undefined) lives.clear();
      else lives.delete(uuid);
    },
    keepOnly(domains) {
      if (Math.max(cache.size, lives.size) <= domains.length) return;
      const kept = new Set(domains.map(({ uuid }) => uuid));
      for (const known of [cache, lives])
        for (const uuid of known.keys()) if (!kept.has(uuid)) known.delete(uuid);
    },
  };
}

async function readXml(
  client: Libvirt,
  domain: DomainRef,
  options: Parameters<Libvirt['domains']['xml']>[1],
): Promise<string | undefined> {
  try {
    return await client.domains.xml(domain, options);
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return undefined;
    throw error;
  }
}
