import type { DesiredVm } from './desired.ts';
import type { ObservedState, ObservedVm } from './observed.ts';

/** Processors and memory of a VM. */
export interface Size {
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** What the balloon may grow to while the VM runs. */
  readonly maxMemoryMiB: number;
}

/** A change that stands in the definition and that the running VM shows from its next start on. */
export interface PendingRestart {
  readonly host: string;
  readonly vm: string;
  /** `vcpus 1 -> 2` */
  readonly reason: string;
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
 * VMs that run with another size than git says, and will until they are started anew. The current memory does not
 * count: it is what the guest's balloon makes of it, and without a driver in the guest that is the maximum.
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
          const isSame = wanted?.host === host.name && wanted.uuid === found.uuid;
          const reason = isSame ? untilRestart(wanted, found) : undefined;
          return reason === undefined ? [] : [{ host: host.name, vm: found.name, reason }];
        }),
  );
}

function untilRestart(wanted: DesiredVm, { live }: ObservedVm): string | undefined {
  return live && sizeChange({ ...live, memoryMiB: wanted.memoryMiB }, wanted);
}

/** `vcpus 1 -> 2`; undefined where nothing changes. */
export function change(what: string, from: number, to: number): string | undefined {
  return from === to ? undefined : `${what} ${from} -> ${to}`;
}
