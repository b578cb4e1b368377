import { isInNetwork } from './address-range.ts';
import { checkUserData } from './check-user-data.ts';
import type { CloudInit } from './cloud-init.ts';
import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { type Located, nodeAt, placeOf } from './located.ts';
import { issueAt, parseFile } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';
import { mergeCloudInit } from './resolve-seed.ts';
import { didYouMean } from './suggest.ts';

/** The repository's files that `userDataFile` may name, by path. */
export type SopsFiles = ReadonlyMap<string, string>;

/** What is wrong with each of them; undefined: nothing. */
export type SopsProblems = ReadonlyMap<string, Problem | undefined>;

interface Problem {
  readonly message: string;
  readonly hint?: string;
}

const MAX_USER_DATA_BYTES = 256 * 1024;

/** What is wrong with `cloudInit` and `hostnameVia` of a VM beyond the form of their fields. */
export function checkCloudInit(vm: DeclaredVm, cluster: Partial<Cluster>, files: SopsProblems): Issue[] {
  const { cloudInit } = vm.sound;
  const owner = `cloudInit of ${vmLabel(vm.node)}`;
  const merged = mergeCloudInit(cluster, cloudInit);
  return [
    ...imageIssues(vm, cluster),
    ...checkUserData(nodeAt(vm.node, ['cloudInit', 'userData']), { file: vm.file, owner }),
    ...networkIssues(vm, merged),
    ...fileIssues(vm, merged.userDataFile, files),
    ...sizeIssues(vm, merged),
  ];
}

/** What is wrong with `defaults.cloudInit` in cluster.yaml by itself. */
export function checkDefaultCloudInit(file: string, root: Located): Issue[] {
  return checkUserData(nodeAt(root, ['defaults', 'cloudInit', 'userData']), {
    file,
    owner: 'defaults.cloudInit',
  });
}

function issueOf(vm: DeclaredVm, path: readonly string[], message: string, hint?: string): Issue {
  return issueAt(
    vm.file,
    placeOf(vm.node, path),
    `${path.join('.')} of ${vmLabel(vm.node)}: ${message}`,
    hint,
  );
}

function imageIssues(vm: DeclaredVm, { defaults, images }: Partial<Cluster>): Issue[] {
  const name = vm.sound.image ?? defaults?.image;
  if (name === undefined || images === undefined || !Object.hasOwn(images, name)) return [];
  if (images[name]?.cloudInit !== false) return [];
  const asked = [
    ...(vm.sound.cloudInit === undefined ? [] : ['cloudInit']),
    ...(vm.sound.hostnameVia === 'cloud-init' ? ['hostnameVia'] : []),
  ];
  return asked.map((key) =>
    issueOf(vm, [key], `the image "${name}" has no cloud-init, as cluster.yaml says`, 'take another image'),
  );
}

function networkIssues(vm: DeclaredVm, { network, prefix, gateway }: CloudInit): Issue[] {
  const { ipaddress } = vm.sound;
  if (network !== 'static') return [];
  if (prefix === undefined) {
    const hint = 'write its length, such as prefix: 24';
    return [issueOf(vm, ['cloudInit', 'network'], 'a static address needs the prefix of its network', hint)];
  }
  if (ipaddress === undefined || gateway === undefined) return [];
  if (isInNetwork(gateway, { address: ipaddress, prefix })) return [];
  return [
    issueOf(vm, ['cloudInit', 'gateway'], `${gateway} is not in the network of ${ipaddress}/${prefix}`),
  ];
}

function fileIssues(vm: DeclaredVm, path: string | undefined, files: SopsProblems): Issue[] {
  if (path === undefined) return [];
  const problem = files.has(path)
    ? files.get(path)
    : { message: `there is no file ${path} in the repository${didYouMean(path, [...files.keys()])}` };
  if (problem === undefined) return [];
  return [issueOf(vm, ['cloudInit', 'userDataFile'], problem.message, problem.hint)];
}

/** Reads each file once, however many VMs name it. */
export function checkSopsFiles(files: SopsFiles): SopsProblems {
  return new Map([...files].map(([path, content]) => [path, problemOf(path, content)]));
}

function problemOf(path: string, content: string): Problem | undefined {
  const { root, issues } = parseFile({ path, content });
  const [mistake] = issues;
  if (root === undefined || mistake !== undefined)
    return { message: `${path} cannot be read: ${mistake?.message}` };
  const isEncrypted = [
    ['sops', 'mac'],
    ['sops', 'lastmodified'],
  ].every((key) => nodeAt(root, key) !== undefined);
  if (!isEncrypted)
    return { message: `${path} is not encrypted by sops`, hint: `sops --encrypt --in-place ${path}` };
  const age = nodeAt(root, ['sops', 'age']);
  if (age?.kind === 'list' && age.items.length > 0) return undefined;
  const hint = 'other kinds of keys are not supported';
  return { message: `${path} is not encrypted for an age recipient`, hint };
}

function sizeIssues(vm: DeclaredVm, { userData }: CloudInit): Issue[] {
  const bytes = Buffer.byteLength(JSON.stringify(userData ?? {}));
  if (bytes <= MAX_USER_DATA_BYTES) return [];
  return [
    issueOf(vm, ['cloudInit', 'userData'], `it has ${bytes} bytes, the limit is ${MAX_USER_DATA_BYTES}`),
  ];
}
