import { arrangeFleet } from './fleet.ts';
import type { VolumeRef } from './mark.ts';
import { type ObservedState, volumeKey } from './observed.ts';

/** A volume that is no longer a disk of its VM, and is kept with its data until its date. */
export interface KeptVolume extends VolumeRef {
  readonly vm: string;
  readonly host: string;
  readonly target: string;
  /** What a guest would see of it; undefined: it is not in its pool, or cannot be looked at. */
  readonly bytes: number | undefined;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly purgeAfter: string;
}

/** Every kept volume of our VMs on the hosts that answer, by VM and name. */
export function keptVolumes(cluster: string, observed: ObservedState): KeptVolume[] {
  const fleet = arrangeFleet(cluster, observed);
  const kept = fleet.owned.flatMap(({ host, vm, mark }) =>
    mark.volumes.flatMap(({ target, pool, name, retained }) => {
      if (retained === undefined) return [];
      const bytes = fleet.known.get(host)?.volumes.get(volumeKey({ pool, name }))?.capacity;
      const { at: since, purgeAfter } = retained;
      return [{ vm: vm.name, host, target, pool, name, bytes, since, purgeAfter }];
    }),
  );
  return kept.toSorted((a, b) => (`${a.vm}/${a.name}` < `${b.vm}/${b.name}` ? -1 : 1));
}
