import type { HostCapacity } from '../capacity.ts';
import type { DesiredState } from '../desired.ts';
import type { ObservedState } from '../observed.ts';
import { roomsOf } from './fit.ts';
import { moversOf } from './movers.ts';
import { type Placement, placeMovers } from './place-movers.ts';

/** What a proposal is made of. */
export interface World {
  readonly desired: DesiredState;
  readonly observed: ObservedState;
  readonly capacity: readonly HostCapacity[];
}

/** Where the VMs that git has on a host would go, so that it becomes empty. */
export function proposeDrain(host: string, { desired, observed, capacity }: World): Placement {
  const vms = [...desired.vms.values()].filter((vm) => vm.host === host);
  const rooms = roomsOf(capacity, desired, observed).filter((room) => room.host !== host);
  return placeMovers(moversOf(vms, desired, observed), rooms, { desired, observed });
}
