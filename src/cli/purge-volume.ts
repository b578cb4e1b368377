import { arrangeFleet, type OwnedVm } from '../core/fleet.ts';
import type { MarkedVolume } from '../core/mark.ts';
import { OperatorError } from '../errors.ts';
import { asksAndHears } from './ask.ts';
import { lookInForce } from './in-force.ts';
import { print } from './options.ts';
import type { PurgeOptions } from './purge.ts';
import { abortOnSignals, withOperator } from './session.ts';

/** Deletes the kept volume of a disk that left the manifests now, with every check that there is on its date. */
export function purgeVolume(vm: string, volume: string, options: PurgeOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const { desired, observed } = await lookInForce(operator, abortOnSignals());
    const { owned } = arrangeFleet(desired.cluster, observed);
    const { host, mark, kept } = findKept(owned, vm, volume);
    print(`${volume} was disk ${kept.target} of ${vm} on ${host}, and is kept since ${kept.retained?.at}`);
    if (options.yes !== true && !(await asksAndHears(volume, 'delete it for good'))) {
      print('nothing was changed');
      return 1;
    }
    const { uuid, cluster } = mark;
    const step = {
      kind: 'reclaim',
      host,
      vm,
      uuid,
      cluster,
      reason: 'purged by hand',
      volume: kept,
      mark,
    } as const;
    await operator.deps.hosts.apply(step, () => {});
    print('it is deleted');
    return 0;
  });
}

function findKept(
  owned: readonly OwnedVm[],
  name: string,
  volume: string,
): Pick<OwnedVm, 'host' | 'mark'> & { readonly kept: MarkedVolume } {
  const all = owned
    .filter(({ vm }) => vm.name === name)
    .flatMap(({ host, mark }) =>
      mark.volumes.filter(({ retained }) => retained !== undefined).map((kept) => ({ host, mark, kept })),
    );
  const [one, ...others] = all.filter(({ kept }) => kept.name === volume);
  if (one !== undefined && others.length === 0) return one;
  const names = all.map(({ kept }) => kept.name).join(', ') || 'none';
  const why = one === undefined ? `kept volumes of ${name}: ${names}` : `${name} has it on several hosts`;
  throw new OperatorError('E_USAGE', `no volume ${volume} can be purged: ${why}`);
}
