import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, loadConfig } from '../../src/config.ts';
import { run } from '../lab/command.ts';
import { createManifestsRemote, type ManifestsRemote } from '../lab/manifests-remote.ts';

/** The volume of the base image on every host. */
export const BASE_IMAGE = 'base.qcow2';
/** Signs webhooks. */
export const SECRET = 'not much of a secret';

/** The hosts of a lab or of a simulator. */
export interface HostAccess {
  readonly key: string;
  readonly knownHosts: string;
  readonly virtType: 'kvm' | 'qemu';
  readonly hosts: readonly { readonly name: string; readonly address: string; readonly port: number }[];
}

/** A git remote with nothing but a cluster.yaml in its clone, and operator.yaml. */
export interface BenchSite {
  readonly remote: ManifestsRemote;
  /** Path of operator.yaml. */
  readonly configFile: string;
  readonly config: Config;
}

/** The ratios let a small machine hold what nobody intends to run all at once. */
const CLUSTER = `cluster: bench
defaults: { image: base, clone: overlay, ratio: { vcpu: 100, memory: 100, disk: 100 } }
images:
  base: { pool: default, volume: ${BASE_IMAGE} }
`;

/** Makes both in a folder; nothing is committed yet. */
export async function createBenchSite(dir: string, access: HostAccess): Promise<BenchSite> {
  mkdirSync(dir, { recursive: true });
  const remote = await createManifestsRemote(dir);
  remote.remove('manifests');
  remote.write('cluster.yaml', CLUSTER);
  const configFile = join(dir, 'operator.yaml');
  // YAML 1.2 takes JSON as it is.
  writeFileSync(configFile, JSON.stringify(operatorConfig(access)));
  return { remote, configFile, config: loadConfig(configFile, { ...process.env, WEBHOOK_SECRET: SECRET }) };
}

function operatorConfig({ key, knownHosts, hosts, virtType }: HostAccess): object {
  const entries = hosts.map(({ name, address, port }) => [name, { address, port, virtType }]);
  return {
    state: './state',
    git: { remote: './manifests.git' },
    ssh: { key, knownHosts, connectTimeout: '60s' },
    hosts: Object.fromEntries(entries),
    http: { listen: '127.0.0.1:0' },
    webhook: { secret: { env: 'WEBHOOK_SECRET' } },
    log: { level: 'error' },
  };
}

/** What each host is to have. */
export interface FleetShape {
  readonly vmsPerHost: number;
  readonly power: 'on' | 'off';
  readonly memoryGb: number;
}

/** Writes a manifest for each host, with VMs `HOST-vm-1` and so on. */
export function writeFleet(remote: ManifestsRemote, hosts: readonly string[], shape: FleetShape): void {
  for (const [at, host] of hosts.entries()) {
    const vmspecs = Array.from({ length: shape.vmsPerHost }, (_, index) => ({
      name: `${host}-vm-${index + 1}`,
      ipaddress: `10.${100 + Math.floor(at / 250)}.${at % 250}.${index + 1}`,
      vcpus: 1,
      memoryGb: shape.memoryGb,
      power: shape.power,
    }));
    remote.write(`manifests/${host}.json`, `${JSON.stringify([{ host, vmspecs }], null, 2)}\n`);
  }
}

/** Times of one `git push`, of `Date.now()`. */
export interface PushTimes {
  readonly sha: string;
  readonly begunAt: number;
  /** When the remote's branch moved, to a few ms: the file's own time. */
  readonly refMovedAt: number;
  readonly returnedAt: number;
}

/** Commits what was changed, and times the push alone. */
export async function pushTimed(remote: ManifestsRemote, message: string): Promise<PushTimes> {
  const sha = await remote.commit(message);
  const begunAt = Date.now();
  await run(['git', '-C', remote.clone, 'push', '--quiet', 'origin', 'main']);
  const returnedAt = Date.now();
  const refMovedAt = statSync(join(remote.path, 'refs/heads/main')).mtimeMs;
  return { sha, begunAt, refMovedAt, returnedAt };
}
