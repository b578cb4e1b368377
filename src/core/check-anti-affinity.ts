import { AUTO } from './check-host.ts';
import type { Issue } from './issue.ts';
import { placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';

/** Two VMs of one anti-affinity group on one host. The later one, by file and line, gets the issue. */
export function checkAntiAffinity(vms: readonly DeclaredVm[]): Issue[] {
  const first = new Map<string, DeclaredVm>();
  return vms.flatMap((vm) =>
    (vm.sound.antiAffinity ?? []).flatMap((group, index) => {
      const key = `${vm.host}/${group}`;
      const earlier = first.get(key);
      if (vm.host === undefined || vm.host === AUTO || earlier === undefined) {
        first.set(key, vm);
        return [];
      }
      if (earlier === vm) return [];
      const other = `${vmLabel(earlier.node)} in ${earlier.file}:${placeOf(earlier.node, ['name']).line}`;
      const message = `antiAffinity of ${vmLabel(vm.node)}: ${other} is of group "${group}" too, and both are on ${vm.host}`;
      const place = placeOf(vm.node, ['antiAffinity', index]);
      return [issueAt(vm.file, place, message, 'put one of them under another host')];
    }),
  );
}
