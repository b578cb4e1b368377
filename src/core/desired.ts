import type { Freeze } from './freeze.ts';
import type { HostPool } from './pools.ts';
import type { DesiredSeed } from './seed.ts';

/** What a revision of the manifests repository asks for, checked and with every default filled in. */
export interface DesiredState {
  /** The cluster's name: it marks our VMs on the hosts. */
  readonly cluster: string;
  /** By name. */
  readonly vms: ReadonlyMap<string, DesiredVm>;
  /** Every host that the operator's config knows, or that cluster.yaml lists where there is no config. */
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly policy: Policy;
}

export interface Policy {
  /** More removals than this in one plan wait for a confirmation. */
  readonly maxRemovals: number;
  /** What follows where the VMs of a host would not fit on the others. */
  readonly nPlusOne: 'ignore' | 'warn' | 'error';
  /** Days for which a removed VM and its disks are kept. */
  readonly tombstoneDays: number;
  /** How disks are copied from host to host. */
  readonly migration: MigrationPolicy;
  /** When changes wait; absent: never. */
  readonly freezes?: readonly Freeze[];
}

export interface MigrationPolicy {
  /** Copies from or to one host at once. */
  readonly maxPerHost: number;
  /** MiB per second of each copy; absent: as fast as it goes. */
  readonly bandwidthMiBs?: number;
}

/** What cluster.yaml says of one host. */
export interface HostPolicy {
  readonly name: string;
  /**
   * `drained`: what is there stays, and nothing new is made there; `offline`: its VMs are Unknown by decree, and nothing is
   * asked of it.
   */
  readonly state: 'active' | 'drained' | 'offline';
  /** Where disks are made on it, unless a VM says otherwise. */
  readonly pool: string;
  /** Kept free for the host itself. */
  readonly reserve: { readonly vcpus: number; readonly memoryMiB: number; readonly diskGiB: number };
  /** How much may be promised for each unit that there is. */
  readonly ratio: { readonly vcpu: number; readonly memory: number; readonly disk: number };
  /** The pools that it is to have; it may have others, which are used and left as they are. */
  readonly pools: readonly HostPool[];
  /** Every image of cluster.yaml, as this host has it. */
  readonly images: readonly Image[];
}

/**
 * How a VM that runs gets to another host.
 *   offline           it is shut down, and started there
 *   live              it goes on running; held where that cannot be
 *   live-if-possible  live where it can, else offline
 */
export type MigrationMode = 'offline' | 'live' | 'live-if-possible';

/** Whether the plug of a guest is pulled that does not shut down in time. */
export type ForcePolicy = 'never' | 'allowed';

/** One VM as a manifest asks for it. */
export interface DesiredVm {
  readonly name: string;
  readonly host: string;
  /** UUID v5 of (cluster, name); of a VM that was there before, its own, as git gives it. */
  readonly uuid: string;
  readonly hostname: string;
  readonly ipaddress: string;
  /** Where the manifest gives a host name; what the name gives is no title. */
  readonly title?: string;
  readonly description?: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  /** Made of an image when the VM is created. Absent: it was there before, and all its disks are `dataDisks`. */
  readonly bootDisk?: BootDisk;
  readonly dataDisks: readonly DataDisk[];
  readonly nics: readonly Nic[];
  /** `manual`: a person starts and stops it; the operator only creates and removes it. */
  readonly power: 'on' | 'off' | 'manual';
  /** Started by the host when the host boots. */
  readonly autostart: boolean;
  /** Groups of which no two VMs may be on one host. */
  readonly antiAffinity: readonly string[];
  /** Whether it is power-cycled for a change that it only shows from its next start on. */
  readonly restart: 'never' | 'allowed';
  /** Absent: as operator.yaml says. */
  readonly force?: ForcePolicy;
  /** VMs that are started before it, and stopped after it. */
  readonly dependsOn: readonly string[];
  readonly hostnameVia: HostnameVia;
  /** What cloud-init in the guest is told; absent: there is none. */
  readonly seed?: DesiredSeed;
  /** Names of snapshots that there are to be; absent: none. */
  readonly snapshots?: readonly string[];
  /** Its removal always waits for a confirmation. */
  readonly protect: boolean;
  /** What is done where the host changes it: put back as it is in git, or only reported. */
  readonly drift: DriftPolicy;
  readonly migration: MigrationMode;
  /** Where it stands in the repository. */
  readonly source: { readonly file: string; readonly line: number };
}

export type DriftPolicy = 'heal' | 'report';

/** A VM that can be made from nothing. */
export type NewVm = DesiredVm & { readonly bootDisk: BootDisk };

/** Not one that was there before: nobody could make its disks again. */
export function canBeMade(vm: DesiredVm): vm is NewVm {
  return vm.bootDisk !== undefined;
}

/** All its disks that git declares, the one that it boots from first. */
export function disksOf({ bootDisk, dataDisks }: DesiredVm): readonly (BootDisk | DataDisk)[] {
  return bootDisk === undefined ? dataDisks : [bootDisk, ...dataDisks];
}

/**
 * How a guest learns its host name.
 *   cloud-init  from its seed, at every boot
 *   dhcp        from the answer of the DHCP server
 *   ssh         the operator logs in and sets it, once
 *   none        it is nobody's business
 */
export type HostnameVia = 'cloud-init' | 'dhcp' | 'ssh' | 'agent' | 'none';

export interface BootDisk {
  /** `vda` */
  readonly target: string;
  readonly pool: string;
  /** `NAME-vda.qcow2` */
  readonly volume: string;
  readonly image: Image;
  /** `overlay`: a thin qcow2 file over the image; `full`: a copy that does not need the image any more. */
  readonly clone: 'overlay' | 'full';
  /** Size of the disk; absent: as large as the image. */
  readonly sizeGiB?: number;
  /** The size is that of cluster.yaml's defaults: a disk that is larger is no mistake of this VM's. */
  readonly sizeIsDefault?: boolean;
  /** The manifest itself names the pool. */
  readonly poolIsDeclared?: boolean;
}

/** A base image: a volume that stands in a pool of the host, or is brought there. */
export interface Image {
  readonly name: string;
  readonly pool: string;
  readonly volume: string;
  /** Present: the operator brings it. */
  readonly content?: ImageContent;
  /** Present: it is the first disk of a VM, as that was when it was first read; until then `volume` is empty. */
  readonly sourceVm?: SourceVm;
  /** Guests made of it have cloud-init. */
  readonly cloudInit?: boolean;
}

export interface SourceVm {
  readonly name: string;
  /** Where it is defined. */
  readonly host: string;
}

/** Where the content of an image comes from, if not from a VM, and what it has to be. */
export interface ImageContent {
  /** A path on the operator's machine. */
  readonly file?: string;
  readonly url?: string;
  /** Of the whole file, lower case. */
  readonly sha256: string;
  readonly format: 'qcow2' | 'raw';
}

export interface DataDisk {
  /** `vdb`, `vdc`, ... */
  readonly target: string;
  readonly pool: string;
  /** `NAME-vdb.qcow2` */
  readonly volume: string;
  /** A fraction comes to whole MiB. */
  readonly sizeGiB: number;
  /** The manifest itself names the pool. */
  readonly poolIsDeclared?: boolean;
}

export interface Nic {
  readonly bridge: string;
  /** Who says so: the manifest, or cluster.yaml; absent: nobody, and then an existing VM keeps what it has. */
  readonly bridgeFrom?: 'vm' | 'cluster';
  /** Absent: derived from (cluster, name, index) when the VM is created, and kept. */
  readonly mac?: string;
}
