import type { Writable } from 'node:stream';
import type { Colors } from 'picocolors/types.js';
import type { StepResult } from '../core/report.ts';
import { type Step, subjectOf } from '../core/step.ts';
import type { OnProgress, ProgressEvent } from '../reconcile/progress.ts';

/**
 * Shows a pass while it runs: each step's end as a line that stays, and on a terminal one line below that is rewritten
 * with what runs now on each host.
 */
export function liveProgress(
  output: Writable & { isTTY?: boolean; columns?: number },
  colors: Colors,
): OnProgress {
  const running = new Map<Step, string>();
  const live = output.isTTY === true;
  const clear = () => live && output.write('\r\u001b[K');
  const redraw = () => {
    if (live && running.size > 0) output.write(statusLine(running).slice(0, (output.columns ?? 80) - 1));
  };
  const print = (line: string) => {
    clear();
    output.write(`${line}\n`);
    redraw();
  };

  return (event: ProgressEvent) => {
    switch (event.kind) {
      case 'step-begun':
        running.set(event.step, '');
        break;
      case 'step-progress':
        running.set(event.step, event.message);
        break;
      case 'step-ended':
        running.delete(event.step);
        return print(resultLine(event.result, colors));
      case 'observing':
      case 'planned':
      case 'recorded':
      case 'broken':
        return;
    }
    clear();
    redraw();
  };
}

function statusLine(running: ReadonlyMap<Step, string>): string {
  const parts = [...running].map(
    ([step, message]) => `${step.host}: ${step.kind} ${subjectOf(step)}${message && ` (${message})`}`,
  );
  return parts.join('  ');
}

function resultLine(result: StepResult, colors: Colors): string {
  const { host, subject, kind, outcome, durationMs, error, remark } = result;
  const seconds = `${(durationMs / 1000).toFixed(1)} s`;
  if (outcome === 'done')
    return `${colors.green('done')}    ${host}  ${kind} ${subject}  ${colors.dim(seconds)}${remark === undefined ? '' : `  ${remark}`}`;
  if (outcome === 'skipped')
    return `${colors.dim('later')}   ${host}  ${kind} ${subject}  ${colors.dim(seconds)}`;
  return `${colors.red('failed')}  ${host}  ${kind} ${subject}  ${error?.code}: ${error?.message}`;
}
