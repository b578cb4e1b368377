import type { Mark, VolumeRef } from './mark.ts';
import type { ObservedNames } from './observed-names.ts';
import type { LiveSize } from './size.ts';
import type { SnapshotRequest } from './snapshot.ts';

/** What the hosts showed when they were last asked. */
export interface ObservedState {
  readonly hosts: ReadonlyMap<string, ObservedHost>;
  /** Absent: operator.yaml names no dnsmasq. */
  readonly names?: ObservedNames;
}

/** Unknown is not absent: nothing follows for the VMs of a host that did not answer. */
export type ObservedHost = KnownHost | UnknownHost;

export interface UnknownHost {
  readonly kind: 'unknown';
  readonly name: string;
  readonly reason: string;
  /** cluster.yaml says so: it was not asked, and that is as it should be. */
  readonly isOffline?: true;
  /** The VMs that were ours there when it last answered; undefined: it never did, as far as we remember. */
  readonly lastSeen?: readonly string[];
}

export interface KnownHost {
  readonly kind: 'known';
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** How guests run there: hardware virtualisation, or emulation. */
  readonly virtType: 'kvm' | 'qemu';
  /** As libvirt names it: `x86_64`, `aarch64`. */
  readonly arch: string;
  /** Machine types that its emulator has; absent: not known. */
  readonly machines?: ReadonlySet<string>;
  readonly pools: ReadonlyMap<string, ObservedPool>;
  /** The volumes that were asked for, and those of our marks that are no VM's disk now, where they are there; by `volumeKey`. */
  readonly volumes: ReadonlyMap<string, ObservedVolume>;
  readonly vms: readonly ObservedVm[];
  /** How large the images are that could be brought there, by `imageKey`; one that is absent has yet to be fetched. */
  readonly images?: ReadonlyMap<string, ImageSize>;
}

/** Bytes. */
export interface ImageSize {
  /** Of its file. */
  readonly bytes: number;
  /** What a guest sees. */
  readonly capacity: number;
}

export interface ObservedPool {
  readonly name: string;
  readonly active: boolean;
  /** Bytes; 0 when inactive. */
  readonly capacity: number;
  readonly available: number;
  /** Folder of a pool of files; absent for other types. */
  readonly path?: string;
  /** As libvirt names it: `dir`, `netfs`, `logical`. */
  readonly type: string;
  /** Started when the host boots. */
  readonly autostart: boolean;
  /** What is mounted; absent where nothing is. */
  readonly source?: NetworkFolder;
}

/** A folder of a file server. */
export interface NetworkFolder {
  readonly host: string;
  readonly path: string;
}

export interface ObservedVolume {
  /** Bytes that a guest sees. */
  readonly capacity: number;
  /** Bytes that it takes up. */
  readonly allocation: number;
  /** Its content was read and is what its name says, and it has not been written to since. */
  readonly verified?: boolean;
}

/** The key of a volume in `KnownHost.volumes`. */
export function volumeKey({ pool, name }: VolumeRef): string {
  return `${pool}/${name}`;
}

export type PowerState = 'running' | 'paused' | 'shutoff' | 'other';

export interface ObservedVm {
  readonly name: string;
  readonly uuid: string;
  readonly power: PowerState;
  /** False: it has no definition on disk and is gone when it stops. */
  /** Which run this is: another number after each start. Absent: it is off. */
  readonly run?: number;
  /** Its memory was saved when it stopped: its next start goes on where it was, with the size that it had. */
  readonly managedSave: boolean;
  readonly persistent: boolean;
  readonly autostart: boolean;
  /** From the definition, which counts from the next start on. */
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  /** As it runs now, which may differ from the definition; absent while it does not run. */
  readonly live?: LiveSize;
  readonly title?: string;
  readonly description?: string;
  readonly macs: readonly string[];
  readonly nics: readonly ObservedNic[];
  readonly disks: readonly ObservedDisk[];
  /** What it has while it runs; absent while it does not, or is not ours. */
  readonly liveDevices?: LiveDevices;
  /** `kvm`, or `qemu`: emulated. */
  readonly type?: string;
  /** As libvirt names it: `pc-q35-7.2`. */
  readonly machine?: string;
  readonly arch?: string;
  /** What keeps it on its host, each in words; absent: nothing. */
  readonly ties?: readonly string[];
  /** Present: ours, or that of another cluster's operator; see `mark.cluster`. */
  readonly mark?: Mark;
  /** Set when there is an element of ours that cannot be read: never touched. */
  readonly markError?: string;
  /** That element is a copy of another VM's, as `virt-clone` makes it: this VM is nobody's. */
  readonly hasCopiedMark?: true;
  /** What a person asked for of its snapshots, and is not done yet. */
  readonly request?: SnapshotRequest;
  /** Names of libvirt snapshots, which people made: never touched. */
  readonly foreignSnapshots?: readonly string[];
}

/** A network card. */
export interface ObservedNic {
  /** Lower case. */
  readonly mac: string;
  /** Absent: it is plugged into something other than a bridge, such as a libvirt network. */
  readonly bridge?: string;
}

export interface LiveDevices {
  readonly disks: readonly Pick<ObservedDisk, 'target' | 'file'>[];
  readonly nics: readonly ObservedNic[];
}

export interface ObservedDisk {
  readonly target: string;
  readonly file?: string;
  /** Read-only, or shareable: others may have it too. */
  readonly isShared?: true;
  /** Bytes, where libvirt could tell. */
  readonly capacity?: number;
  /** Bytes that the file takes up now. */
  readonly physical?: number;
}
