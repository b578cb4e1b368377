import type { OwnedVm } from '../core/fleet.ts';
import { type KnownHost, volumeKey } from '../core/observed.ts';
import { type Snapshot, type SnapshotState, snapshotsOf } from '../core/snapshot.ts';
import { formatTable } from './table.ts';

const MIB = 1024 ** 2;

const CONSISTENCY = { quiesced: 'file systems at rest', crash: 'as after a power cut' } as const;

/** A snapshot as `snapshot VM list` shows it. */
export interface SnapshotRow {
  readonly name: string;
  /** Absent for one that a person made with virsh. */
  readonly at?: string;
  readonly by: 'git' | 'command' | 'hand';
  readonly state?: SnapshotState;
  /** Of one that was taken while the VM ran. */
  readonly consistency?: NonNullable<Snapshot['consistency']>;
  readonly disks: readonly string[];
  /** Bytes written since, until the next one. */
  readonly bytes?: number;
}

/** The snapshots of a VM, oldest first, then those that libvirt knows of and we do not. */
export function snapshotRows({ vm, mark }: OwnedVm, host: KnownHost | undefined): readonly SnapshotRow[] {
  const bytesOf = (pool: string, name: string) =>
    host?.volumes.get(volumeKey({ pool, name }))?.allocation ?? 0;
  const ours = snapshotsOf(mark).map(
    ({ name, at, by, state, consistency, disks }): SnapshotRow => ({
      name,
      at,
      by,
      state,
      ...(consistency !== undefined && { consistency }),
      disks: disks.map(({ target }) => target),
      bytes: disks.reduce((sum, { pool, overlay }) => sum + bytesOf(pool, overlay), 0),
    }),
  );
  const foreign = (vm.foreignSnapshots ?? []).map((name): SnapshotRow => ({ name, by: 'hand', disks: [] }));
  return [...ours, ...foreign];
}

/** The same for people. */
export function snapshotLines({ vm, mark, host }: OwnedVm, rows: readonly SnapshotRow[]): readonly string[] {
  if (rows.length === 0) return [`${vm.name} on ${host} has no snapshots`];
  const depth = snapshotsOf(mark).length + 1;
  return [
    `${vm.name} on ${host}: ${depth} files deep`,
    formatTable(
      rows.map(({ name, at, by, state, consistency, disks, bytes }) => [
        `  ${name}`,
        at === undefined ? '' : `${at.slice(0, 19).replace('T', ' ')}Z`,
        by === 'hand' ? 'made by hand' : `by ${by}`,
        state ?? 'left alone',
        disks.join(' '),
        bytes === undefined ? '' : `${(bytes / MIB).toFixed(1)} MiB since`,
        consistency === undefined ? '' : CONSISTENCY[consistency],
      ]),
    ),
  ];
}
