import type { DesiredState } from './desired.ts';
import { type MacContext, macFinder } from './name-macs.ts';
import type { NameEntry } from './names-files.ts';
import { type Held, laneOf } from './step.ts';

/** An entry of a VM that git no longer has and that may still run. */
export interface KeptEntry {
  readonly entry: NameEntry;
  readonly because: Held['because'];
  /** Completes `10.0.0.7 is still that of web, `. */
  readonly reason: string;
}

export interface NameEntries {
  /** Of the VMs in git, as far as their MAC address is known. */
  readonly wanted: readonly NameEntry[];
  readonly kept: readonly KeptEntry[];
}

/**
 * Who is to have an entry. A VM that leaves git loses it at once: unless its removal is held back, or its host does not
 * answer and it may run on with its address.
 */
export function nameEntries(desired: DesiredState, context: MacContext): NameEntries {
  const macsOf = macFinder(context);
  const wanted = [...desired.vms.values()].flatMap((vm): NameEntry[] => {
    const macs = macsOf(vm);
    return macs === undefined ? [] : [{ vm: vm.name, hostname: vm.hostname, address: vm.ipaddress, ...macs }];
  });
  const kept = keptEntries(desired, context);
  const taken = new Set([...wanted, ...kept.map(({ entry }) => entry)].map(({ mac }) => mac));
  return { wanted: wanted.map((entry) => withoutTaken(entry, taken)), kept };
}

/** A MAC address that another VM has by now leads to that one. */
function withoutTaken({ formerMac, ...entry }: NameEntry, taken: ReadonlySet<string>): NameEntry {
  return formerMac === undefined || taken.has(formerMac) ? entry : { ...entry, formerMac };
}

function keptEntries(desired: DesiredState, { fleet, plan, present }: MacContext): KeptEntry[] {
  const leaving = new Set(
    plan.steps.flatMap((step) => (step.kind === 'remove' || step.kind === 'retire' ? [laneOf(step)] : [])),
  );
  // Nothing of one that is arriving has run there.
  const staying = new Map(
    fleet.owned
      .filter(({ mark: { state } }) => state !== 'tombstone' && state !== 'arriving')
      .filter(({ vm, host }) => !leaving.has(`${host}/${vm.name}`))
      .map(({ vm, host }) => [vm.name, host]),
  );
  return [...present.values()].flatMap((entry): KeptEntry[] => {
    if (desired.vms.has(entry.vm)) return [];
    const hidden = fleet.lastSeenOn(entry.vm);
    if (hidden !== undefined) {
      const reason = `which may run on ${hidden.name}, that does not answer`;
      return [{ entry, because: 'unknown', reason }];
    }
    const host = staying.get(entry.vm);
    if (host === undefined) return [];
    const because = plan.held.find((one) => one.host === host && one.subject === entry.vm)?.because;
    return [{ entry, because: because ?? 'guard', reason: `whose removal from ${host} is held` }];
  });
}
