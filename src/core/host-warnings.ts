import type { DesiredState } from './desired.ts';
import { arrangeFleet, isActive } from './fleet.ts';
import type { ObservedState, UnknownHost } from './observed.ts';

/** What waits on hosts that cluster.yaml takes out of use: VMs that are still on a drained one, changes to an offline one. */
export function hostWarnings(desired: DesiredState, observed: ObservedState): string[] {
  const { owned } = arrangeFleet(desired.cluster, observed);
  const vms = [...desired.vms.values()];
  return [...desired.hosts.values()].flatMap(({ name, state }) => {
    if (state === 'active') return [];
    const inGit = vms.filter(({ host }) => host === name).map((vm) => vm.name);
    if (state === 'drained') {
      const there = owned.filter((one) => one.host === name && isActive(one)).map(({ vm }) => vm.name);
      return stillThere(name, inGit, there);
    }
    const host = observed.hosts.get(name);
    return host?.kind === 'unknown' ? waiting(host, inGit, desired) : [];
  });
}

function stillThere(host: string, inGit: readonly string[], there: readonly string[]): string[] {
  const leaving = there.filter((vm) => !inGit.includes(vm));
  const drained = `host ${host} is drained (cluster.yaml), and`;
  return [
    ...(inGit.length === 0
      ? []
      : [
          `${drained} git still has ${inGit.toSorted().join(', ')} there: \`kvm-gitops drain ${host}\` proposes where they go`,
        ]),
    ...(leaving.length === 0 ? [] : [`${drained} ${leaving.toSorted().join(', ')} is yet to leave it`]),
  ];
}

/** Where nobody remembers what the host had, nothing can be told apart. */
function waiting({ name, lastSeen }: UnknownHost, inGit: readonly string[], { vms }: DesiredState): string[] {
  if (lastSeen === undefined) return [];
  const offline = `host ${name} is offline (cluster.yaml):`;
  const added = inGit.filter((vm) => !lastSeen.includes(vm));
  const gone = lastSeen.filter((vm) => !vms.has(vm));
  return [
    ...(added.length === 0
      ? []
      : [`${offline} ${added.toSorted().join(', ')} is made there once it is active again`]),
    ...(gone.length === 0
      ? []
      : [
          `${offline} ${gone.toSorted().join(', ')}, which git does not have, stays there until it is active again`,
        ]),
  ];
}
