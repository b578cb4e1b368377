import type { ObservedPool } from '../core/observed.ts';
import { attribute, parseXml, textAt } from '../core/xml.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import { refreshPool } from './refresh-pool.ts';

/** Types whose volumes are files in one folder. */
const FOLDER_TYPES = ['dir', 'fs', 'netfs'];

/** Every storage pool of a host, by name. */
export async function observePools(
  client: Libvirt,
  { refreshPools, signal }: { readonly refreshPools: boolean; readonly signal: AbortSignal },
): Promise<Map<string, ObservedPool>> {
  const refs = await client.pools.list({ signal });
  const pools = await Promise.all(
    refs.map(async (ref) => {
      if (refreshPools) await refreshPool(client, ref, { signal });
      const [info, xml] = await Promise.all([
        client.pools.info(ref, { signal }),
        client.pools.xml(ref, { signal }),
      ]);
      return readPool(ref.name, info, xml);
    }),
  );
  return new Map(pools.map((pool) => [pool.name, pool]));
}

function readPool(
  name: string,
  info: { readonly state: string; readonly capacityBytes: number; readonly availableBytes: number },
  xml: string,
): ObservedPool {
  const root = parseXml(xml);
  const active = info.state === 'running' || info.state === 'degraded';
  const path = FOLDER_TYPES.includes(attribute(root, 'type') ?? '')
    ? textAt(root, 'target', 'path')
    : undefined;
  return {
    name,
    active,
    capacity: info.capacityBytes,
    available: info.availableBytes,
    ...(active && path !== undefined && { path }),
  };
}
