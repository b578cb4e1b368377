import type { Issue } from './issue.ts';
import type { PendingRestart } from './size.ts';
import type { Held, StepKind } from './step.ts';
import type { Order, Suspension } from './suspension.ts';

/** One commit of the manifests repository. */
export interface Revision {
  readonly sha: string;
  readonly subject: string;
  readonly author: string;
  /** ISO 8601. */
  readonly date: string;
}

export type StepOutcome = 'done' | 'failed' | 'skipped';

export interface StepResult {
  readonly host: string;
  /** What it was about, as `subjectOf` the step: a VM's name. */
  readonly subject: string;
  readonly kind: StepKind;
  readonly reason: string;
  /** `skipped`: not begun, because a step before it failed or a newer commit came; or that one cut its wait for a guest short. */
  readonly outcome: StepOutcome;
  /** Of a skipped step: the id of the one that was not done. */
  readonly waitsFor?: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** Of a step that was done: what a person should know of its result. */
  readonly remark?: string;
  readonly durationMs: number;
}

/**
 *   applied     the hosts are as the commit wants them (also when nothing had to be done)
 *   partial     some of it failed or is held; what could be done is done
 *   refused     a manifest is wrong or a host has no room; nothing was touched
 *   superseded  a newer commit came before this one was done
 *   failed      the pass itself broke
 */
export type Status = 'applied' | 'partial' | 'refused' | 'superseded' | 'failed';

/** What one pass found and did for one commit: a line of the journal, the matter of the note. */
export interface Report {
  readonly v: 1;
  readonly revision: Revision;
  readonly status: Status;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** `commit`, `poll`, `webhook`, `host event`, ... */
  readonly trigger: string;
  readonly steps: readonly StepResult[];
  readonly held: readonly Held[];
  readonly issues: readonly Issue[];
  readonly unknownHosts: readonly {
    readonly host: string;
    readonly reason: string;
    /** cluster.yaml says so. */
    readonly isOffline?: true;
  }[];
  /** Why dnsmasq could not be read: its files were left as they are. */
  readonly unknownNames?: string;
  /** VMs that show a change only from their next start on. */
  readonly pendingRestart?: readonly PendingRestart[];
  /** What a person should know, and that stopped nothing. */
  readonly warnings?: readonly string[];
  /** What is left alone, as people had it; absent: nothing. */
  readonly suspensions?: readonly Suspension[];
  /** The freeze windows that are open, in words; absent: none. */
  readonly frozen?: readonly string[];
  /** What people told the operator since the report before. */
  readonly orders?: readonly Order[];
  /** For `kvm-gitops confirm`. */
  readonly confirmation?: string;
  /** The newer commit, when superseded. */
  readonly supersededBy?: string;
  /** The pass's own failure. */
  readonly error?: { readonly code: string; readonly message: string };
  /** The revision in force while this one is refused. */
  readonly inForce?: string;
}
