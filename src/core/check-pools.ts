import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { type Located, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type HostPool, poolsOf } from './pools.ts';

type Pools = Pick<Cluster, 'pools' | 'hosts'>;

/** What is wrong with the pools of cluster.yaml beyond the form of their fields: for all hosts, then for each that differs. */
export function poolIssues(file: string, root: Located, { pools = {}, hosts = {} }: Partial<Pools>): Issue[] {
  const general = ['pools'];
  const ofAll = Object.entries(pools).flatMap(([name, pool]) =>
    sourceIssue({ file, root, path: [...general, name] }, pool),
  );
  const twins = samePath(poolsOf('', { pools }), ({ name }) => ({
    file,
    root,
    path: [...general, name, 'path'],
  }));
  const ofHosts = Object.entries(hosts).flatMap(([host, settings]) => {
    const own = settings?.pools ?? {};
    return Object.keys(own).length === 0
      ? []
      : hostIssues({ file, root, path: ['hosts', host, 'pools'] }, host, { pools, hosts });
  });
  return [...ofAll, ...twins, ...ofHosts];
}

interface Spot {
  readonly file: string;
  readonly root: Located;
  readonly path: readonly string[];
}

function hostIssues(spot: Spot, host: string, { pools = {}, hosts = {} }: Pools): Issue[] {
  const own = Object.entries(hosts[host]?.pools ?? {});
  const at = (name: string, ...more: string[]) => ({ ...spot, path: [...spot.path, name, ...more] });
  const issues = own.flatMap(([name, pool]) => {
    const general = Object.hasOwn(pools, name) ? pools[name] : undefined;
    if (pool === null) {
      const message = `there is no pool "${name}" to take away: "pools" does not have it`;
      return general === undefined ? [issue(at(name), message)] : [];
    }
    const merged = { ...general, ...pool };
    if (merged.path === undefined)
      return [issue(at(name), `"path" is missing: expected the folder of the pool, such as /data01/${name}`)];
    return sourceIssue(at(name), merged);
  });
  const isOwn = new Set(own.flatMap(([name, pool]) => (pool?.path === undefined ? [] : [name])));
  // Where both paths come from "pools", it was said there.
  return [
    ...issues,
    ...samePath(poolsOf(host, { pools, hosts }), ({ name }, other) => {
      if (isOwn.has(name)) return at(name, 'path');
      return isOwn.has(other.name) ? at(other.name, 'path') : undefined;
    }),
  ];
}

function sourceIssue(
  spot: Spot,
  { type = 'dir', source }: { readonly type?: string | undefined; readonly source?: unknown },
): Issue[] {
  if (type === 'netfs' && source === undefined)
    return [issue(spot, '"source" is missing: type netfs needs {host: FILE-SERVER, path: /EXPORTED/FOLDER}')];
  if (type === 'dir' && source !== undefined)
    return [issue(spot, '"source" goes with type netfs, and the type is dir', 'add type: netfs')];
  return [];
}

/** libvirt refuses the second pool of a folder. */
function samePath(
  pools: readonly HostPool[],
  spotOf: (pool: HostPool, other: HostPool) => Spot | undefined,
): Issue[] {
  return pools.flatMap((pool, index) => {
    const other = pools.slice(0, index).find(({ path }) => path === pool.path);
    const spot = other && spotOf(pool, other);
    if (other === undefined || spot === undefined) return [];
    return [
      issue(spot, `${pool.path} is the folder of pool "${other.name}" already`, 'a folder is one pool'),
    ];
  });
}

function issue({ file, root, path }: Spot, message: string, hint?: string): Issue {
  return issueAt(file, placeOf(root, path), `${path.join('.')}: ${message}`, hint);
}
