import type { Cluster } from './cluster.ts';
import type { NetworkFolder } from './observed.ts';

/** A storage pool as cluster.yaml wants it on one host. */
export interface HostPool {
  readonly name: string;
  /** `dir`: a folder of the host; `netfs`: a folder of a file server, which the host mounts there. */
  readonly type: 'dir' | 'netfs';
  readonly path: string;
  readonly autostart: boolean;
  /** What is mounted; present for `netfs`. */
  readonly source?: NetworkFolder;
}

type WrittenPool = NonNullable<NonNullable<NonNullable<Cluster['hosts']>[string]>['pools']>[string] & object;

/** The pools that a host is to have: those of all hosts, changed and added to by its own; `null` takes one away. */
export function poolsOf(
  name: string,
  { pools = {}, hosts = {} }: Pick<Cluster, 'pools' | 'hosts'>,
): HostPool[] {
  const own = (Object.hasOwn(hosts, name) ? hosts[name] : undefined)?.pools ?? {};
  const names = new Set([...Object.keys(pools), ...Object.keys(own)]);
  return [...names].flatMap((pool) => {
    const ofHost = Object.hasOwn(own, pool) ? own[pool] : undefined;
    if (ofHost === null) return [];
    const merged = { ...(Object.hasOwn(pools, pool) ? pools[pool] : undefined), ...ofHost };
    return resolvePool(pool, merged);
  });
}

/** Nothing where the path is missing, which is a mistake that is found elsewhere. */
function resolvePool(
  name: string,
  { type = 'dir', path, autostart = true, source }: WrittenPool,
): HostPool[] {
  if (path === undefined) return [];
  return [{ name, type, path, autostart, ...(type === 'netfs' && source !== undefined && { source }) }];
}
