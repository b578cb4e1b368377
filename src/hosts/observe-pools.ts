import type { ObservedPool } from '../core/observed.ts';
import { attribute, elementAt, parseXml, textAt } from '../core/xml.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import { refreshPool } from './refresh-pool.ts';

/** Types whose volumes are files in one folder. */
const FOLDER_TYPES = ['dir', 'fs', 'netfs'];

/** Every storage pool of a host, by name. */
export async function observePools(
  client: Libvirt,
  { refreshPools, signal }: { readonly refreshPools: boolean; readonly signal: AbortSignal },
): Promise<Map<string, ObservedPool>> {
  const [refs, autostarted] = await Promise.all([
    client.pools.list({ signal }),
    client.pools.list({ autostart: true, signal }),
  ]);
  const autostart = new Set(autostarted.map(({ uuid }) => uuid));
  const pools = await Promise.all(
    refs.map(async (ref) => {
      if (refreshPools) await refreshPool(client, ref, { signal });
      const [info, xml] = await Promise.all([
        client.pools.info(ref, { signal }),
        client.pools.xml(ref, { signal }),
      ]);
      return { ...readPool(ref.name, info, xml), autostart: autostart.has(ref.uuid) };
    }),
  );
  return new Map(pools.map((pool) => [pool.name, pool]));
}

function readPool(
  name: string,
  info: { readonly state: string; readonly capacityBytes: number; readonly availableBytes: number },
  xml: string,
): Omit<ObservedPool, 'autostart'> {
  return {
    name,
    active: info.state === 'running' || info.state === 'degraded',
    capacity: info.capacityBytes,
    available: info.availableBytes,
    ...describePool(xml),
  };
}

/** What a pool is, as its definition says. */
export function describePool(xml: string): Pick<ObservedPool, 'type' | 'path' | 'source'> {
  const root = parseXml(xml);
  const type = attribute(root, 'type') ?? '';
  const path = FOLDER_TYPES.includes(type) ? textAt(root, 'target', 'path') : undefined;
  const host = attribute(elementAt(root, 'source', 'host'), 'name');
  const folder = attribute(elementAt(root, 'source', 'dir'), 'path');
  return {
    type,
    ...(path !== undefined && { path }),
    ...(host !== undefined && folder !== undefined && { source: { host, path: folder } }),
  };
}
