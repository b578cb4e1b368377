import type { Report } from '../core/report.ts';
import { OperatorError } from '../errors.ts';

/** A refused commit and the one in force. */
const COMMITS = 2;

interface Reported {
  /** The newest report of each of the last commits, newest first. */
  latest(commits: number): Promise<readonly Report[]>;
}

/**
 * A typing mistake must not look like a success, nor may what nobody waits for lie ready for a later plan. E_USAGE for a
 * hash that the newest reports do not hold back; with `removals` also for the one of a branch that was rewritten.
 */
export async function requireWaiting(
  journal: Reported,
  hash: string,
  allowed: 'all' | 'removals',
): Promise<void> {
  const reports = await journal.latest(COMMITS);
  const waiting = reports.filter(({ confirmation }) => confirmation !== undefined);
  const open = waiting.filter((report) => allowed === 'all' || !isRewind(report));
  if (open.some(({ confirmation }) => confirmation === hash)) return;
  if (waiting.some(({ confirmation }) => confirmation === hash))
    throw new OperatorError(
      'E_USAGE',
      `${hash} lets the branch be rewritten or taken back, and is no removal: who runs the operator confirms that, by kvm-gitops confirm ${hash}`,
    );
  const hint =
    open.length === 0
      ? 'nothing waits for a confirmation'
      : `what waits is ${open.map(({ confirmation }) => confirmation).join(' or ')}`;
  throw new OperatorError(
    'E_USAGE',
    `${hash} names nothing that the operator's last pass holds back: ${hint}`,
  );
}

function isRewind({ error }: Report): boolean {
  return error?.code === 'E_GIT_REWIND';
}
