import { AUTO } from '../check-host.ts';
import { arrangeFleet, isActive } from '../fleet.ts';
import { roomsOf } from './fit.ts';
import { moversOf } from './movers.ts';
import { type Move, type Placement, placeMovers } from './place-movers.ts';
import type { World } from './propose-drain.ts';

/** Where VMs would go that git has under `host: auto`: where they are already, else where there is room. `only`: one of them. */
export function proposePlaces({ desired, observed, capacity }: World, only?: string): Placement {
  const fleet = arrangeFleet(desired.cluster, observed);
  const vms = [...desired.vms.values()].filter(
    ({ host, name }) => host === AUTO && (only === undefined || name === only),
  );
  const there = vms.flatMap((vm): Move[] => {
    const copy = fleet.copiesOf(vm).find(isActive);
    return copy === undefined ? [] : [{ vm: vm.name, from: AUTO, to: copy.host }];
  });
  const isThere = new Set(there.map(({ vm }) => vm));
  const movers = moversOf(
    vms.filter(({ name }) => !isThere.has(name)),
    desired,
    observed,
  );
  const placed = placeMovers(movers, roomsOf(capacity, desired, observed), { desired, observed });
  return { ...placed, moves: [...there, ...placed.moves].toSorted((a, b) => (a.vm < b.vm ? -1 : 1)) };
}
