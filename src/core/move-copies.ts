import { isActive, type OwnedVm } from './fleet.ts';
import { isLeftBehind } from './mark.ts';

/** What there is of one VM on the hosts that answer, sorted by its part in a move. */
export interface Copies {
  /** The VM itself; undefined: it is nowhere, or nobody can say which one it is. */
  readonly body: OwnedVm | undefined;
  /** What it left behind in a move, and that does not say so yet. */
  readonly husk: OwnedVm | undefined;
  /** Hosts that are claimed for it. */
  readonly claims: readonly OwnedVm[];
  /** Tombstones beside the VM: of an earlier move, or of an earlier VM of that name. */
  readonly tombstones: readonly OwnedVm[];
  /** More than one could be the VM. */
  readonly isDoubled: boolean;
}

/** Sorts the copies of a VM. Of two, the one that is there after a move from the other is the VM. */
export function sortCopies(copies: readonly OwnedVm[]): Copies {
  const claims = copies.filter(({ mark }) => mark.state === 'arriving');
  const active = copies.filter((copy) => isActive(copy) && !claims.includes(copy));
  const tombstones = copies.filter((copy) => !isActive(copy));
  const removed = tombstones.filter(({ mark }) => !isLeftBehind(mark));
  const bodies = [...active, ...(active.length < 2 ? removed : [])];
  const pair = active
    .map((husk) => ({ husk, body: bodies.find((body) => hasGone(husk, body)) }))
    .find(({ body }) => body !== undefined);
  const body = pair?.body ?? active[0] ?? (removed.length === 1 ? removed[0] : undefined);
  const isDoubled = active.length > (pair === undefined || !active.includes(pair.body ?? pair.husk) ? 1 : 2);
  return {
    body: isDoubled ? undefined : body,
    husk: isDoubled ? undefined : pair?.husk,
    claims,
    tombstones: tombstones.filter((copy) => copy !== body),
    isDoubled: isDoubled || (active.length === 0 && removed.length > 1),
  };
}

/**
 * It was on its way to where the other one stands, and the other one says that it came from there. What a live move leaves is
 * paused until it is ended.
 */
export function hasGone(husk: OwnedVm, body: OwnedVm): boolean {
  return (
    husk.host !== body.host &&
    husk.mark.state === 'migrating' &&
    (husk.vm.power === 'shutoff' || (husk.vm.power === 'paused' && husk.mark.to?.live === true)) &&
    husk.mark.to?.host === body.host &&
    body.mark.from?.host === husk.host &&
    husk.vm.name === body.vm.name &&
    husk.vm.uuid === body.vm.uuid &&
    body.mark.state !== 'building' &&
    body.mark.state !== 'arriving'
  );
}
