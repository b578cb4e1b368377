import { type AddressRange, parseAddressRange } from './address-range.ts';
import { checkDefaultCloudInit } from './check-cloud-init.ts';
import { freezeIssues } from './check-freezes.ts';
import { imageIssues } from './check-images.ts';
import { poolIssues } from './check-pools.ts';
import { checkSchema, shown } from './check-schema.ts';
import { type Cluster, clusterSchema } from './cluster.ts';
import type { Issue } from './issue.ts';
import { keyPlaceOf, type Located, nodeAt, placeOf } from './located.ts';
import { issueAt, parseFile } from './parse-file.ts';
import type { SourceFile } from './source-file.ts';
import { didYouMean } from './suggest.ts';

/** What cluster.yaml says, as far as it can be understood. */
export interface ReadCluster {
  /** All of it, if its form is right. */
  readonly cluster?: Cluster;
  /** The parts whose form is right, empty ones where nothing is said; a part that cannot be read is absent. */
  readonly sound: Partial<Cluster>;
  /** Where VMs may have their addresses; absent: anywhere, or not known. */
  readonly ranges?: readonly AddressRange[];
  readonly issues: readonly Issue[];
}

const NAMES = ['cluster.yaml', 'cluster.yml'];

/** Reads the cluster's own file among all files of the repository. `configured`: the hosts that the operator may reach. */
export function readCluster(files: readonly SourceFile[], configured?: Iterable<string>): ReadCluster {
  const [source, second] = NAMES.flatMap((name) => files.find(({ path }) => path === name) ?? []);
  if (source === undefined) return { sound: {}, issues: [MISSING] };
  const read = readSource(source, configured === undefined ? undefined : [...configured]);
  if (second === undefined) return read;
  const both: Issue = { file: second.path, message: `there is ${source.path} too`, hint: 'keep one of them' };
  return { ...read, issues: [...read.issues, both] };
}

const MISSING: Issue = {
  file: 'cluster.yaml',
  message: 'the file is missing at the root of the repository',
  hint: 'begin it with two lines: "cluster: NAME" and "images: {base: {pool: default, volume: base.qcow2}}"',
};

function readSource(source: SourceFile, configured: readonly string[] | undefined): ReadCluster {
  const { path, root, issues } = parseFile(source);
  if (root === undefined) return { sound: {}, issues };
  const { value, sound: written, issues: formIssues } = checkSchema(clusterSchema, root, path);
  const sound = { ...emptyParts(root), ...written };
  const addresses = readAddresses(path, root, sound.addresses);
  return {
    sound,
    ...(value === undefined ? {} : { cluster: value }),
    ...(addresses.ranges === undefined ? {} : { ranges: addresses.ranges }),
    issues: [
      ...issues,
      ...formIssues,
      ...addresses.issues,
      ...defaultImageIssues(path, root, sound),
      ...poolIssues(path, root, sound),
      ...imageIssues(path, root, {
        images: sound.images,
        hosts: configured ?? (sound.hosts && Object.keys(sound.hosts)),
      }),
      ...freezeIssues(path, root, {
        freeze: sound.freeze,
        hosts: configured ?? (sound.hosts && Object.keys(sound.hosts)),
      }),
      ...checkDefaultCloudInit(path, root),
      ...unknownHostIssues(path, root, sound, configured),
    ],
  };
}

function readAddresses(file: string, root: Located, addresses: readonly string[] | undefined) {
  const issues: Issue[] = [];
  const ranges: AddressRange[] = [];
  for (const [index, text] of (addresses ?? []).entries()) {
    const range = parseAddressRange(text);
    if (typeof range !== 'string') ranges.push(range);
    else
      issues.push(issueAt(file, placeOf(root, ['addresses', index]), `addresses: ${shown(text)}: ${range}`));
  }
  // With one of them unreadable, "outside of all" would be said of VMs that are inside of it.
  return { issues, ranges: addresses === undefined || issues.length > 0 ? undefined : ranges };
}

function defaultImageIssues(file: string, root: Located, { defaults, images }: Partial<Cluster>): Issue[] {
  const image = defaults?.image;
  if (image === undefined || images === undefined || Object.hasOwn(images, image)) return [];
  const message = `defaults.image: no image "${image}" is declared under "images"${didYouMean(image, Object.keys(images))}`;
  return [issueAt(file, placeOf(root, ['defaults', 'image']), message)];
}

function unknownHostIssues(
  file: string,
  root: Located,
  { hosts }: Partial<Cluster>,
  configured: readonly string[] | undefined,
): Issue[] {
  if (configured === undefined) return [];
  const unknown = Object.keys(hosts ?? {}).filter((host) => !configured.includes(host));
  return unknown.map((host) => {
    const message = `host "${host}" is not in the operator's configuration${didYouMean(host, configured)}`;
    return issueAt(file, keyPlaceOf(root, ['hosts', host]), message, 'add it to operator.yaml first');
  });
}

/** The parts that are not written, as if they were written empty. */
function emptyParts(root: Located): Partial<Cluster> {
  const parts = { defaults: {}, hosts: {}, pools: {}, images: {} };
  return Object.fromEntries(Object.entries(parts).filter(([key]) => nodeAt(root, [key]) === undefined));
}
