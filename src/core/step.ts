import type { Settlement } from './applied.ts';
import type { Asked } from './asked.ts';
import type { DataDisk, ForcePolicy, Image, MigrationPolicy, NewVm } from './desired.ts';
import type { Mark, MarkedVolume, Passage, Removal, Retention, VolumeRef } from './mark.ts';
import type { Lease, NamesFiles } from './observed-names.ts';
import type { HostPool } from './pools.ts';
import type { DesiredSeed } from './seed.ts';
import type { Size } from './size.ts';
import type { SnapshotRequest } from './snapshot.ts';

interface StepBase {
  readonly host: string;
  /** Why, in a few words, for the plan and the note: `in git, not on the host`. */
  readonly reason: string;
  /**
   * Ids (`stepId`) of steps that must be done before this one is begun, on whatever host; one that is not in the plan
   * counts as done. What stands earlier in the plan for the same subject comes first anyway.
   */
  readonly after?: readonly string[];
}

/** A step that changes one VM. */
interface VmStepBase extends StepBase {
  readonly vm: string;
  readonly uuid: string;
  /** Whose mark the VM must carry on the host; without it nothing is done. */
  readonly cluster: string;
  /** It completes what git declares of the VM: once it is done, the mark says so. */
  readonly settles?: Settlement;
}

/** Claims the name, fills the disks, sets autostart, and leaves the VM `ready` and shut off. */
export interface CreateStep extends VmStepBase {
  readonly kind: 'create';
  readonly spec: NewVm;
  readonly macs: readonly string[];
  /** As it is to stand when the VM is complete. */
  readonly mark: Mark;
  /** An earlier try was cut short: what it left is ours, has never run, and is made again. */
  readonly resume: boolean;
}
/** Puts our mark on a VM that was there before; nothing else about it changes. */
export interface AdoptStep extends VmStepBase {
  readonly kind: 'adopt';
  readonly mark: Mark;
}
export interface StartStep extends VmStepBase {
  readonly kind: 'start';
  /** The host that the VM has just left: the copy there must be off. */
  readonly leftOn?: string;
}
/** A step that has to end the guest first. */
interface EndsGuest {
  /** Whether a guest that does not shut down in time has its plug pulled. Absent: the config says so. */
  readonly force?: ForcePolicy;
  /** What an earlier pass asked of it, before a newer commit cut it short. */
  readonly asked?: Asked;
}
/** Asks the guest to shut down and waits; `force`, or the config, says what follows when it does not. */
export interface StopStep extends VmStepBase, EndsGuest {
  readonly kind: 'stop';
}
/** A graceful power cycle, for what the running VM does not show yet. */
export interface RestartStep extends VmStepBase, EndsGuest {
  readonly kind: 'restart';
  /** The run that is to end, as `ObservedVm.run`: a VM that was started anew since is left alone. */
  readonly run: number;
}
export interface AutostartStep extends VmStepBase {
  readonly kind: 'autostart';
  readonly enabled: boolean;
}
/** Changes processors and memory: in the definition, and at once in the running VM as far as it takes them. */
export interface ResizeStep extends VmStepBase {
  readonly kind: 'resize';
  readonly to: Size;
}
/** Makes a disk larger, at once where the VM runs. */
export interface GrowStep extends VmStepBase {
  readonly kind: 'grow';
  readonly target: string;
  readonly bytes: number;
}
/** Makes a data disk, or takes the one that is kept for it, and puts it into the VM: at once too where it runs. */
export interface AttachStep extends VmStepBase {
  readonly kind: 'attach';
  readonly disk: DataDisk;
  readonly commit: string;
}
/** Takes a data disk out of the VM, at once too where the guest lets go of it; its volume is kept until its date. */
export interface DetachStep extends VmStepBase {
  readonly kind: 'detach';
  readonly volume: MarkedVolume;
  readonly retention: Retention;
  /** As it was seen. */
  readonly mark: Mark;
}
/** Deletes a volume that was kept after its disk was taken out. There is no way back. */
export interface ReclaimStep extends VmStepBase {
  readonly kind: 'reclaim';
  readonly volume: MarkedVolume;
  /** As it was seen. */
  readonly mark: Mark;
}
/** Gives a network card another bridge, at once too where the VM runs, or another MAC address, for its next start. */
export interface RewireStep extends VmStepBase {
  readonly kind: 'rewire';
  /** Which card: its MAC address now. */
  readonly mac: string;
  readonly to: { readonly mac?: string; readonly bridge?: string };
}
/** Writes what people read: title and description. */
export interface DescribeStep extends VmStepBase {
  readonly kind: 'describe';
  readonly texts: { readonly title?: string; readonly description?: string };
}
/** Writes the seed of a VM anew; cloud-init sees it at the next boot. */
export interface SeedStep extends VmStepBase {
  readonly kind: 'seed';
  readonly seed: DesiredSeed;
  /** Of the first network card. */
  readonly mac: string;
  readonly fingerprint: string;
}
/** Sets the host name inside the running guest. */
export interface HostnameStep extends VmStepBase {
  readonly kind: 'hostname';
  readonly via: 'ssh' | 'agent';
  readonly hostname: string;
  /** Where the guest answers. */
  readonly address: string;
}
/** Rewrites our mark; nothing that runs is touched. */
export interface MarkStep extends VmStepBase {
  readonly kind: 'mark';
  readonly mark: Mark;
}
/** Shuts down and keeps definition and disks under a tombstone. */
export interface RemoveStep extends VmStepBase, EndsGuest {
  readonly kind: 'remove';
  readonly mark: Mark;
  /** The host that it was on its way to. */
  readonly formerly?: string;
}
/** Takes the tombstone off and sets autostart again. */
export interface RestoreStep extends VmStepBase {
  readonly kind: 'restore';
  readonly autostart: boolean;
  readonly mark: Mark;
}
/** Deletes the definition and the volumes that the mark names. There is no way back. */
export interface PurgeStep extends VmStepBase {
  readonly kind: 'purge';
  readonly mark: Mark;
}

/** Freezes the files of its disks; the VM, running or not, goes on in overlays of them. */
export interface SnapshotStep extends VmStepBase {
  readonly kind: 'snapshot';
  readonly snapshot: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly by: 'git' | 'command';
}
/** Moves what was written since a snapshot into the files that it froze, and forgets it. */
export interface MergeStep extends VmStepBase {
  readonly kind: 'merge';
  readonly snapshot: string;
}
/** Shuts the VM down and throws away what was written since a snapshot. There is no way back. */
export interface RevertStep extends VmStepBase, EndsGuest {
  readonly kind: 'revert';
  readonly snapshot: string;
}
/** Writes down what a person asked for, for the operator to do. */
export interface RequestStep extends VmStepBase {
  readonly kind: 'request';
  readonly request: SnapshotRequest;
}

/** Shuts the VM down for good on this host, and says in its mark where it goes: the first step of a move. */
export interface DepartStep extends VmStepBase, EndsGuest {
  readonly kind: 'depart';
  readonly to: Passage;
  /** The host that it was on its way to before git had another one for it. */
  readonly formerly?: string;
  /** The same as those of the `receive` that follows: what stands in its way is found before the guest is stopped. */
  readonly volumes: readonly MovedVolume[];
  /** What it is made of, where the other host has to have that too. */
  readonly image?: Image;
}
/** Claims the VM on the host that it moves to, copies its volumes, and defines it there: from then on this is the VM. */
export interface ReceiveStep extends VmStepBase {
  readonly kind: 'receive';
  /** The host that it comes from, and since when. */
  readonly from: Passage;
  readonly volumes: readonly MovedVolume[];
  readonly image?: Image;
  readonly autostart: boolean;
  /** As it is to stand when the VM is there. */
  readonly mark: Mark;
  readonly limits: MigrationPolicy;
}
/**
 * Takes the VM over while it runs: claims it on the host that it moves to, has libvirt copy disks and memory there, and
 * sees it run on there: from then on this is the VM.
 */
export interface MigrateStep extends VmStepBase {
  readonly kind: 'migrate';
  /** The host that it runs on, and since when it is on its way. */
  readonly from: Passage;
  readonly volumes: readonly MovedVolume[];
  readonly image?: Image;
  readonly autostart: boolean;
  /** As it is to stand when the VM is there. */
  readonly mark: Mark;
  readonly limits: MigrationPolicy;
}
/** Makes a tombstone of the copy that was left behind by a move: last of all. */
export interface RetireStep extends VmStepBase {
  readonly kind: 'retire';
  /** The host that the VM is on by now. */
  readonly to: string;
  /** Only once it runs there. */
  readonly onceItRuns: boolean;
  readonly removed: Removal;
  /** Volumes that both hosts see: they are the VM's, there. */
  readonly shared: readonly VolumeRef[];
}
/** Takes back the claim of a move that is given up, with what was copied. */
export interface AbandonStep extends VmStepBase {
  readonly kind: 'abandon';
  /** The host that has the VM. */
  readonly from: string;
}
/** Has a VM that was on its way to another host stay where it is. */
export interface RecallStep extends VmStepBase {
  readonly kind: 'recall';
  /** The host that it was on its way to; undefined: it is no longer in operator.yaml. */
  readonly to: string | undefined;
  readonly autostart: boolean;
  readonly mark: Mark;
}

/** A volume that moves along. */
export interface MovedVolume {
  readonly from: VolumeRef;
  readonly to: Omit<MarkedVolume, 'made'>;
  /** Bytes that a guest sees of it. */
  readonly bytes: number;
  /** Both hosts see the same file: nothing is copied. */
  readonly isShared: boolean;
}

export type VmStep =
  | CreateStep
  | AdoptStep
  | StartStep
  | StopStep
  | RestartStep
  | AutostartStep
  | ResizeStep
  | GrowStep
  | AttachStep
  | DetachStep
  | ReclaimStep
  | RewireStep
  | DescribeStep
  | SeedStep
  | HostnameStep
  | MarkStep
  | RemoveStep
  | RestoreStep
  | PurgeStep
  | SnapshotStep
  | MergeStep
  | RevertStep
  | RequestStep
  | DepartStep
  | ReceiveStep
  | MigrateStep
  | RetireStep
  | AbandonStep
  | RecallStep;

/** Makes a storage pool, or starts it, or has it started with the host: whatever of that is missing. */
export interface PoolStep extends StepBase {
  readonly kind: 'pool';
  readonly pool: HostPool;
}

/** Brings a base image to the host and checks it there. */
export interface ImageStep extends StepBase {
  readonly kind: 'image';
  readonly image: Image;
}

/** A step about something of a host that is no VM. */
export type HostStep = PoolStep | ImageStep;

/** Writes what dnsmasq is told of the VMs, both files whole, and has it read them. */
export interface PublishStep extends StepBase {
  readonly kind: 'publish';
  readonly cluster: string;
  readonly files: NamesFiles<string>;
}
/** Ends a lease that a VM of ours no longer uses. */
export interface ReleaseStep extends StepBase {
  readonly kind: 'release';
  readonly lease: Lease;
}

/** A step that dnsmasq carries out, and no KVM host. */
export type NamesStep = PublishStep | ReleaseStep;

export type Step = VmStep | HostStep | NamesStep;

/** Whether dnsmasq carries it out. */
export function isNamesStep(step: Step): step is NamesStep {
  return step.kind === 'publish' || step.kind === 'release';
}

export type StepKind = Step['kind'];

/** What a step is about, for people: a VM by its name. No two subjects of a host are called alike. */
export function subjectOf(step: Step): string {
  if ('vm' in step) return step.vm;
  if (step.kind === 'pool') return `pool ${step.pool.name}`;
  if (step.kind === 'image') return `image ${step.image.name}`;
  return step.kind === 'publish' ? 'names' : `lease ${step.lease.address}`;
}

/** The steps of one lane are in order: those of one subject on one host. `t01/web` */
export function laneOf(step: Step): string {
  return `${step.host}/${subjectOf(step)}`;
}

/** Names a step in its plan, for `after`: `start t01/web`. */
export function stepId(step: Step): string {
  return `${step.kind} ${laneOf(step)}`;
}

/** Whether it shuts a guest down, and waits for that. */
export function endsGuest(step: Step): step is StopStep | RestartStep | RemoveStep | RevertStep | DepartStep {
  return endsRun(step) || step.kind === 'revert';
}

/** Whether what runs is over with such a step. */
export function endsRun({ kind }: { readonly kind: StepKind }): boolean {
  return kind === 'restart' || kind === 'stop' || kind === 'remove' || kind === 'depart';
}

/** A change that is not made now, and why. */
export interface Held {
  readonly host: string;
  /** What it is about, as `subjectOf` a step. */
  readonly subject: string;
  /**
   *   guard     waits for `kvm-gitops confirm HASH`
   *   unknown   its host, or one where it may be, does not answer
   *   conflict  something on a host stands in the way
   *   capacity  the host has no room now
   *   restarts  it keeps stopping; the next start waits
   *   dependency  what it depends on does not run
   *   retry     the last try failed; the next one waits
   *   suspended  a person has it left alone for a while
   *   frozen    a freeze window of cluster.yaml is open
   *   drift     somebody changed it on the host, and `drift: report` leaves that to people
   *   change    this version cannot make the change on an existing VM
   */
  readonly because:
    | 'guard'
    | 'unknown'
    | 'conflict'
    | 'capacity'
    | 'restarts'
    | 'dependency'
    | 'retry'
    | 'suspended'
    | 'frozen'
    | 'drift'
    | 'change';
  /** What would have been done. */
  readonly kind: StepKind | 'move' | 'update';
  readonly reason: string;
}

/** Steps of one subject are in order; other orders are in `after`. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly held: readonly Held[];
  /** Names what the guards hold back, for `confirm`; absent when they hold nothing. */
  readonly confirmation?: string;
}

/** What follows for one VM. */
export interface Verdict {
  readonly steps: readonly Step[];
  readonly held: readonly Held[];
}

/** The same step, not made now. */
export function holdBack(step: Step, because: Held['because'], reason: string): Held {
  return { host: step.host, subject: subjectOf(step), because, kind: step.kind, reason };
}
