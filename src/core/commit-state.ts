import { countSteps } from './note.ts';
import type { Report } from './report.ts';
import { firstIssue, stateLine } from './state-line.ts';

/** How a commit stands, as a forge shows it beside the commit. `superseded`: nobody will apply it any more. */
export interface CommitState {
  readonly state: 'pending' | 'success' | 'failure' | 'superseded';
  /** One line, 140 characters at most: GitHub takes no more. */
  readonly description: string;
}

/** What a report says of its commit. What waits and has not failed is pending: the operator goes on by itself. */
export function commitState(report: Report): CommitState {
  switch (report.status) {
    case 'applied':
      return { state: 'success', description: stateLine(['applied', countSteps(report.steps)]) };
    case 'partial':
      return partialState(report);
    case 'refused':
      return {
        state: 'failure',
        description: stateLine(['refused', report.error?.message, ...firstIssue(report.issues)]),
      };
    case 'superseded':
      return {
        state: 'superseded',
        description: stateLine(['superseded by', report.supersededBy?.slice(0, 12)]),
      };
    case 'failed':
      return { state: 'failure', description: stateLine(['failed', report.error?.message]) };
  }
}

/** While its steps are made. */
export function applyingState(steps: number): CommitState {
  return { state: 'pending', description: `applying ${steps} ${steps === 1 ? 'step' : 'steps'}` };
}

function partialState({ steps, held, unknownHosts, confirmation }: Report): CommitState {
  const failed = steps.filter(({ outcome }) => outcome === 'failed');
  const parts = [
    countSteps(steps),
    held.length > 0 ? `${held.length} held` : '',
    unknownHosts.length > 0 ? `${unknownHosts.map(({ host }) => host).join(' and ')} unknown` : '',
    confirmation === undefined ? '' : `kvm-gitops confirm ${confirmation}`,
  ];
  return {
    state: failed.length > 0 ? 'failure' : 'pending',
    description: stateLine(['partial', list(parts)]),
  };
}

function list(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('; ');
}
