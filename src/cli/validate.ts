import { type Config, environment } from '../config.ts';
import { buildDesired } from '../core/build-desired.ts';
import type { DesiredState } from '../core/desired.ts';
import { formatIssue } from '../core/issue.ts';
import { readFolder } from '../git/folder.ts';
import { readCommit } from '../git/local-repository.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { configIfAny, contextOf, scopeOf } from './own-config.ts';
import { abortOnSignals } from './session.ts';

interface ValidateOptions extends GlobalOptions {
  /** A commit of the repository at `dir`, instead of the files in it. */
  readonly revision?: string;
}

/** Checks manifests. Knows the hosts from operator.yaml where there is one, else from cluster.yaml. */
export async function validate(dir: string, options: ValidateOptions): Promise<number> {
  const config = configIfAny(options);
  const { files, skipped } = await read(dir, options.revision, config);
  const built = buildDesired(files, contextOf(config));
  if (options.json) {
    printJson(built.ok ? { ok: true, vms: built.desired.vms.size } : { ok: false, issues: built.issues });
    return built.ok ? 0 : 1;
  }
  for (const { path, reason } of skipped) print(colors.yellow(`${path}: not read: ${reason}`));
  if (built.ok) {
    const { cluster, vms } = built.desired;
    const hosts = new Set([...vms.values()].map(({ host }) => host));
    print(`${colors.green('valid')}: ${vms.size} VMs on ${hosts.size} hosts, cluster ${cluster}`);
    for (const line of outOfUse(built.desired)) print(colors.yellow(line));
    return 0;
  }
  for (const issue of built.issues) print(formatIssue(issue));
  print(colors.red(`${built.issues.length} ${built.issues.length === 1 ? 'mistake' : 'mistakes'}`));
  return 1;
}

function read(dir: string, revision: string | undefined, config: Config | undefined) {
  if (revision === undefined) return readFolder(dir);
  return readCommit({ dir, env: environment(), scope: scopeOf(config) }, revision, abortOnSignals());
}

/** Hosts that are not active, and what that means for the VMs that are declared on them. */
function outOfUse({ hosts, vms }: DesiredState): string[] {
  return [...hosts.values()].flatMap(({ name, state }) => {
    if (state === 'active') return [];
    const names = [...vms.values()].filter(({ host }) => host === name).map((vm) => vm.name);
    const those = names.length === 0 ? 'no VM' : names.toSorted().join(', ');
    return state === 'drained'
      ? [`${name} is drained: nothing new is made there; git has ${those} there`]
      : [`${name} is offline: it is not asked, and its VMs are left as they are; git has ${those} there`];
  });
}
