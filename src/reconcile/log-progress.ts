import type { Logger } from 'pino';
import { countSteps } from '../core/note.ts';
import type { Report } from '../core/report.ts';
import { type Step, subjectOf } from '../core/step.ts';
import type { OnProgress } from './progress.ts';

/** Held changes that a log line names. */
const SHOWN = 20;

/** Writes a pass to the log: what changed at `info`, what went wrong or waits at `warn`, idle passes at `debug`. */
export function logProgress(log: Logger): OnProgress {
  let refused: string | undefined;
  return (event) => {
    switch (event.kind) {
      case 'step-begun':
        return log.debug({ ...named(event.step), reason: event.step.reason }, 'step begun');
      case 'step-ended': {
        const { outcome, durationMs, remark } = event.result;
        if (outcome === 'failed')
          return log.warn({ ...named(event.step), durationMs, err: event.error }, 'step failed');
        const told = outcome === 'done' ? 'applied' : 'waits no longer, as a newer commit is there';
        return log.info({ ...named(event.step), durationMs, ...(remark !== undefined && { remark }) }, told);
      }
      case 'recorded': {
        const { report, news, isHead } = event;
        // A branch that comes back to it, or an operator that starts: the note is there, and the log says it again.
        const isBack = isHead && report.status === 'refused' && report.revision.sha !== refused;
        if (isHead) refused = report.status === 'refused' ? report.revision.sha : undefined;
        return logReport(log, report, news || isBack);
      }
      case 'observing':
      case 'planned':
      case 'step-progress':
      // The controller logs why.
      case 'broken':
        return undefined;
    }
  };
}

function logReport(log: Logger, report: Report, news: boolean): void {
  const { status, trigger, durationMs, steps, held, issues, unknownHosts } = report;
  const fields = {
    revision: report.revision.sha.slice(0, 12),
    status,
    trigger,
    durationMs,
    ...(steps.length > 0 && { steps: countSteps(steps) }),
    ...(held.length > 0 && {
      held: held.slice(0, SHOWN).map(({ kind, subject, because }) => `${kind} ${subject} (${because})`),
    }),
    ...(report.confirmation !== undefined && { confirm: report.confirmation }),
    ...(issues.length > 0 && { issues: issues.length }),
    ...(report.error !== undefined && { code: report.error.code, why: report.error.message }),
    ...(report.unknownNames !== undefined && { names: report.unknownNames }),
    ...(unknownHosts.length > 0 && { unknown: unknownHosts.map(({ host }) => host) }),
  };
  if (!news) log.debug(fields, 'reconciled');
  else if (status === 'applied' || status === 'superseded') log.info(fields, 'reconciled');
  else log.warn(fields, 'reconciled');
}

/** A VM is logged under `vm`, as everywhere in the log. */
function named(step: Step) {
  const about = 'vm' in step ? { vm: step.vm } : { subject: subjectOf(step) };
  return { host: step.host, ...about, step: step.kind };
}
