import { type BuildContext, buildDesired } from '../../src/core/build-desired.ts';
import type { DesiredState, DesiredVm } from '../../src/core/desired.ts';
import { formatIssue } from '../../src/core/issue.ts';
import type { SourceFile } from '../../src/core/source-file.ts';

/** A cluster.yaml with which manifests of hosts t01, t02 and t04.tdh.internal are right. */
export const CLUSTER = `cluster: lab
defaults: {image: base}
hosts: {t01: {}, t02: {}, t04.tdh.internal: {}}
images: {base: {pool: default, volume: base.qcow2}}
`;

/** The fields that a VM must have, and whatever else is given. */
export function vm(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { name: 'web-1', ipaddress: '10.77.0.11', vcpus: 1, memoryGb: 1, ...fields };
}

/** A manifest of one host. */
export function manifest(path: string, vms: readonly unknown[], host = 't01'): SourceFile {
  return { path: `manifests/${path}`, content: JSON.stringify([{ host, vmspecs: vms }], null, 1) };
}

/** A repository of that cluster.yaml and those manifests. */
export function repository(manifests: readonly SourceFile[], cluster = CLUSTER): SourceFile[] {
  return [{ path: 'cluster.yaml', content: cluster }, ...manifests];
}

/** What the files ask for; throws their issues. */
export function accepted(files: readonly SourceFile[], context?: BuildContext): DesiredState {
  const built = buildDesired(files, context);
  if (!built.ok) throw new Error(built.issues.map(formatIssue).join('\n'));
  return built.desired;
}

/** The one VM that the files ask for. */
export function onlyVm(files: readonly SourceFile[]): DesiredVm {
  const vms = [...accepted(files).vms.values()];
  if (vms.length !== 1 || vms[0] === undefined) throw new Error(`${vms.length} VMs`);
  return vms[0];
}

/** The issues of the files as a terminal shows them. */
export function refused(files: readonly SourceFile[], context?: BuildContext): string[] {
  const built = buildDesired(files, context);
  return built.ok ? [] : built.issues.map(formatIssue);
}
