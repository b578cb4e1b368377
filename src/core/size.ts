import type { DesiredVm } from './desired.ts';
import type { ObservedState, ObservedVm } from './observed.ts';
import { pendingDevices } from './pending-devices.ts';

/** Processors and memory of a VM. */
export interface Size {
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** What the balloon may grow to while the VM runs. */
  readonly maxMemoryMiB: number;
}

/** The size that a VM runs with. */
export interface LiveSize extends Size {
  /** Up to so many it takes without a restart. */
  readonly maxVcpus: number;
}

/** A change that stands in the definition and that the running VM shows from its next start on. */
export interface PendingRestart {
  readonly host: string;
  readonly vm: string;
  /** `vcpus 1 -> 2` */
  readonly reason: string;
  /** `never`: a person has to shut it down. */
  readonly restart: DesiredVm['restart'];
}

/** `vcpus 1 -> 2, memory MiB 1024 -> 2048`; undefined where both are the same. */
export function sizeChange(from: Size, to: Size): string | undefined {
  const changes = [
    change('vcpus', from.vcpus, to.vcpus),
    change('memory MiB', from.memoryMiB, to.memoryMiB),
    change('max memory MiB', from.maxMemoryMiB, to.maxMemoryMiB),
  ].filter((text) => text !== undefined);
  return changes.length === 0 ? undefined : changes.join(', ');
}

/** The size alone. */
export function sizeOf({ vcpus, memoryMiB, maxMemoryMiB }: Size): Size {
  return { vcpus, memoryMiB, maxMemoryMiB };
}

/**
 * VMs that run otherwise than git says, and will until they are started anew: with another number of processors or another
 * maximum of memory; without a disk that their definition has, or with one that it no longer has; with another MAC address
 * or bridge than in their definition. What git does not declare never counts, nor does the current memory: it is what
 * the guest's balloon makes of it, and without a driver in the guest that is the maximum.
 */
export function pendingRestarts(
  vms: ReadonlyMap<string, DesiredVm>,
  observed: ObservedState,
): PendingRestart[] {
  return [...observed.hosts.values()].flatMap((host) =>
    host.kind === 'unknown'
      ? []
      : host.vms.flatMap((found) => {
          const wanted = vms.get(found.name);
          if (wanted?.host !== host.name || wanted.uuid !== found.uuid) return [];
          const reason = untilRestart(wanted, found);
          return reason === undefined
            ? []
            : [{ host: host.name, vm: found.name, reason, restart: wanted.restart }];
        }),
  );
}

/** What a running VM will show only from its next start on, once its definition is as git wants it. */
export function untilRestart(wanted: DesiredVm, found: ObservedVm): string | undefined {
  const reasons = [sizeUntilRestart(wanted, found) ?? [], pendingDevices(wanted, found)].flat();
  return reasons.length === 0 ? undefined : reasons.join(', ');
}

function sizeUntilRestart(wanted: Size, found: ObservedVm): string | undefined {
  if (found.live === undefined) return undefined;
  const live = sizeChange(found, wanted) === undefined ? found.live : liveAfterResize(found.live, wanted);
  return sizeChange({ ...live, memoryMiB: wanted.memoryMiB }, wanted);
}

/** What a running VM makes of a resize: memory up to its maximum, and more processors up to theirs. */
export function liveAfterResize(live: LiveSize, to: Size): LiveSize {
  const takesVcpus = to.vcpus >= live.vcpus && to.vcpus <= live.maxVcpus;
  const takesMemory = to.memoryMiB <= live.maxMemoryMiB;
  return {
    ...live,
    vcpus: takesVcpus ? to.vcpus : live.vcpus,
    memoryMiB: takesMemory ? to.memoryMiB : live.memoryMiB,
  };
}

/** `vcpus 1 -> 2`; undefined where nothing changes. */
function change(what: string, from: number, to: number): string | undefined {
  return from === to ? undefined : `${what} ${from} -> ${to}`;
}
