import type { DesiredState } from '../core/desired.ts';
import { arrangeFleet, isActive, type OwnedVm } from '../core/fleet.ts';
import { leftAlone } from '../core/left-alone.ts';
import { coversVm } from '../core/pause.ts';
import { volumesFromTheTop } from '../core/snapshot.ts';
import type { MarkStep } from '../core/step.ts';
import { OperatorError } from '../errors.ts';
import type { Operator } from '../operator.ts';
import { asksAndHears } from './ask.ts';
import { lookInForce } from './in-force.ts';
import { type GlobalOptions, print } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

export interface PurgeOptions extends GlobalOptions {
  readonly yes?: boolean;
}

/**
 * Sets the purge date of a removed VM to now. The operator's next pass deletes it, with every check that a purge on its
 * date has: so there is one place that deletes disks.
 */
export function purge(vm: string, options: PurgeOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const { tombstone, desired } = await findTombstone(operator, vm, abortOnSignals());
    const { host, mark } = tombstone;
    print(`${vm} on ${host} was removed at ${mark.removed?.at ?? 'an unknown time'}. Its volumes:`);
    for (const { pool, name } of volumesFromTheTop(mark)) print(`  ${pool}/${name}`);
    if (options.yes !== true && !(await asksAndHears(vm, 'delete it and its volumes for good'))) {
      print('nothing was changed');
      return 1;
    }
    const now = operator.deps.clock.now();
    await operator.deps.hosts.apply(dueNow(tombstone, now), () => {});
    const pauses = leftAlone(desired, await operator.deps.control.suspensions(), now);
    const pause = pauses.find(({ scope }) => coversVm(scope, { host, vm }));
    print(
      pause === undefined
        ? 'its purge date is now: a running operator deletes it at once; else run `kvm-gitops reconcile --once`'
        : `its purge date is now, and it waits: ${pause.reason}`,
    );
    return 0;
  });
}

async function findTombstone(
  operator: Operator,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly tombstone: OwnedVm; readonly desired: DesiredState }> {
  const { desired, observed } = await lookInForce(operator, signal);
  const copies = arrangeFleet(desired.cluster, observed).owned.filter(({ vm }) => vm.name === name);
  const [tombstone, ...others] = copies.filter((copy) => !isActive(copy));
  if (tombstone !== undefined && others.length === 0) return { tombstone, desired };
  if (tombstone !== undefined) throw new OperatorError('E_USAGE', `${name} has tombstones on several hosts`);
  const why =
    copies.length > 0
      ? 'it has not been removed: delete it from the manifests first'
      : 'no known host has it as ours';
  throw new OperatorError('E_USAGE', `${name} cannot be purged: ${why}`);
}

function dueNow({ host, vm, mark }: OwnedVm, now: Date): MarkStep {
  const removed = mark.removed && { ...mark.removed, purgeAfter: now.toISOString() };
  return {
    kind: 'mark',
    host,
    vm: vm.name,
    uuid: vm.uuid,
    cluster: mark.cluster,
    reason: 'purged by hand',
    mark: { ...mark, ...(removed && { removed }) },
  };
}
