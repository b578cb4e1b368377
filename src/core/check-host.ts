import type { BuildContext } from './build-desired.ts';
import type { Cluster } from './cluster.ts';
import type { Issue } from './issue.ts';
import { someNames } from './issue-limit.ts';
import { issueAt } from './parse-file.ts';
import type { DeclaredVm, HostMention } from './read-manifest.ts';
import { didYouMean } from './suggest.ts';

/** What people write for a host that is yet to be chosen: a mistake in git, and a question to `kvm-gitops place`. */
export const AUTO = 'auto';

/** What is known of hosts where manifests are checked. */
export interface HostKnowledge {
  /** Undefined where cluster.yaml would have to say it and cannot be read. */
  readonly known: ReadonlySet<string> | undefined;
  readonly cluster: Partial<Cluster>;
  readonly vms: readonly DeclaredVm[];
  readonly context: BuildContext;
}

/** A host that there is none of. */
export function checkHost({ file, host, place }: HostMention, knowledge: HostKnowledge): Issue[] {
  const { known, context } = knowledge;
  if (known === undefined || known.has(host)) return [];
  if (host === AUTO) return [issueAt(file, place, 'host: auto is not for git', proposal(file, knowledge))];
  const where = context.hosts === undefined ? 'listed in cluster.yaml' : "in the operator's configuration";
  const message = `host: "${host}" is not ${where}${didYouMean(host, known)}`;
  return [
    issueAt(file, place, message, known.size === 0 ? 'no host is' : `known hosts: ${someNames([...known])}`),
  ];
}

/** Without asking a host: the one on which git has the least memory, and no VM of a group that must not meet there. */
function proposal(file: string, { known = new Set(), cluster, vms }: HostKnowledge): string {
  const asked = vms.filter((vm) => vm.file === file && vm.host === AUTO);
  const groups = new Set(asked.flatMap(({ sound }) => sound.antiAffinity ?? []));
  const best = [...known]
    .filter((host) => (cluster.hosts?.[host]?.state ?? 'active') === 'active')
    .map((host) => ({ host, there: vms.filter((vm) => vm.host === host) }))
    .filter(({ there }) => !there.some(({ sound }) => sound.antiAffinity?.some((group) => groups.has(group))))
    .map(({ host, there }) => ({
      host,
      memoryGb: there.reduce((sum, { sound }) => sum + (sound.memoryGb ?? 0), 0),
    }))
    .toSorted((a, b) => a.memoryGb - b.memoryGb || (a.host < b.host ? -1 : 1))[0];
  const ask = '`kvm-gitops place` asks the hosts and writes one';
  return best === undefined
    ? ask
    : `write ${best.host}, where git has the least memory, ${best.memoryGb} GiB; ${ask}`;
}
