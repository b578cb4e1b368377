import { checkAntiAffinity } from './check-anti-affinity.ts';
import { checkDependencies } from './check-dependencies.ts';
import { checkDuplicates } from './check-duplicates.ts';
import { checkVm } from './check-vm.ts';
import type { Cluster } from './cluster.ts';
import type { DesiredState, DesiredVm } from './desired.ts';
import { resolveImage } from './images.ts';
import type { Issue } from './issue.ts';
import { placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type ReadCluster, readCluster } from './read-cluster.ts';
import { type Declared, type DeclaredVm, type HostMention, join, readManifest } from './read-manifest.ts';
import { diskPool, resolveHost, resolvePolicy, resolveVm } from './resolve-vm.ts';
import type { SourceFile } from './source-file.ts';
import { didYouMean } from './suggest.ts';

/** What is known beside the repository. */
export interface BuildContext {
  /** The hosts of the operator's own config. Absent, as on a laptop: those that cluster.yaml lists. */
  readonly hosts?: ReadonlyMap<string, { readonly address: string }>;
}

export type BuildResult =
  | { readonly ok: true; readonly desired: DesiredState }
  | { readonly ok: false; readonly issues: readonly Issue[] };

const MANIFEST = /^manifests\/.*\.(json|ya?ml)$/i;

/**
 * What the files of a revision ask for, or everything that is wrong with them, in order of file and line. Reads
 * `cluster.yaml` and `manifests/**`; the order of `files` makes no difference.
 */
export function buildDesired(files: readonly SourceFile[], context: BuildContext = {}): BuildResult {
  const read = readCluster(files, context.hosts?.keys());
  const manifests = files
    .filter(({ path }) => MANIFEST.test(path))
    .toSorted((a, b) => compare(a.path, b.path));
  const declared = join(manifests.map(readManifest));
  const hosts = knownHosts(read, context);
  const issues = [...read.issues, ...declared.issues, ...crossIssues(declared, read, hosts, context)];
  if (issues.length > 0) return { ok: false, issues: issues.toSorted(byPlace) };
  if (read.cluster === undefined || hosts === undefined) throw new Error('no issues, and yet no cluster');
  return { ok: true, desired: assemble(declared.vms, read.cluster, hosts) };
}

function crossIssues(
  declared: Declared,
  read: ReadCluster,
  hosts: ReadonlySet<string> | undefined,
  context: BuildContext,
): Issue[] {
  const hostAddresses = new Map([...(context.hosts ?? [])].map(([name, { address }]) => [address, name]));
  const surroundings = { cluster: read.sound, ranges: read.ranges, hostAddresses };
  return [
    ...declared.hosts.flatMap((mention) => unknownHost(mention, hosts, context)),
    ...declared.vms.flatMap((vm) => checkVm(vm, surroundings)),
    ...checkDuplicates(declared.vms),
    ...checkAntiAffinity(declared.vms),
    ...checkDependencies(declared.vms),
  ];
}

function unknownHost(
  mention: HostMention,
  hosts: ReadonlySet<string> | undefined,
  context: BuildContext,
): Issue[] {
  const { file, host, place } = mention;
  if (hosts === undefined || hosts.has(host)) return [];
  const where = context.hosts === undefined ? 'listed in cluster.yaml' : "in the operator's configuration";
  const message = `host: "${host}" is not ${where}${didYouMean(host, hosts)}`;
  return [
    issueAt(file, place, message, hosts.size === 0 ? 'no host is' : `known hosts: ${[...hosts].join(', ')}`),
  ];
}

function assemble(vms: readonly DeclaredVm[], cluster: Cluster, hosts: ReadonlySet<string>): DesiredState {
  const desired = vms.map((vm) => desiredVm(vm, cluster));
  return {
    cluster: cluster.cluster,
    vms: new Map(desired.map((vm) => [vm.name, vm])),
    hosts: new Map([...hosts].map((host) => [host, resolveHost(host, cluster)])),
    policy: resolvePolicy(cluster),
  };
}

function desiredVm({ file, host, node, spec }: DeclaredVm, cluster: Cluster): DesiredVm {
  const source = { file, line: placeOf(node, ['name']).line };
  if (spec !== undefined && host !== undefined) {
    if (spec.uuid !== undefined) return resolveVm(spec, { host, source }, cluster);
    const name = spec.image ?? cluster.defaults?.image;
    const image = name === undefined ? undefined : cluster.images?.[name];
    if (name !== undefined && image !== undefined) {
      const found = resolveImage(name, image, diskPool(host, cluster));
      return resolveVm(spec, { host, source, image: found }, cluster);
    }
  }
  throw new Error(`no issues, and yet a VM in ${file} is not complete`);
}

/** Undefined where cluster.yaml would have to say it and cannot be read. */
function knownHosts({ sound }: ReadCluster, context: BuildContext): ReadonlySet<string> | undefined {
  if (context.hosts !== undefined) return new Set(context.hosts.keys());
  return sound.hosts === undefined ? undefined : new Set(Object.keys(sound.hosts));
}

function byPlace(a: Issue, b: Issue): number {
  return (
    compare(a.file, b.file) ||
    (a.line ?? 0) - (b.line ?? 0) ||
    (a.column ?? 0) - (b.column ?? 0) ||
    compare(a.message, b.message)
  );
}

/** By code units, so that the order is the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
