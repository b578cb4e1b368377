import { checkAntiAffinity } from './check-anti-affinity.ts';
import { checkSopsFiles, type SopsFiles } from './check-cloud-init.ts';
import { checkDependencies } from './check-dependencies.ts';
import { checkDuplicates } from './check-duplicates.ts';
import { checkHost } from './check-host.ts';
import { checkVm } from './check-vm.ts';
import { isSopsFile } from './cloud-init.ts';
import type { Cluster } from './cluster.ts';
import type { DesiredState, DesiredVm } from './desired.ts';
import { resolveImage } from './images.ts';
import type { Issue } from './issue.ts';
import { issuesOf, MAX_ISSUES } from './issue-limit.ts';
import { placeOf } from './located.ts';
import { type ReadCluster, readCluster } from './read-cluster.ts';
import { type Declared, type DeclaredVm, join, readManifest } from './read-manifest.ts';
import { diskPool, resolveHost, resolvePolicy, resolveVm } from './resolve-vm.ts';
import type { SourceFile } from './source-file.ts';

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
    .filter(({ path }) => MANIFEST.test(path) && !isSopsFile(path))
    .toSorted((a, b) => compare(a.path, b.path));
  const declared = join(manifests.map(readManifest));
  const hosts = knownHosts(read, context);
  const sopsFiles = new Map(
    files.filter(({ path }) => isSopsFile(path)).map(({ path, content }) => [path, content]),
  );
  const issues = [
    ...read.issues,
    ...declared.issues,
    ...crossIssues(declared, { ...read, known: hosts, sopsFiles }, context),
  ];
  if (issues.length > 0) return { ok: false, issues: firstOf(issues.toSorted(byPlace)) };
  if (read.cluster === undefined || hosts === undefined) throw new Error('no issues, and yet no cluster');
  return { ok: true, desired: assemble(declared.vms, read.cluster, { hosts, sopsFiles }) };
}

interface Read extends ReadCluster {
  readonly known: ReadonlySet<string> | undefined;
  readonly sopsFiles: SopsFiles;
}

function crossIssues(declared: Declared, read: Read, context: BuildContext): Issue[] {
  const hostAddresses = new Map([...(context.hosts ?? [])].map(([name, { address }]) => [address, name]));
  const { sound: cluster, ranges, sopsFiles } = read;
  const hosts = { known: read.known, cluster, context };
  const imagesByVolume = new Map(
    Object.entries(cluster.images ?? {}).flatMap(([image, { volume }]) =>
      volume === undefined ? [] : [[volume, image] as const],
    ),
  );
  const surroundings = {
    cluster,
    imagesByVolume,
    ranges,
    hostAddresses,
    sopsFiles: checkSopsFiles(sopsFiles),
  };
  return [
    ...issuesOf(declared.hosts, (mention) => checkHost(mention, { ...hosts, vms: declared.vms })),
    ...issuesOf(declared.vms, (vm) => checkVm(vm, surroundings)),
    ...checkDuplicates(declared.vms),
    ...checkAntiAffinity(declared.vms),
    ...checkDependencies(declared.vms),
  ];
}

function assemble(
  vms: readonly DeclaredVm[],
  cluster: Cluster,
  { hosts, sopsFiles }: { readonly hosts: ReadonlySet<string>; readonly sopsFiles: SopsFiles },
): DesiredState {
  const desired = vms.map((vm) => desiredVm(vm, cluster, sopsFiles));
  return {
    cluster: cluster.cluster,
    vms: new Map(desired.map((vm) => [vm.name, vm])),
    hosts: new Map([...hosts].map((host) => [host, resolveHost(host, cluster)])),
    policy: resolvePolicy(cluster),
  };
}

function desiredVm(
  { file, host, node, spec }: DeclaredVm,
  cluster: Cluster,
  sopsFiles: SopsFiles,
): DesiredVm {
  const readFile = (path: string) => sopsFiles.get(path);
  const source = { file, line: placeOf(node, ['name']).line };
  if (spec !== undefined && host !== undefined) {
    if (spec.uuid !== undefined) return resolveVm(spec, { host, source, readFile }, cluster);
    const name = spec.image ?? cluster.defaults?.image;
    const image = name === undefined ? undefined : cluster.images?.[name];
    if (name !== undefined && image !== undefined) {
      const found = resolveImage(name, image, { host, diskPool: diskPool(host, cluster) });
      return resolveVm(spec, { host, source, image: found, readFile }, cluster);
    }
  }
  throw new Error(`no issues, and yet a VM in ${file} is not complete`);
}

/** Undefined where cluster.yaml would have to say it and cannot be read. */
function knownHosts({ sound }: ReadCluster, context: BuildContext): ReadonlySet<string> | undefined {
  if (context.hosts !== undefined) return new Set(context.hosts.keys());
  return sound.hosts === undefined ? undefined : new Set(Object.keys(sound.hosts));
}

/** Where there are too many, the last says how many more were found, at the place of the next one. */
function firstOf(issues: readonly Issue[]): readonly Issue[] {
  const [next] = issues.slice(MAX_ISSUES);
  if (next === undefined) return issues;
  const { hint: _, ...place } = next;
  const more = { ...place, message: `and at least ${issues.length - MAX_ISSUES} more mistakes from here on` };
  return [...issues.slice(0, MAX_ISSUES), more];
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
