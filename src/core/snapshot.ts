import type { Mark, VolumeRef } from './mark.ts';

/** The namespace of what a person asked for by command, in a domain's `<metadata>`: apart from the mark, which only the operator writes. */
export const REQUEST_NAMESPACE = 'urn:kvm-gitops:request:1';
/** The prefix that libvirt gives the element. */
export const REQUEST_PREFIX = 'kgr';

/**
 *   taking     claimed; the VM may or may not write to its new files yet
 *   ready      taken
 *   merging    what was written since goes into the files that it froze; then it is gone
 *   reverting  what was written since is thrown away, with every newer snapshot
 */
export type SnapshotState = 'taking' | 'ready' | 'merging' | 'reverting';

/** A snapshot of a VM's disks, oldest first in the mark. It freezes the files that were written to; its own are laid over them. */
export interface Snapshot {
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Who asked for it: what git no longer declares is merged, what a command made is left alone. */
  readonly by: 'git' | 'command';
  readonly state: SnapshotState;
  /**
   * How the guest was when it was taken, where it ran: `quiesced` with its file systems at rest, `crash` as a power cut would
   * leave it. Absent: it was off, or that is not known.
   */
  readonly consistency?: 'quiesced' | 'crash';
  /** While merging: we started the VM for it, paused, and end it after. */
  readonly paused?: boolean;
  readonly disks: readonly SnapshotDisk[];
}

export interface SnapshotDisk {
  /** `vda`, `vdb`, ... */
  readonly target: string;
  readonly pool: string;
  /** The volume that is written to since, until a newer snapshot freezes it. */
  readonly overlay: string;
  /** While reverting: the volume that takes the overlay's place. */
  readonly fresh?: string;
}

/** What a person asked for by command, until the operator has done it. */
export interface SnapshotRequest {
  /** Of the VM that it was written for: a clone carries a copy. */
  readonly uuid: string;
  readonly action: SnapshotAction;
  readonly snapshot: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

export type SnapshotAction = 'create' | 'delete' | 'revert';

/** The snapshots of a VM, oldest first. */
export function snapshotsOf({ snapshots = [] }: Mark): readonly Snapshot[] {
  return snapshots;
}

/** One that was begun and is not finished; there is never more than one. */
export function unfinishedSnapshot(mark: Mark): Snapshot | undefined {
  return snapshotsOf(mark).find(({ state }) => state !== 'ready');
}

/** All volumes that are ours to delete, in an order in which none is deleted before what is laid over it. */
export function volumesFromTheTop(mark: Mark): readonly VolumeRef[] {
  const overlays = snapshotsOf(mark)
    .toReversed()
    .flatMap(({ disks }) => disks.flatMap(overlaysOf));
  return [...overlays, ...mark.volumes];
}

/** The volumes that a snapshot made for a disk. */
export function overlaysOf({ pool, overlay, fresh }: SnapshotDisk): readonly VolumeRef[] {
  return [overlay, ...(fresh === undefined ? [] : [fresh])].map((name) => ({ pool, name }));
}

/** The volume of a disk that a snapshot freezes; before the first one, the disk's own. `name` undefined: what is written to now. */
export function frozenBy(mark: Mark, name: string | undefined, target: string): VolumeRef | undefined {
  const all = snapshotsOf(mark);
  const end = name === undefined ? all.length : all.findIndex((snapshot) => snapshot.name === name);
  const below = all
    .slice(0, end)
    .flatMap(({ disks }) => disks)
    .findLast((disk) => disk.target === target);
  if (below !== undefined) return { pool: below.pool, name: below.overlay };
  const own = mark.volumes.find((volume) => volume.target === target && volume.retained === undefined);
  return own && { pool: own.pool, name: own.name };
}

/** What has to be done first of a VM with snapshots, before its disks change or move; undefined where it has none. */
export function mergeFirst(mark: Mark): string | undefined {
  const names = snapshotsOf(mark).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return `merge its snapshots first (${names.join(', ')}): \`kvm-gitops snapshot VM delete NAME\`, or take them out of git`;
}

/** What is to be done to have a snapshot go that git declares. */
export function takeOutOfGit(name: string): string {
  return `take ${name} out of its snapshots in git, and it is merged`;
}

/** The mark that is to be, with what the host's has of volumes and snapshots: steps of the VM may have changed them since the plan. */
export function withDisksOf(wanted: Mark, { volumes, snapshots }: Mark): Mark {
  const { snapshots: _, ...rest } = wanted;
  return { ...rest, volumes, ...(snapshots !== undefined && { snapshots }) };
}

/** The mark with other snapshots. */
export function withSnapshots(mark: Mark, snapshots: readonly Snapshot[]): Mark {
  const { snapshots: _, ...rest } = mark;
  return snapshots.length === 0 ? rest : { ...rest, snapshots };
}

/** The mark with one snapshot in another's place, or at the end. */
export function withSnapshot(mark: Mark, snapshot: Snapshot): Mark {
  const all = snapshotsOf(mark);
  const isThere = all.some(({ name }) => name === snapshot.name);
  return withSnapshots(
    mark,
    isThere ? all.map((other) => (other.name === snapshot.name ? snapshot : other)) : [...all, snapshot],
  );
}
