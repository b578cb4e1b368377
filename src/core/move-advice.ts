import type { Shortage } from './capacity-check.ts';
import type { Plan } from './step.ts';

/**
 * Adds to a shortage of a pool that VMs move into while others move out of it what to do: what those leave is kept, so no
 * order of steps makes room.
 */
export function withMoveAdvice(shortages: readonly Shortage[], { steps }: Plan): Shortage[] {
  return shortages.map((shortage) => {
    const { host, resource, message } = shortage;
    const isInPool = ({ pool }: { readonly pool: string }) => resource === `pool ${pool}`;
    const coming = steps.flatMap((step) =>
      step.kind === 'receive' && step.host === host && step.volumes.some(({ to }) => isInPool(to))
        ? [step.vm]
        : [],
    );
    const leaving = steps.flatMap((step) =>
      step.kind === 'depart' && step.host === host && step.volumes.some(({ from }) => isInPool(from))
        ? [step.vm]
        : [],
    );
    if (coming.length === 0 || leaving.length === 0) return shortage;
    const purges = leaving.map((vm) => `\`kvm-gitops purge ${vm}\``).join(', ');
    const advice =
      `; the disks of what leaves it (${leaving.join(', ')}) stay there until their date: make room, or move ` +
      `${leaving.join(', ')} first, to where there is room, then ${purges}, and then ${coming.join(', ')}`;
    return { ...shortage, message: `${message}${advice}` };
  });
}
