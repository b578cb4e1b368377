import type { DesiredState, Image } from './desired.ts';
import { isBrought } from './images.ts';
import type { ObservedHost, ObservedState, ObservedVm } from './observed.ts';

/** A volume of a host, as far as images are concerned. */
export interface HostVolume {
  readonly pool: string;
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** Size and time of last change: equal on two hosts, it is one file that both see. */
  readonly version: string;
  /** It was read and is what its name says. */
  readonly checked: boolean;
  /** The file that it is an overlay of. */
  readonly backing?: string;
}

/** The volumes of every host that answered. */
export type Volumes = ReadonlyMap<string, readonly HostVolume[]>;

/**
 *   there        as git says; its content is your affair
 *   checked      brought, read, and what git names
 *   not checked  brought, and not (or no longer) known to be whole: it is checked when the next VM is made of it
 *   not here     it is brought when a VM is made of it
 *   missing      VMs cannot be made of it
 *   unknown      the host does not answer
 */
export type Presence = 'there' | 'checked' | 'not checked' | 'not here' | 'missing' | 'unknown';

/** One image on one host. */
export interface ImagePlace {
  /** Absent: no image in git, only a volume that an operator brought once. */
  readonly image?: string;
  /** Where it comes from: `volume`, a path, a URL, `VM centos7 on t01`. */
  readonly source: string;
  readonly host: string;
  readonly presence: Presence;
  readonly pool?: string;
  readonly volume?: string;
  readonly bytes?: number;
  /** VMs, or volumes of no VM, whose disks are overlays of it. */
  readonly usedBy: readonly string[];
}

const CONTENT_NAME = /^base-[0-9a-f]{16}\.(qcow2|img)$/;

/** Every image of git on every host, then what operators brought and git does not name any more. */
export function listImages(desired: DesiredState, observed: ObservedState, volumes: Volumes): ImagePlace[] {
  const hosts = [...observed.hosts.values()];
  const inGit: ImagePlace[] = hosts.flatMap((host) =>
    (desired.hosts.get(host.name)?.images ?? []).map((image) => placeOf(image, host, { observed, volumes })),
  );
  const left: ImagePlace[] = hosts.flatMap(({ name }) =>
    (volumes.get(name) ?? [])
      .filter((volume) => CONTENT_NAME.test(volume.name) && !isNamed(desired, name, volume))
      .map((volume) => ({
        source: 'not in git',
        host: name,
        ...found(volume, 'checked'),
        usedBy: usersOf(volume, name, { observed, volumes }),
      })),
  );
  return [...inGit, ...left].toSorted(
    (a, b) => compare(a.image ?? '~', b.image ?? '~') || compare(a.host, b.host),
  );
}

/** Why most volumes are kept. */
export const KEPT = { named: 'git names it', foreign: 'no operator brought it' } as const;

/** Why a volume may not be deleted; undefined: no image in git is it, and nothing anywhere is made of it. */
export function pruneProblem(
  volume: HostVolume,
  host: string,
  { desired, observed, volumes }: Known & { readonly desired: readonly DesiredState[] },
): string | undefined {
  if (!CONTENT_NAME.test(volume.name)) return KEPT.foreign;
  if (desired.some((state) => isNamed(state, host, volume))) return KEPT.named;
  const unknown = [...observed.hosts.values()].find(({ kind }) => kind === 'unknown');
  if (unknown !== undefined)
    return `host ${unknown.name} does not answer: it may see the same file, and have VMs that are made of it`;
  const users = usersOf(volume, host, { observed, volumes });
  return users.length === 0 ? undefined : `${users.join(', ')} would be broken`;
}

interface Known {
  readonly observed: ObservedState;
  readonly volumes: Volumes;
}

function placeOf(image: Image, host: ObservedHost, known: Known): ImagePlace {
  const base = { image: image.name, source: sourceOf(image), host: host.name };
  if (host.kind === 'unknown') return { ...base, presence: 'unknown', usedBy: [] };
  if (image.volume === '') return { ...base, presence: 'not here', pool: image.pool, usedBy: [] };
  const volume = known.volumes
    .get(host.name)
    ?.find(({ pool, name }) => pool === image.pool && name === image.volume);
  if (volume === undefined) {
    const presence = isBrought(image) ? 'not here' : 'missing';
    return { ...base, presence, pool: image.pool, volume: image.volume, usedBy: [] };
  }
  const usedBy = usersOf(volume, host.name, known);
  return { ...base, ...found(volume, image.content === undefined ? 'there' : 'checked'), usedBy };
}

function found({ pool, name, bytes, checked }: HostVolume, sound: 'there' | 'checked') {
  const presence = sound === 'checked' && !checked ? ('not checked' as const) : sound;
  return { pool, volume: name, bytes, presence };
}

function sourceOf({ content, sourceVm }: Image): string {
  if (sourceVm !== undefined) return `VM ${sourceVm.name} on ${sourceVm.host}`;
  return content?.file ?? content?.url ?? 'volume';
}

function isNamed(desired: DesiredState, host: string, { pool, name }: HostVolume): boolean {
  const images = desired.hosts.get(host)?.images ?? [];
  return images.some((image) => image.pool === pool && image.volume === name);
}

/** Who is made of it, on its host or on one that sees the same file. Sorted: libvirt lists volumes in no order. */
function usersOf(volume: HostVolume, host: string, { observed, volumes }: Known): string[] {
  const users = [...volumes].flatMap(([other, there]) => {
    const seesIt = there.some(({ path, version }) => path === volume.path && version === volume.version);
    if (other !== host && !seesIt) return [];
    const overlays = there.filter(({ backing }) => backing === volume.path);
    const seen = observed.hosts.get(other);
    const vms = seen?.kind === 'known' ? seen.vms : [];
    const direct = vms.filter((vm) => hasDisk(vm, volume.path)).map(({ name }) => name);
    return [
      ...direct,
      ...overlays.map(
        ({ path, pool, name }) => vms.find((vm) => hasDisk(vm, path))?.name ?? `${pool}/${name}`,
      ),
    ].map((user) => (other === host ? user : `${user} on ${other}`));
  });
  return users.toSorted(compare);
}

function hasDisk({ disks }: ObservedVm, path: string): boolean {
  return disks.some(({ file }) => file === path);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
