import type { CommitState } from '../commit-state.ts';
import { firstIssue, stateLine } from '../state-line.ts';
import { type Plan, type Step, stepId } from '../step.ts';
import { countKinds } from './count-kinds.ts';
import type { MergedPlan, PlanResult } from './plan-result.ts';

/** What comes of it, in a few words: `1 to create, 1 to start`. */
export function headline({ issues, planned, merge }: PlanResult): string {
  if (issues.length > 0)
    return `this would be refused, ${issues.length === 1 ? 'one problem' : `${issues.length} problems`}`;
  if (planned === undefined) return `valid, ${merge?.offline?.vms ?? 0} VMs`;
  const { plan } = planned.assessment;
  const parts = countKinds(splitSteps(plan, merge).own);
  if (plan.held.length > 0) parts.push(`${plan.held.length} held`);
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}

/** How the newest commit of a branch stands that was planned. */
export function planState(result: PlanResult): CommitState {
  const { issues } = result;
  return issues.length > 0
    ? { state: 'failure', description: stateLine(['would be refused', ...firstIssue(issues)]) }
    : { state: 'success', description: stateLine(['plan', headline(result)]) };
}

/** Steps of this change, and those that the base alone asks for. */
export function splitSteps({ steps }: Plan, merge: MergedPlan | undefined) {
  const isPending = (step: Step) => merge?.pending.has(`${stepId(step)} ${step.reason}`) === true;
  return { own: steps.filter((step) => !isPending(step)), pending: steps.filter(isPending) };
}
