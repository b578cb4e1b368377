import type { Report } from '../core/report.ts';
import { OperatorError } from '../errors.ts';

/** Reports among which the newest one of each commit is looked for. */
const RECENT = 20;

/**
 * A typing mistake must not look like a success, nor may what nobody waits for lie ready for a later plan. E_USAGE for a
 * hash that the newest reports do not hold back.
 */
export async function requireWaiting(
  journal: { recent(limit: number): Promise<readonly Report[]> },
  hash: string,
): Promise<void> {
  const newest = new Map<string, Report>();
  for (const report of await journal.recent(RECENT))
    if (!newest.has(report.revision.sha)) newest.set(report.revision.sha, report);
  // A refused commit and the one in force have a report each.
  const waiting = [...newest.values()].slice(0, 2).flatMap(({ confirmation }) => confirmation ?? []);
  if (waiting.includes(hash)) return;
  const hint =
    waiting.length === 0 ? 'nothing waits for a confirmation' : `what waits is ${waiting.join(' or ')}`;
  throw new OperatorError(
    'E_USAGE',
    `${hash} names nothing that the operator's last pass holds back: ${hint}`,
  );
}
