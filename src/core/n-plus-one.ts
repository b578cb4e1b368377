import type { HostCapacity } from './capacity.ts';
import type { Shortage } from './capacity-check.ts';
import type { DesiredState, DesiredVm } from './desired.ts';
import type { ObservedState } from './observed.ts';
import { fit, loadOf, roomsOf } from './placing/fit.ts';

/** What would become of the VMs of one host if it were lost. */
export interface HostLoss {
  readonly host: string;
  /** VMs that would find no place on the others. */
  readonly homeless: readonly string[];
}

/**
 * For each host with VMs in git: whether the others could take them all, disks included. Counts what git wants, not what
 * happens to run; hosts that are drained, offline or Unknown take nothing.
 */
export function hostLosses(
  desired: DesiredState,
  observed: ObservedState,
  capacity: readonly HostCapacity[],
): HostLoss[] {
  const rooms = roomsOf(capacity, desired, observed);
  return [...desired.hosts.keys()].flatMap((host) => {
    const vms = [...desired.vms.values()].filter((vm) => vm.host === host && vm.power !== 'off');
    if (vms.length === 0) return [];
    const others = rooms.filter((room) => room.host !== host);
    const loads = vms.map((vm) => loadOf(vm, desired, observed));
    return [{ host, homeless: fit(loads, others).left.map(({ name }) => name) }];
  });
}

/** Hosts whose loss git makes worse: a fleet that was too full before must not block what does not touch it. */
export function newLosses(
  desired: DesiredState,
  observed: ObservedState,
  capacity: readonly HostCapacity[],
): Shortage[] {
  const losses = hostLosses(desired, observed, capacity).filter((loss) => loss.homeless.length > 0);
  if (losses.length === 0) return [];
  const before = new Map(
    hostLosses(asItIs(desired, observed), observed, capacity.map(unchanged)).map((loss) => [
      loss.host,
      loss.homeless.length,
    ]),
  );
  return losses
    .filter(({ host, homeless: { length } }) => length > (before.get(host) ?? 0))
    .map(({ host, homeless: names }) => ({
      host,
      resource: 'loss',
      message: `were host ${host} lost, the others would have no room for ${names.join(', ')} (policy.nPlusOne)`,
    }));
}

/** Of git, what is on its host already. */
function asItIs(desired: DesiredState, observed: ObservedState): DesiredState {
  const isThere = (vm: DesiredVm) => {
    const host = observed.hosts.get(vm.host);
    return host?.kind === 'known' && host.vms.some(({ uuid }) => uuid === vm.uuid);
  };
  return { ...desired, vms: new Map([...desired.vms].filter(([, vm]) => isThere(vm))) };
}

/** As if git were not applied. */
function unchanged(host: HostCapacity): HostCapacity {
  return {
    ...host,
    vcpus: { ...host.vcpus, wanted: host.vcpus.used },
    memoryMiB: { ...host.memoryMiB, wanted: host.memoryMiB.used },
    pools: host.pools.map((pool) => ({ ...pool, wanted: pool.used })),
  };
}
