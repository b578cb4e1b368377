import { compareApplied } from './applied.ts';
import type { DesiredState, DriftPolicy } from './desired.ts';
import { arrangeFleet } from './fleet.ts';
import type { ObservedState } from './observed.ts';
import { type Comparison, compareFields } from './vm-fields.ts';

/** A field that git declares and that is otherwise on the host. */
export interface Difference extends Omit<Comparison, 'id'> {
  readonly host: string;
  readonly vm: string;
  /** `drift`: it was as git says, and the host has changed; `pending`: git has changed, and it is not applied yet. */
  readonly kind: 'drift' | 'pending';
  /** What follows from drift. */
  readonly policy: DriftPolicy;
}

/** Field by field, where the VMs of ours are otherwise than git declares. What git does not say is not compared. */
export function findDrift(desired: DesiredState, observed: ObservedState): Difference[] {
  return arrangeFleet(desired.cluster, observed)
    .owned.toSorted((a, b) => (`${a.host}/${a.vm.name}` < `${b.host}/${b.vm.name}` ? -1 : 1))
    .flatMap(({ host, vm, mark }) => {
      const wanted = desired.vms.get(vm.name);
      if (wanted?.host !== host || wanted.uuid !== vm.uuid || mark.state !== 'ready') return [];
      const { changed } = compareApplied(wanted, mark);
      return compareFields(wanted, vm)
        .filter(({ git, actual }) => git !== actual)
        .map(({ id, ...found }): Difference => {
          const kind = changed === undefined || changed.has(id) ? 'pending' : 'drift';
          return { host, vm: vm.name, ...found, kind, policy: wanted.drift };
        });
    });
}
