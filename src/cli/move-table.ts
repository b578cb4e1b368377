import { formatMiB } from '../core/capacity-check.ts';
import type { DesiredState } from '../core/desired.ts';
import type { Move } from '../core/placing/place-movers.ts';
import { formatTable } from './table.ts';

/** A line for each VM that would move; `more`: columns of a command's own. */
export function moveTable(
  moves: readonly Move[],
  { vms }: DesiredState,
  more: { readonly head: readonly string[]; readonly cells: (index: number) => readonly string[] } = NO_MORE,
): string {
  const rows = moves.map(({ vm, from, to }, index) => {
    const { vcpus = 0, memoryMiB = 0 } = vms.get(vm) ?? {};
    return [vm, String(vcpus), formatMiB(memoryMiB), from, to, ...more.cells(index)];
  });
  return formatTable([['VM', 'VCPUS', 'MEMORY', 'FROM', 'TO', ...more.head], ...rows], { right: [1, 2] });
}

const NO_MORE = { head: [], cells: () => [] };
