import type { DesiredState, DesiredVm } from './desired.ts';
import { type Fleet, isActive } from './fleet.ts';
import type { NameEntry } from './names-files.ts';
import type { Held, Plan } from './step.ts';

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

export interface EntriesContext {
  readonly fleet: Fleet;
  /** As it will be carried out: what the guards hold back is not removed. */
  readonly plan: Plan;
  /** What our files say now, by VM. */
  readonly present: ReadonlyMap<string, NameEntry>;
}

/**
 * Who is to have an entry. A VM that leaves git loses it at once: unless its removal is held back, or its host does not
 * answer and it may run on with its address.
 */
export function nameEntries(desired: DesiredState, context: EntriesContext): NameEntries {
  const given = new Map(
    context.plan.steps.flatMap((step) => (step.kind === 'create' ? [[step.vm, step.macs[0]] as const] : [])),
  );
  const wanted = [...desired.vms.values()].flatMap((vm): NameEntry[] => {
    const mac = given.get(vm.name) ?? knownMac(vm, context);
    if (mac === undefined || mac === '') return [];
    return [{ vm: vm.name, hostname: vm.hostname, address: vm.ipaddress, mac: mac.toLowerCase() }];
  });
  return { wanted, kept: keptEntries(desired, context) };
}

function knownMac(vm: DesiredVm, { fleet, present }: EntriesContext): string | undefined {
  const copies = fleet.copiesOf(vm);
  const copy = copies.find(({ host }) => host === vm.host) ?? copies.find(isActive) ?? copies[0];
  if (copy !== undefined) return vm.nics[0]?.mac ?? copy.vm.macs[0];
  // Unknown is not absent: it may be there, as it was when its entry was written.
  return fleet.known.has(vm.host) ? undefined : present.get(vm.name)?.mac;
}

function keptEntries(desired: DesiredState, { fleet, plan, present }: EntriesContext): KeptEntry[] {
  const leaving = new Set(plan.steps.flatMap((step) => (step.kind === 'remove' ? [step.vm] : [])));
  const staying = new Map(
    fleet.owned
      .filter(({ vm, mark }) => mark.state !== 'tombstone' && !leaving.has(vm.name))
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
    return [{ entry, because: 'guard', reason: `whose removal from ${host} is held` }];
  });
}
