import { formatBytes } from '../core/capacity-check.ts';
import type { DesiredState } from '../core/desired.ts';
import {
  type HostVolume,
  type ImagePlace,
  KEPT,
  listImages,
  pruneProblem,
  type Volumes,
} from '../core/image-inventory.ts';
import type { ObservedState } from '../core/observed.ts';
import { OperatorError } from '../errors.ts';
import { openCheckedVolumes } from '../hosts/images/checked-volumes.ts';
import { deleteHostVolume, listHostVolumes } from '../hosts/images/host-volumes.ts';
import { questionFor } from '../reconcile/reconcile.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, type Session, withOperator } from './session.ts';
import { formatTable } from './table.ts';

interface PruneOptions extends GlobalOptions {
  readonly host?: string;
  readonly yes?: boolean;
}

/** Shows every base image on every host, and what is made of it. */
export function images(options: GlobalOptions): Promise<number> {
  return withOperator(options, async (session) => {
    const { desired, observed, volumes } = await lookAround(session, abortOnSignals());
    const [newest] = desired;
    const places = newest === undefined ? [] : listImages(newest, observed, volumes);
    if (options.json) printJson({ v: 1, images: places });
    else
      print(places.length === 0 ? 'no base images' : formatTable([HEAD, ...places.map(row)], { right: [4] }));
    return 0;
  });
}

/**
 * Deletes base images that operators brought, that git names no more and that nothing is made of; without --yes it only
 * says which. Exit code 1: one that was asked for stays.
 */
export function prune(name: string | undefined, options: PruneOptions): Promise<number> {
  return withOperator(options, async (session) => {
    const known = await lookAround(session, abortOnSignals());
    const candidates = candidatesFor(name, options, known);
    let kept = 0;
    let deleted = 0;
    for (const { host, volume } of candidates) {
      const problem = pruneProblem(volume, host, known);
      const what = `${volume.pool}/${volume.name} on ${host} (${formatBytes(volume.bytes)})`;
      if (problem === undefined) {
        await pruneOne(session, { host, volume, what, yes: options.yes === true });
        deleted += 1;
      } else if (name !== undefined || !EXPECTED.includes(problem)) {
        print(colors.yellow(`kept ${what}: ${problem}`));
        kept += 1;
      }
    }
    if (kept + deleted === 0) print('nothing to delete: what operators brought there is named in git');
    return kept > 0 && name !== undefined ? 1 : 0;
  });
}

/** Not worth a line each where no volume was asked for. */
const EXPECTED: readonly string[] = [KEPT.named, KEPT.foreign];

function candidatesFor(
  name: string | undefined,
  { host }: PruneOptions,
  { observed, volumes }: Known,
): { readonly host: string; readonly volume: HostVolume }[] {
  const found = host === undefined ? undefined : observed.hosts.get(host);
  if (host !== undefined && found?.kind !== 'known')
    throw new OperatorError(
      'E_USAGE',
      `${host} ${found === undefined ? 'is not in operator.yaml' : 'does not answer'}`,
    );
  const there = [...volumes]
    .filter(([one]) => host === undefined || one === host)
    .flatMap(([one, list]) => list.map((volume) => ({ host: one, volume })));
  if (name === undefined) return there;
  const named = there.filter(({ volume }) => volume.name === name);
  if (named.length === 0)
    throw new OperatorError('E_USAGE', `no volume ${name} is on ${host ?? 'any host that answers'}`);
  return named;
}

const HEAD = ['IMAGE', 'HOST', 'PRESENCE', 'VOLUME', 'SIZE', 'SOURCE', 'USED BY'];

function row({ image, host, presence, pool, volume, bytes, source, usedBy }: ImagePlace): string[] {
  const size = bytes === undefined ? '' : formatBytes(bytes);
  return [
    image ?? '-',
    host,
    presence,
    volume === undefined ? '' : `${pool}/${volume}`,
    size,
    source,
    usedBy.join(', '),
  ];
}

interface Known {
  /** Of the newest commit, if it is right, and of the one in force. */
  readonly desired: readonly DesiredState[];
  readonly observed: ObservedState;
  readonly volumes: Volumes;
}

async function lookAround({ config, operator }: Session, signal: AbortSignal): Promise<Known> {
  const { deps, links } = operator;
  const inForce = await deps.source.accepted();
  const commits = [await deps.source.fetch(signal), ...(inForce === undefined ? [] : [inForce])];
  const desired = commits.map(deps.build).flatMap((built) => (built.ok ? [built.desired] : []));
  const [newest] = desired;
  if (newest === undefined)
    throw new OperatorError(
      'E_USAGE',
      'the newest commit has mistakes, and none is in force: see `kvm-gitops validate`',
    );
  const observed = await deps.hosts.observe(questionFor(newest), signal);
  const checked = await openCheckedVolumes(config.stateDir, { readOnly: true });
  const known = [...observed.hosts.values()].filter(({ kind }) => kind === 'known');
  const volumes = await Promise.all(
    known.map(async ({ name }) => {
      const client = await links.get(name)?.get(signal);
      const there: HostVolume[] =
        client === undefined ? [] : await listHostVolumes(client.libvirt, { host: name, checked, signal });
      return [name, there] as const;
    }),
  );
  return { desired, observed, volumes: new Map(volumes) };
}

async function pruneOne(
  { operator }: Session,
  {
    host,
    volume,
    what,
    yes,
  }: { readonly host: string; readonly volume: HostVolume; readonly what: string; readonly yes: boolean },
): Promise<void> {
  if (!yes) return print(`would delete ${what}: add --yes`);
  const client = await operator.links.get(host)?.get();
  if (client === undefined) return;
  await deleteHostVolume(client.libvirt, volume);
  print(`deleted ${what}`);
}
