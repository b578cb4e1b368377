import { type DomainDefinition, parseDomain } from '../core/domain-definition.ts';
import { isLibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

type DomainRef = Parameters<Libvirt['domains']['xml']>[0];

/** Definitions as parsed last time. The text is read from the host on every pass; only its parsing is saved. */
export interface DefinitionCache {
  /** The domain's definition; undefined when it has gone since it was listed. */
  read(client: Libvirt, domain: DomainRef, signal: AbortSignal): Promise<DomainDefinition | undefined>;
  /** Forgets all others. */
  keepOnly(domains: readonly DomainRef[]): void;
}

export function createDefinitionCache(): DefinitionCache {
  const cache = new Map<string, { readonly xml: string; readonly definition: DomainDefinition }>();
  return {
    async read(client, domain, signal) {
      const xml = await readXml(client, domain, signal);
      if (xml === undefined) return undefined;
      const cached = cache.get(domain.uuid);
      if (cached?.xml === xml) return cached.definition;
      const definition = parseDomain(xml);
      cache.set(domain.uuid, { xml, definition });
      return definition;
    },
    keepOnly(domains) {
      if (cache.size <= domains.length) return;
      const kept = new Set(domains.map(({ uuid }) => uuid));
      for (const uuid of cache.keys()) if (!kept.has(uuid)) cache.delete(uuid);
    },
  };
}

async function readXml(client: Libvirt, domain: DomainRef, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await client.domains.xml(domain, { inactive: true, signal });
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) return undefined;
    throw error;
  }
}
