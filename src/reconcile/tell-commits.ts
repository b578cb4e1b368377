import { applyingState, type CommitState, commitState } from '../core/commit-state.ts';
import type { OnProgress } from './progress.ts';

/**
 * Tells how commits stand as passes go on: at the first steps for a commit that they are made, then what came of it each
 * time that it is news. A commit that is settled stays so while later passes put back what somebody changed.
 */
export function tellCommits(put: (sha: string, state: CommitState) => void): OnProgress {
  let settled: string | undefined;
  return (event) => {
    if (event.kind === 'planned' && event.plan.steps.length > 0 && event.revision.sha !== settled)
      put(event.revision.sha, applyingState(event.plan.steps.length));
    if (event.kind !== 'recorded' || !event.news) return;
    settled = event.report.revision.sha;
    put(settled, commitState(event.report));
  };
}
