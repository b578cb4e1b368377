import { findConfig, loadConfig } from '../config.ts';
import { type BuildContext, buildDesired } from '../core/build-desired.ts';
import { formatIssue } from '../core/issue.ts';
import { readFolder } from '../git/folder.ts';
import { buildContext } from '../operator.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';

/** Checks a folder of manifests. Knows the hosts from operator.yaml where there is one, else from cluster.yaml. */
export async function validate(dir: string, options: GlobalOptions): Promise<number> {
  const { files, skipped } = await readFolder(dir);
  const built = buildDesired(files, hostsFromConfig(options));
  if (options.json) {
    printJson(built.ok ? { ok: true, vms: built.desired.vms.size } : { ok: false, issues: built.issues });
    return built.ok ? 0 : 1;
  }
  for (const { path, reason } of skipped) print(colors.yellow(`${path}: not read: ${reason}`));
  if (built.ok) {
    const { cluster, vms } = built.desired;
    const hosts = new Set([...vms.values()].map(({ host }) => host));
    print(`${colors.green('valid')}: ${vms.size} VMs on ${hosts.size} hosts, cluster ${cluster}`);
    return 0;
  }
  for (const issue of built.issues) print(formatIssue(issue));
  print(colors.red(`${built.issues.length} ${built.issues.length === 1 ? 'mistake' : 'mistakes'}`));
  return 1;
}

function hostsFromConfig({ config }: GlobalOptions): BuildContext {
  return findConfig(config) === undefined ? {} : buildContext(loadConfig(config));
}
