import { renderNote } from '../core/note.ts';
import type { Report, Revision } from '../core/report.ts';
import type { Order } from '../core/suspension.ts';
import type { Clock, Control, Journal, Notes, Source } from '../ports.ts';
import type { OnProgress } from './progress.ts';

export interface RecordDeps {
  readonly source: Source;
  readonly journal: Journal;
  readonly notes: Notes;
  readonly clock: Clock;
  readonly onProgress: OnProgress;
}

/** Writes a report to the journal and its note, if it says anything that was not said before of that commit. */
export async function record(
  deps: Omit<RecordDeps, 'source'>,
  report: Report,
  isHead: boolean,
): Promise<Report> {
  const { journal, notes, onProgress } = deps;
  const { sha } = report.revision;
  const news = isNews(await journal.latestOf(sha), report);
  if (news) {
    await journal.append(report);
    notes.put(sha, renderNote(await journal.of(sha)));
  }
  onProgress({ kind: 'recorded', report, news, isHead });
  return report;
}

/** Writes down too what people had told the operator when the pass began. */
export async function recordWithOrders(
  deps: Omit<RecordDeps, 'source'> & { readonly control: Control },
  report: Report,
  { orders, isHead }: { readonly orders: ReadonlyMap<string, Order>; readonly isHead: boolean },
): Promise<Report> {
  // The newer commit's report tells of them: who asked for a pass waits for one that is carried out.
  if (orders.size === 0 || report.status === 'superseded') return record(deps, report, isHead);
  const recorded = await record(deps, { ...report, orders: [...orders.values()] }, isHead);
  await deps.control.told(orders.keys());
  return recorded;
}

/** Commits that came and went between two passes get a note too: each says which commit took its place. */
export async function recordSkippedCommits(deps: RecordDeps, head: Revision): Promise<void> {
  const last = await deps.journal.last();
  if (last === undefined || last.revision.sha === head.sha) return;
  for (const revision of await deps.source.between(last.revision.sha, head.sha)) {
    if ((await deps.journal.latestOf(revision.sha)) !== undefined) continue;
    const report: Report = {
      v: 1,
      revision,
      status: 'superseded',
      supersededBy: head.sha,
      startedAt: deps.clock.now().toISOString(),
      durationMs: 0,
      trigger: 'commit',
      steps: [],
      held: [],
      issues: [],
      unknownHosts: [],
    };
    await record(deps, report, false);
  }
}

/** Idle passes are not written down: only what was done, or a judgement that changed. */
function isNews(previous: Report | undefined, report: Report): boolean {
  if (previous === undefined || report.steps.length > 0 || report.orders !== undefined) return true;
  // A look at the hosts that a newer commit cut short takes back nothing of what was applied before.
  if (report.status === 'superseded' && previous.status === 'applied') return false;
  return judgement(previous) !== judgement(report);
}

/** Numbers do not count: how much room a full host has moves all the time. */
function judgement({
  status,
  held,
  issues,
  unknownHosts,
  unknownNames,
  confirmation,
  supersededBy,
  pendingRestart,
  error,
}: Report): string {
  const unknown = unknownHosts.map(({ host }) => host).toSorted();
  const settled = [
    // A wait between two tries says nothing that the failed try has not said.
    ...held
      .filter(({ because }) => because !== 'retry')
      .map((one) => ({ ...one, reason: withoutNumbers(one.reason) })),
    ...issues.map((one) => ({ ...one, message: withoutNumbers(one.message) })),
    error && { code: error.code, message: withoutNumbers(error.message) },
  ];
  return JSON.stringify({
    status,
    settled,
    unknown,
    names: unknownNames !== undefined,
    confirmation,
    supersededBy,
    pendingRestart,
  });
}

/** The number in `web-1` stays: it is a name. */
function withoutNumbers(text: string): string {
  return text.replace(/(?<![\w.-])\d+(\.\d+)?(?![\w-])/g, '#');
}
