import type { HostPolicy } from './desired.ts';
import type { KnownHost, NetworkFolder, ObservedPool } from './observed.ts';
import type { HostPool } from './pools.ts';
import type { Held, PoolStep, Verdict } from './step.ts';

/**
 * What follows for the pools that cluster.yaml declares for a host. None is ever stopped, changed or deleted.
 *
 *   on the host                   | what follows
 *   ------------------------------|---------------------------------------
 *   no                            | define, build, start, autostart
 *   not active, other autostart   | as much of that as is missing
 *   another type, path or source  | held: conflict
 *   no, its path is another pool's| held: conflict
 */
export function planPools({ pools }: Pick<HostPolicy, 'pools'>, host: KnownHost): Verdict {
  const verdicts = pools.map((pool) => planPool(pool, host));
  return { steps: verdicts.flatMap(({ steps }) => steps), held: verdicts.flatMap(({ held }) => held) };
}

/** Why a pool of that name on the host is not the one that git wants; undefined: it is, or there is none. */
export function poolConflict(pool: HostPool, host: KnownHost): string | undefined {
  const found = host.pools.get(pool.name);
  if (found !== undefined) {
    const difference = poolDifference(pool, found);
    return (
      difference &&
      `storage pool ${pool.name} of ${host.name} ${difference}. Change it in git, or rename or undefine the pool there: no pool is deleted`
    );
  }
  const neighbour = [...host.pools.values()].find(({ path }) => path === pool.path);
  return (
    neighbour &&
    `${host.name} has no storage pool ${pool.name}, and ${pool.path} is the folder of its pool ${neighbour.name}: name that one in git`
  );
}

/** How a pool that is there is not the one that git wants: `is /a there, and /b in git`. */
export function poolDifference(
  pool: HostPool,
  found: Pick<ObservedPool, 'type' | 'path' | 'source'>,
): string | undefined {
  if (found.type !== pool.type) return `is of type ${found.type} there, and ${pool.type} in git`;
  if (found.path !== pool.path) return `is ${found.path ?? 'no folder'} there, and ${pool.path} in git`;
  const [there, wanted] = [spell(found.source), spell(pool.source)];
  return there === wanted ? undefined : `is of ${there} there, and of ${wanted} in git`;
}

function planPool(pool: HostPool, host: KnownHost): Verdict {
  const conflict = poolConflict(pool, host);
  if (conflict !== undefined) return { steps: [], held: [heldPool(pool, host, conflict)] };
  const reason = whatIsMissing(pool, host.pools.get(pool.name));
  if (reason === undefined) return { steps: [], held: [] };
  const step: PoolStep = { kind: 'pool', host: host.name, pool, reason };
  return { steps: [step], held: [] };
}

function whatIsMissing(pool: HostPool, found: ObservedPool | undefined): string | undefined {
  if (found === undefined) return `in git, not on the host: ${pool.type} ${pool.path}`;
  if (!found.active) return 'not active';
  return found.autostart === pool.autostart ? undefined : `autostart is ${pool.autostart} in git`;
}

function heldPool(pool: HostPool, host: KnownHost, reason: string): Held {
  return { host: host.name, subject: `pool ${pool.name}`, because: 'conflict', kind: 'pool', reason };
}

function spell(source: NetworkFolder | undefined): string {
  return source === undefined ? 'no file server' : `${source.host}:${source.path}`;
}
