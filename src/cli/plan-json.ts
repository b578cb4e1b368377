import { type MergedPlan, notKnown, type PlanResult } from '../core/review/plan-result.ts';
import { type Step, stepId, subjectOf } from '../core/step.ts';
import { impactOf } from '../core/step-impact.ts';

/** A plan for programs. */
export function planJson({ issues, planned, merge }: PlanResult): unknown {
  const branch = merge === undefined ? {} : { merge: mergeJson(merge) };
  if (planned === undefined) return { v: 1, accepted: issues.length === 0, issues, ...branch };
  const { observed, assessment } = planned;
  const { steps, held, confirmation } = assessment.plan;
  const unknown = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
  return {
    v: 1,
    accepted: issues.length === 0,
    issues,
    steps: steps.map((step) => stepJson(step, merge)),
    held,
    pendingRestart: assessment.pendingRestart,
    confirmation,
    notKnown: notKnown(assessment),
    unknownHosts: unknown.map(({ name, reason }) => ({ host: name, reason })),
    ...(observed.names?.kind === 'unknown' && { unknownNames: observed.names.reason }),
    ...(merge !== undefined && { capacity: assessment.capacity }),
    ...branch,
  };
}

/** What is shown of a step: never the whole, which may hold what only the host is to know. */
function stepJson(step: Step, merge: MergedPlan | undefined) {
  const { kind, host, reason, after } = step;
  const id = stepId(step);
  return {
    id,
    kind,
    host,
    subject: subjectOf(step),
    reason,
    impact: impactOf(step),
    ...(merge !== undefined && { isPendingAnyway: merge.pending.has(`${id} ${reason}`) }),
    ...(after !== undefined && { after }),
  };
}

function mergeJson({ base, head, notes, offline }: MergedPlan) {
  return {
    base: { name: base.name, sha: base.revision.sha },
    head: { name: head.name, sha: head.revision.sha, subject: head.revision.subject },
    notes,
    ...(offline !== undefined && { offline }),
  };
}
