import { assess } from '../core/assess.ts';
import type { BuildResult } from '../core/build-desired.ts';
import type { DesiredState } from '../core/desired.ts';
import { openFreezes } from '../core/left-alone.ts';
import { type PlanResult, planResult } from '../core/review/plan-result.ts';
import { reviewNotes, vmChanges } from '../core/review-notes.ts';
import { stepId } from '../core/step.ts';
import type { Merge, MergeNames } from '../git/merge.ts';
import type { Clock, Hosts, Snapshot } from '../ports.ts';
import { questionFor } from '../reconcile/reconcile.ts';

export interface MergePlanning {
  readonly names: MergeNames;
  readonly merge: Merge;
  readonly build: (snapshot: Snapshot) => BuildResult;
  /** Absent: no host is asked. */
  readonly live?: Live;
  /** The commit that the hosts are held to, for its policy where that of the base cannot be read. */
  readonly inForce?: Snapshot | undefined;
}

/** The hosts, and the time. */
export interface Live {
  readonly observe: Hosts['observe'];
  readonly clock: Clock;
}

/**
 * What would follow once the branch is merged. The policy (guards, N+1) is that of the base: a branch cannot loosen the
 * rules by which it is judged.
 */
export async function planMerge(planning: MergePlanning, signal: AbortSignal): Promise<PlanResult> {
  const { names, merge, build, live, inForce } = planning;
  const title = `merge of ${names.head} into ${names.base}`;
  const named = {
    base: { name: names.base, revision: merge.base.revision },
    head: { name: names.head, revision: merge.head },
  };
  const nothing = { ...named, pending: new Set<string>(), notes: [] };
  if (merge.merged === undefined) {
    const issues = merge.conflicts.map((file) => ({
      file,
      message: `${names.head} and ${names.base} both change it: merge ${names.base} into ${names.head}, or rebase`,
    }));
    return { title, issues, merge: nothing };
  }
  const built = build(merge.merged);
  if (!built.ok) return { title, issues: built.issues, merge: nothing };
  const base = buildBase(build, merge.base);
  const before = base ?? (inForce && buildBase(build, inForce));
  const desired = { ...built.desired, policy: before?.policy ?? built.desired.policy };
  const notes = [
    ...(base === undefined
      ? [
          `${names.base} itself is not valid: the policy is that of ${before ? 'the commit in force' : 'the merge'}`,
        ]
      : []),
    ...(before === undefined ? [] : reviewNotes(before, built.desired)),
  ];
  if (live === undefined) {
    const offline = { ...vmChanges(before, desired), vms: desired.vms.size };
    return { title, issues: [], merge: { ...nothing, notes, offline } };
  }
  const observed = await live.observe(questionFor(desired), signal);
  const now = live.clock.now();
  const assessment = assess(desired, observed, { now, commit: merge.head.sha });
  const alone = before && assess(before, observed, { now, commit: merge.base.revision.sha });
  const pending = new Set(alone?.plan.steps.map((step) => `${stepId(step)} ${step.reason}`));
  const result = planResult({ ok: true, title, desired, observed, assessment });
  // As the merge itself would have it: a branch can lift a freeze, and then nothing waits.
  const frozen = openFreezes(built.desired, now).map(
    (freeze) => `${freeze}: what this changes waits until then`,
  );
  return { ...result, merge: { ...named, pending, notes: [...notes, ...frozen] } };
}

function buildBase(build: MergePlanning['build'], base: Snapshot): DesiredState | undefined {
  const built = build(base);
  return built.ok ? built.desired : undefined;
}
