import { formatIssue } from './issue.ts';
import { scopeInWords } from './pause.ts';
import type { Report, Status, StepResult } from './report.ts';
import { STEP_WORDS } from './step-words.ts';
import { orderInWords, suspensionInWords } from './suspension.ts';
import { formatTime } from './time-words.ts';

/** A note larger than this is cut: forges and terminals are not made for more. */
const MAX_NAMES = 40;
const MAX_LINES = 100;

const HEADLINES: Readonly<Record<Status, string>> = {
  applied: 'applied: the hosts are as this commit wants them',
  partial: 'partial: some of this commit is not done yet',
  refused: 'refused: nothing was touched',
  superseded: 'superseded: a newer commit took its place',
  failed: 'failed: the operator will try again',
};

/**
 * The note of a commit, from all its reports, oldest first: lines for people, then one line of JSON for programs
 * (`v` is its version).
 */
export function renderNote(reports: readonly Report[]): string {
  const last = reports.at(-1);
  if (last === undefined) return '';
  const first = Math.max(
    0,
    reports.findIndex(({ steps }) => steps.length > 0),
  );
  const later = reports.slice(first + 1).filter(({ steps }) => steps.length > 0);
  const lines = [
    headline(last),
    `${formatTime(last.startedAt)}  ${formatDuration(last.durationMs)}  (${last.trigger})`,
    `revision ${last.revision.sha.slice(0, 12)}  ${oneLine(last.revision.subject)}`,
    ...outcomeLines(last),
    ...hostLines(reports[first]?.steps ?? []),
    ...(later.length === 0 ? [] : ['', 'since then:', ...newest(later.flatMap(laterLines))]),
    ...orderLines(reports),
  ];
  return `${lines.map(printable).join('\n')}\n\n${JSON.stringify(summarise(reports, last))}\n`;
}

function headline({ status, held }: Report): string {
  return status === 'applied' && held.some(({ because }) => because === 'drift')
    ? 'applied; somebody has changed hosts since, which is only reported (drift: report)'
    : HEADLINES[status];
}

/** `created 6, started 6`: how many of each kind of step were done. */
export function countSteps(steps: readonly StepResult[]): string {
  const counts = new Map<string, number>();
  for (const { kind, outcome } of steps) {
    const word = outcome === 'done' ? STEP_WORDS[kind].done : outcome;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${word} ${count}`).join(', ');
}

/** `12.3 s`, `2 min 5 s` */
export function formatDuration(ms: number): string {
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function outcomeLines(report: Report): readonly string[] {
  return capped([
    ...(report.supersededBy === undefined ? [] : [`by ${report.supersededBy.slice(0, 12)}`]),
    ...(report.inForce === undefined
      ? []
      : [`in force: ${report.inForce.slice(0, 12)}, the last accepted commit`]),
    ...report.issues.map((issue) => `  ${oneLine(formatIssue(issue))}`),
    ...(report.error === undefined ? [] : [`  ${report.error.code}: ${oneLine(report.error.message)}`]),
    ...report.unknownHosts.map(
      ({ host, reason }) => `  ${host} is unknown, its VMs are left alone: ${oneLine(reason)}`,
    ),
    ...(report.unknownNames === undefined
      ? []
      : [`  names are unknown, dnsmasq is left as it is: ${oneLine(report.unknownNames)}`]),
    ...(report.suspensions ?? []).map(
      (one) => `  ${scopeInWords(one.scope)} is ${oneLine(suspensionInWords(one))}`,
    ),
    ...(report.frozen ?? []).map((freeze) => `  ${freeze}: changes wait`),
    ...report.held.map(
      (held) =>
        `  held ${held.kind} of ${held.subject} on ${held.host} (${held.because}): ${oneLine(held.reason)}`,
    ),
    ...(report.warnings ?? []).map((warning) => `  warning: ${oneLine(warning)}`),
    ...(report.pendingRestart ?? []).map(
      ({ host, vm, reason, restart }) =>
        `  pending restart of ${vm} on ${host}: ${reason} (restart: ${restart})`,
    ),
    ...(report.confirmation === undefined
      ? []
      : [`  ${confirmationText(report.confirmation, report.error?.code)}`]),
  ]);
}

/** How a person has done what waits: removals, or what else the error is about. */
export function confirmationText(confirmation: string, code?: string): string {
  const what = code === 'E_GIT_REWIND' ? 'have this commit all the same' : 'confirm the removals that wait';
  return `to ${what}: kvm-gitops confirm ${confirmation}`;
}

/** Failures first: what is cut is what went well. */
function hostLines(steps: readonly StepResult[]): string[] {
  if (steps.length === 0) return [];
  const hosts = [...new Set(steps.map(({ host }) => host))].toSorted();
  const perHost = hosts.flatMap((host) => {
    const done = doneByKind(steps.filter((step) => step.host === host));
    return done === '' ? [] : [`  ${host}  ${done}`];
  });
  const first = [...steps.filter(isFailed).map(failureLine), ...steps.flatMap(remarkLine)];
  return ['', countSteps(steps), ...capped([...first, ...perHost])];
}

function remarkLine({ host, subject, kind, remark }: StepResult): readonly string[] {
  return remark === undefined ? [] : [`  ${kind} of ${subject} on ${host}: ${oneLine(remark)}`];
}

function doneByKind(steps: readonly StepResult[]): string {
  const kinds = [...new Set(steps.map(({ kind }) => kind))];
  return kinds
    .map((kind) => ({
      kind,
      names: steps
        .filter((step) => step.kind === kind && step.outcome === 'done')
        .map(({ subject }) => subject),
    }))
    .filter(({ names }) => names.length > 0)
    .map(({ kind, names }) => `${STEP_WORDS[kind].done} ${nameList(names)}`)
    .join('; ');
}

/** What people told the operator while it applied this commit. */
function orderLines(reports: readonly Report[]): readonly string[] {
  const lines = reports
    .flatMap(({ orders = [] }) => orders)
    .map((order) => `  ${formatTime(order.at)}  ${oneLine(orderInWords(order))}`);
  return lines.length === 0 ? [] : ['', 'orders:', ...newest(lines)];
}

function laterLines(report: Report): string[] {
  const at = formatTime(report.startedAt);
  return report.steps.map((step) => {
    if (isFailed(step)) return `${failureLine(step)}  ${at}`;
    const did = step.outcome === 'done' ? STEP_WORDS[step.kind].done : `${step.outcome} ${step.kind} of`;
    const remark = step.remark === undefined ? '' : `: ${oneLine(step.remark)}`;
    return `  ${at}  ${did} ${step.subject} on ${step.host} (${step.reason})${remark}`;
  });
}

function isFailed({ outcome }: StepResult): boolean {
  return outcome === 'failed';
}

function failureLine({ host, subject, kind, error }: StepResult): string {
  return `  failed ${kind} of ${subject} on ${host}: ${error?.code} ${oneLine(error?.message ?? '')}`;
}

function nameList(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

function capped(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES), `  and ${lines.length - MAX_LINES} more lines, in the journal`];
}

function newest(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_LINES) return lines;
  return [`  ${lines.length - MAX_LINES} earlier lines, in the journal`, ...lines.slice(-MAX_LINES)];
}

/** A commit's subject or a host's error may hold what a terminal would obey. */
function printable(line: string): string {
  return line.replace(/\p{Cc}/gu, ' ');
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** The machine's line: small whatever the fleet's size, names are in the journal. */
function summarise(reports: readonly Report[], last: Report): Record<string, unknown> {
  const steps = reports.flatMap((report) => report.steps);
  const done: Record<string, number> = {};
  for (const { kind, outcome } of steps) if (outcome === 'done') done[kind] = (done[kind] ?? 0) + 1;
  return {
    v: 1,
    commit: last.revision.sha,
    status: last.status,
    at: last.startedAt,
    durationMs: last.durationMs,
    trigger: last.trigger,
    passes: reports.length,
    done,
    failed: last.steps.filter(isFailed).length,
    held: last.held.length,
    issues: last.issues.length,
    pendingRestart: last.pendingRestart?.length ?? 0,
    unknownHosts: last.unknownHosts.map(({ host }) => host),
    ...(last.unknownNames !== undefined && { unknownNames: true }),
    ...(last.confirmation !== undefined && { confirmation: last.confirmation }),
    ...(last.supersededBy !== undefined && { supersededBy: last.supersededBy }),
    ...(last.inForce !== undefined && { inForce: last.inForce }),
    ...(last.error !== undefined && { error: last.error.code }),
  };
}
