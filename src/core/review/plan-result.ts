import { type Assessment, refusals } from '../assess.ts';
import type { DesiredState } from '../desired.ts';
import type { Issue } from '../issue.ts';
import type { ObservedState } from '../observed.ts';
import type { Revision } from '../report.ts';
import type { VmChanges } from '../review-notes.ts';

/** Manifests as they were judged with what the hosts show. */
export type Judged =
  | { readonly ok: false; readonly title: string; readonly issues: readonly Issue[] }
  | ({
      readonly ok: true;
      readonly title: string;
      /** Why a pass would not look into this commit. */
      readonly refused?: readonly Issue[];
    } & Planned);

/** What `plan` shows, whatever the form. */
export interface PlanResult {
  readonly title: string;
  /** Why this would be refused; empty: it would not. */
  readonly issues: readonly Issue[];
  /** Absent: the manifests are not valid, or no host was asked. */
  readonly planned?: Planned;
  /** Present: a branch merged with its base in memory. */
  readonly merge?: MergedPlan;
}

export interface Planned {
  readonly desired: DesiredState;
  readonly observed: ObservedState;
  readonly assessment: Assessment;
}

export interface MergedPlan {
  readonly base: NamedRevision;
  readonly head: NamedRevision;
  /** Ids of steps that the base alone asks for: they are done with or without the branch. */
  readonly pending: ReadonlySet<string>;
  /** What a reviewer should look at. */
  readonly notes: readonly string[];
  /** Present: no host was asked. */
  readonly offline?: VmChanges & { readonly vms: number };
}

interface NamedRevision {
  readonly name: string;
  readonly revision: Revision;
}

export function planResult(judged: Judged): PlanResult {
  const { title } = judged;
  if (!judged.ok) return { title, issues: judged.issues };
  const { desired, observed, assessment, refused = [] } = judged;
  return {
    title,
    issues: [...refused, ...refusals(assessment, desired, observed)],
    planned: { desired, observed, assessment },
  };
}

/** 1: it would be refused; 2: it would do something. */
export function exitCodeOf({ issues, planned }: PlanResult): number {
  if (issues.length > 0) return 1;
  const { steps = [], held = [] } = planned?.assessment.plan ?? {};
  return steps.length > 0 || held.length > 0 ? 2 : 0;
}

/** What capacity could not be checked against. */
export function notKnown({ capacity }: Assessment): string[] {
  return capacity.flatMap(({ host, unknown }) => unknown.map((sentence) => `host ${host}: ${sentence}`));
}
