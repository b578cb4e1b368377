import { keptVolumes } from '../core/kept-volumes.ts';
import { formatGiB } from '../core/shrink.ts';
import { colors } from './colors.ts';
import { lookInForce } from './in-force.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';
import { formatTable } from './table.ts';

/** The volumes of disks that left the manifests: kept with their data until their date. */
export function volumes(options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const { desired, observed } = await lookInForce(operator, abortOnSignals());
    const kept = keptVolumes(desired.cluster, observed);
    const silent = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
    if (options.json) {
      printJson({ v: 1, volumes: kept, unknownHosts: silent.map(({ name }) => name) });
      return 0;
    }
    for (const { name, reason } of silent) print(colors.yellow(`${name} is unknown: ${reason}`));
    if (kept.length === 0) print('no volume is kept: no disk has left the manifests lately');
    else print(formatTable([HEAD.map(colors.bold), ...kept.map(rowOf)]));
    return 0;
  });
}

const HEAD = ['vm', 'host', 'disk', 'volume', 'size', 'kept since', 'deleted after'];

function rowOf(volume: ReturnType<typeof keptVolumes>[number]): string[] {
  const { vm, host, target, pool, name, bytes, since, purgeAfter } = volume;
  const size = bytes === undefined ? 'not there' : formatGiB(bytes);
  return [vm, host, target, `${pool}/${name}`, size, since.slice(0, 10), purgeAfter.slice(0, 10)];
}
