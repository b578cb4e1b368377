import { formatIssue } from '../issue.ts';
import { countSteps } from '../note.ts';
import type { Report, Revision } from '../report.ts';
import { isSameNews, isTrouble, type Standing, type Standings } from './standing.ts';
import { troublesOf, vmOf } from './troubles.ts';

/** What was seen of a pass. `isHead`: the report is of the branch's newest commit, and not of the one in force meanwhile. */
export type Sighting =
  | { readonly kind: 'report'; readonly report: Report; readonly isHead: boolean }
  /** It ended before there was a commit to report of. */
  | { readonly kind: 'broken'; readonly message: string; readonly at: string };

/** The commit that changed what git says of a VM last; undefined: not known. */
export type ChangedBy = (vm: string) => Revision | undefined;

const COMMIT = 'commit';
const OPERATOR = 'operator';

/**
 * How things stand after a sighting. What was wrong and is no more stands as `recovered`, until everybody knows.
 *
 *   report           | the commit                | VMs and hosts            | the operator
 *   -----------------|---------------------------|--------------------------|-------------
 *   applied          | applied                   | as it says               | well
 *   partial          | what it was, if applied   | as it says               | well
 *   refused          | refused                   | as they were             | well
 *   superseded       | as it was                 | as they were             | as it was
 *   failed, broken   | as it was                 | as they were             | failed
 *   of the commit    | as it was                 | as it says               | as it was
 *   in force while   |                           |                          |
 *   another is       |                           |                          |
 *   refused          |                           |                          |
 */
export function standingsAfter(before: Standings, sighting: Sighting, changedBy: ChangedBy): Standings {
  if (sighting.kind === 'broken') return broken(before, sighting.message, sighting.at);
  const { report, isHead } = sighting;
  const { status, startedAt: at } = report;
  if (status === 'superseded') return before;
  if (status === 'failed') return broken(before, report.error?.message ?? '', at);
  const after = new Map(before);
  if (isHead) {
    end(after, OPERATOR, { since: at });
    judgeCommit(after, report);
  }
  if (status !== 'refused') look(after, report, changedBy);
  return after;
}

/** The VMs about which `standingsAfter` would want to know who changed them. */
export function vmsInQuestion(before: Standings, sighting: Sighting): string[] {
  if (sighting.kind === 'broken' || !/^(?:applied|partial)$/.test(sighting.report.status)) return [];
  const troubled = [...before].filter(([, standing]) => isTrouble(standing)).map(([key]) => key);
  const keys = [...troublesOf(sighting.report).found.keys(), ...troubled];
  return [...new Set(keys.flatMap((key) => vmOf(key) ?? []))];
}

function broken(before: Standings, reason: string, since: string): Standings {
  const after = new Map(before);
  put(after, OPERATOR, { kind: 'failed', reason, since });
  return after;
}

function judgeCommit(after: Map<string, Standing>, report: Report): void {
  const { revision: commit, status, startedAt: since } = report;
  if (status === 'refused') {
    put(after, COMMIT, { kind: 'refused', reason: mistakesOf(report), commit, since });
  } else if (status === 'applied') {
    put(after, COMMIT, { kind: 'applied', reason: countSteps(report.steps), commit, since });
  } else {
    const old = after.get(COMMIT);
    // A commit that was applied stays so while later passes put back what somebody changed.
    if (old?.kind === 'applied' && old.commit?.sha !== commit.sha) after.delete(COMMIT);
    end(after, COMMIT, { commit, since });
  }
}

function mistakesOf({ issues, error, confirmation }: Report): string {
  const [first] = issues;
  if (error !== undefined)
    return `${error.message}${confirmation === undefined ? '' : `; kvm-gitops confirm ${confirmation}`}`;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return first === undefined ? '' : `${formatIssue(first)}${more}`;
}

function look(after: Map<string, Standing>, report: Report, changedBy: ChangedBy): void {
  const { found, undecided } = troublesOf(report);
  const silent = new Set(report.unknownHosts.map(({ host }) => host));
  const since = report.startedAt;
  for (const [key, trouble] of found) put(after, key, { ...trouble, ...commitOf(key, changedBy), since });
  for (const [key, { host, subject }] of after) {
    const isSeen = key === `host ${host}` || key === 'names' || subject !== undefined;
    if (!isSeen || found.has(key) || undecided.has(key)) continue;
    const nobodyLooked = subject !== undefined && host !== undefined && silent.has(host);
    if (!nobodyLooked) end(after, key, { ...commitOf(key, changedBy), since });
  }
}

function commitOf(key: string, changedBy: ChangedBy): Pick<Standing, 'commit'> {
  const vm = vmOf(key);
  const commit = vm === undefined ? undefined : changedBy(vm);
  return commit === undefined ? {} : { commit };
}

/** What stood already keeps its beginning, its words and its commit, as long as that cannot be found out. */
function put(after: Map<string, Standing>, key: string, standing: Standing): void {
  const old = after.get(key);
  if (old === undefined || !isSameNews(old, standing)) after.set(key, standing);
  else if (old.commit === undefined && standing.commit !== undefined)
    after.set(key, { ...old, commit: standing.commit });
}

function end(after: Map<string, Standing>, key: string, news: Pick<Standing, 'commit' | 'since'>): void {
  const old = after.get(key);
  if (old === undefined || !isTrouble(old)) return;
  const { because: _, ...rest } = old;
  after.set(key, { ...rest, ...news, kind: 'recovered', was: old.kind });
}
