import type { DesiredState, Image } from './core/desired.ts';
import type { VolumeRef } from './core/mark.ts';
import type { ObservedState } from './core/observed.ts';
import type { ObservedNames } from './core/observed-names.ts';
import type { Report, Revision } from './core/report.ts';
import type { SourceFile } from './core/source-file.ts';
import type { NamesStep, Step } from './core/step.ts';
import type { Order, Suspension } from './core/suspension.ts';

export type { SourceFile };

/** One commit with all that is in it for us. */
export interface Snapshot {
  readonly revision: Revision;
  readonly files: readonly SourceFile[];
  /** What was not read and why: links, submodules. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** The manifests repository. */
export interface Source {
  /** Brings the branch up to date and reads its newest commit. */
  fetch(signal: AbortSignal): Promise<Snapshot>;
  /** Reads the commit that was last accepted; undefined when there is none, or it is no longer to be had. */
  accepted(): Promise<Snapshot | undefined>;
  /** Remembers a commit as the one in force. */
  accept(sha: string): Promise<void>;
  /** First-parent commits after `from` up to, not including, `to`, oldest first. */
  between(from: string, to: string): Promise<readonly Revision[]>;
  /** Those of `commits` that are not in the history of `sha`, where it is itself; what is not to be had is not. */
  notIn(sha: string, commits: readonly string[]): Promise<readonly string[]>;
  /** Why a commit, or one since `from`, is not signed as operator.yaml demands, or cannot be checked; undefined: all is well. */
  distrust(sha: string, from?: string, signal?: AbortSignal): Promise<string | undefined>;
}

/** A base image's volume. */
export interface WantedVolume extends VolumeRef {
  /** The operator brings it: whether it was checked is of interest too. */
  readonly isBrought?: boolean;
}

/** What a pass wants to know of the hosts beyond their VMs and pools. */
export interface Question {
  /** Hosts that are Unknown by decree and are not asked. */
  readonly offline: ReadonlySet<string>;
  /** Volumes to look for on every host: the base images. */
  readonly volumes: readonly WantedVolume[];
  /** Images that may have to be brought, whose size is of interest. */
  readonly images?: readonly Image[];
}

/** Told what a step is doing, in a few words; a remark is what a person should know of its result. */
export type Tell = (message: string, kind?: 'remark') => void;

/** The KVM hosts. */
export interface Hosts {
  /** Asks every host, in parallel. Never throws for one host: it becomes Unknown. */
  observe(question: Question, signal: AbortSignal): Promise<ObservedState>;
  /**
   * Makes one change and checks that it is there. Safe to repeat. Once begun it is finished, but for a wait for a guest and
   * a copy from host to host: those end with `WaitCutShort` once `superseded` is aborted.
   */
  apply(step: Step, tell: Tell, superseded?: AbortSignal): Promise<void>;
}

/** DHCP reservations and DNS names. */
export interface Names {
  /** Reads all that dnsmasq reads. Never throws for dnsmasq: it becomes Unknown. */
  observe(signal: AbortSignal): Promise<ObservedNames>;
  /** Makes one change and checks that dnsmasq shows it. Safe to repeat. */
  apply(step: NamesStep): Promise<void>;
}

/** What was done, in order, for ever: the truth behind the notes. */
export interface Journal {
  append(report: Report): Promise<void>;
  /** Reports of one commit, oldest first. */
  of(sha: string): Promise<readonly Report[]>;
  /** The newest report of one commit. */
  latestOf(sha: string): Promise<Report | undefined>;
  last(): Promise<Report | undefined>;
  /** The newest report of a commit that hosts were held to. */
  lastApplied(): Promise<Report | undefined>;
}

/** Where people read the result: git notes. Never fails a pass. */
export interface Notes {
  /** The note of `sha` is to say `text`; written soon, retried until it is there. */
  put(sha: string, text: string): void;
}

/** The operator's own copies of image files. */
export interface ImageStore {
  /** Deletes those that no image of git is. Called while no step is under way; never fails a pass. */
  keepNamed(desired: DesiredState): Promise<void>;
}

/** What people have confirmed. */
export interface Confirmations {
  has(hash: string): Promise<boolean>;
  /** Forgets all but these: what nothing waits for any more must not let a later removal pass. */
  keepOnly(hashes: readonly string[]): Promise<void>;
}

/** What people told the operator beside git. */
export interface Control {
  /** What is to be left alone now, read anew at each call. */
  suspensions(): Promise<readonly Suspension[]>;
  /** By id: what no report tells of yet, oldest first. Suspensions that are over become part of it. */
  orders(): Promise<ReadonlyMap<string, Order>>;
  /** A report tells of these. */
  told(ids: Iterable<string>): Promise<void>;
}

export interface Clock {
  now(): Date;
}
