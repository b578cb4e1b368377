import type { Applied } from './applied.ts';
import type { ForcePolicy } from './desired.ts';
import type { Snapshot } from './snapshot.ts';

/** The namespace of our element in a domain's `<metadata>`. No mark, no mutation. */
export const MARK_NAMESPACE = 'urn:kvm-gitops:1';
/** The prefix that libvirt gives the element. */
export const MARK_PREFIX = 'kg';

/**
 *   building   claimed; its disks are not all there, and it has never been started by us
 *   ready      complete
 *   migrating  on its way to another host, shut off or live: never started again unless it is called back
 *   arriving   claimed on the host that it moves to; it has no disks yet, and cannot run
 *   tombstone  gone from git; or moved away; kept, shut off, until `removed.purgeAfter`
 */
export type MarkState = 'building' | 'ready' | 'migrating' | 'arriving' | 'tombstone';

/** Its creation was never finished; removed in between, it is so still. */
export function isIncomplete({ state, removed }: Mark): boolean {
  return state === 'building' || removed?.complete === false;
}

/** What we write on a domain that we own: all that an operator without memory needs to go on. */
export interface Mark {
  readonly cluster: string;
  /** Of the VM that it was written for: a clone carries a copy of the mark, and is not ours. */
  readonly uuid: string;
  readonly state: MarkState;
  /** The manifest that declares it. */
  readonly file: string;
  /** The commit whose apply last wrote this mark. */
  readonly commit: string;
  readonly protect: boolean;
  /** As git last had it: what a removal still has to know when git says nothing of the VM any more. */
  readonly force?: ForcePolicy;
  /** Likewise; absent: on nothing. */
  readonly dependsOn?: readonly string[];
  /** What was applied last, field by field; absent in older marks. */
  readonly applied?: Applied;
  /** In older marks: `specHash` of all of it. The next change puts `applied` in its place. */
  readonly spec?: string;
  /** The volumes that we made for it: what a purge deletes, and nothing else. */
  readonly volumes: readonly MarkedVolume[];
  /** What its seed says, as `seedFingerprint` has it; absent: it has none. */
  readonly seed?: string;
  /** The host name that we have set inside the guest. */
  readonly guestName?: string;
  /** Of its disks, oldest first; their overlays are ours to delete too. Absent: none. */
  readonly snapshots?: readonly Snapshot[];
  readonly removed?: Removal;
  /** Of one that is migrating: where it goes. */
  readonly to?: Passage;
  /** Of one that is arriving: where it comes from. Kept once it is ready. */
  readonly from?: Passage;
}

/** One way of a move from host to host. */
export interface Passage {
  /** The other host. */
  readonly host: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** The commit that moves it. */
  readonly commit: string;
  /** While it is arriving: what the source's files looked like when their copy was begun. */
  readonly stamp?: string;
  /** While it is migrating: it runs on until it runs there. */
  readonly live?: true;
}

/** A copy that was left behind by a move: it is out of date, and never started again. */
export function isLeftBehind({ removed }: Mark): boolean {
  return removed?.movedTo !== undefined;
}

export interface VolumeRef {
  readonly pool: string;
  readonly name: string;
}

export interface MarkedVolume extends VolumeRef {
  /** Which disk of the VM it is: `vda`, `vdb`, ... */
  readonly target: string;
  /** False: it is being made, and holds nothing yet. */
  readonly made: boolean;
  /** Present: git no longer names the disk; it is detached, and kept for a while with its data. */
  readonly retained?: Retention;
}

/** Whether both are that one disk of the VM. An adopted VM may have one volume twice. */
export function isSameDisk(a: MarkedVolume, b: MarkedVolume): boolean {
  return a.target === b.target && a.pool === b.pool && a.name === b.name;
}

/** How long a detached volume is kept. */
export interface Retention {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** ISO 8601, UTC: from then on a pass deletes it. */
  readonly purgeAfter: string;
  /** The commit that no longer names it. */
  readonly commit: string;
}

export interface Removal {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** ISO 8601, UTC: from then on a pass deletes it and its volumes. */
  readonly purgeAfter: string;
  /** The commit that no longer declares it. */
  readonly commit: string;
  /** False: it was still `building`; coming back, its creation goes on. */
  readonly complete: boolean;
  /** The host to which it has moved: this copy is out of date. */
  readonly movedTo?: string;
}
