import { type Config, loadConfig } from '../config.ts';
import { formatIssue } from '../core/issue.ts';
import { confirmationText, formatDuration } from '../core/note.ts';
import { formatTime } from '../core/time-words.ts';
import { OperatorError } from '../errors.ts';
import { type HostView, type ReportView, type StatusView, type VmView } from '../http/status-view.ts';
import { type SuspensionView, viewSuspension } from '../http/suspension-view.ts';
import { openJournal } from '../state/journal.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { ownControl } from './own-control.ts';
import { formatTable } from './table.ts';

const ANSWER_MS = 5_000;

/** What the running operator says of itself; without one, what the journal says last. Exit code 1: all is not well. */
export async function status(options: GlobalOptions): Promise<number> {
  const config = loadConfig(options.config);
  const view = await askOperator(config);
  if (view === undefined) return statusFromJournal(config, options);
  if (options.json) printJson(view);
  else printStatus(view);
  return view.lastReport?.status === 'applied' && view.problem === undefined ? 0 : 1;
}

async function askOperator(config: Config): Promise<StatusView | undefined> {
  const { host, port } = config.http.listen;
  const name = host.includes(':') ? `[${host}]` : host;
  try {
    const answer = await fetch(`http://${name}:${port}/api/status`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const view: unknown = answer.ok ? await answer.json() : undefined;
    if (isStatusView(view)) return view;
    throw new OperatorError('E_USAGE', `what listens on ${host}:${port} is not this version of the operator`);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    return undefined;
  }
}

/** The operator's own word for it is enough: it is the same program on the same machine. */
function isStatusView(value: unknown): value is StatusView {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === 1 && 'hosts' in value;
}

async function statusFromJournal(config: Config, { json }: GlobalOptions): Promise<number> {
  const journal = await openJournal(config.stateDir, { readOnly: true });
  const last = await journal.last();
  await journal.close();
  const suspensions = (await ownControl(config).suspensions()).map(viewSuspension);
  const { host, port } = config.http.listen;
  if (json) {
    printJson({ running: false, lastReport: last, ...(suspensions.length > 0 && { suspensions }) });
    return 1;
  }
  print(colors.yellow(`no operator answers on ${host}:${port}; this is what the journal says`));
  if (last === undefined) print('no pass has been made yet');
  else
    print(
      `last pass: ${last.status} at ${last.startedAt}, ${last.revision.sha.slice(0, 12)} ${last.revision.subject}`,
    );
  for (const one of suspensions) print(suspensionLine(one));
  return 1;
}

function suspensionLine({ scope, who, until, reason }: SuspensionView): string {
  const end = until === undefined ? 'it is resumed' : formatTime(until);
  return colors.yellow(`${scope} is suspended by ${who} until ${end}: ${reason}`);
}

function printStatus(view: StatusView): void {
  const { lastReport, hosts, notesPending, problem } = view;
  print(`${colors.bold('cluster')}   ${view.cluster ?? '(no commit accepted yet)'}`);
  print(`${colors.bold('watching')}  ${view.branch} of ${view.remote}`);
  print(
    `${colors.bold('state')}     ${view.running ? 'a pass is running' : `idle, next check ${view.nextPassAt ?? 'soon'}`}`,
  );
  if (notesPending > 0) print(colors.yellow(`notes that are not on the remote yet: ${notesPending}`));
  for (const { name, pending, problem: why = 'soon' } of view.notifications ?? [])
    print(colors.yellow(`notifications that ${name} has yet to hear of: ${pending} (${why})`));
  if (problem !== undefined) print(colors.red(`passes fail since ${problem.since}: ${problem.message}`));
  const pulls = view.pullRequests;
  if (pulls?.problem !== undefined)
    print(colors.yellow(`pull requests cannot be looked at: ${pulls.problem}`));
  else if (pulls !== undefined) print(`${colors.bold('planning')}  ${pulls.open} open pull requests`);
  for (const one of view.suspensions ?? []) print(suspensionLine(one));
  if (lastReport !== undefined) print(`\n${reportText(lastReport)}`);
  for (const { host, kind, subject, progress = '' } of view.work ?? [])
    print(`now: ${kind} ${subject} on ${host}${progress && `, ${progress}`}`);
  for (const host of hosts) print(`\n${hostText(host)}`);
}

function reportText(report: ReportView): string {
  const { status: outcome, revision } = report;
  const paint = outcome === 'applied' ? colors.green : outcome === 'superseded' ? colors.dim : colors.red;
  return [
    `${paint(outcome)}  ${revision.sha.slice(0, 12)} ${revision.subject}`,
    `  ${report.startedAt}, ${formatDuration(report.durationMs)}, asked for by: ${report.trigger}`,
    ...(report.inForce === undefined ? [] : [`  in force: ${report.inForce.slice(0, 12)}`]),
    ...report.issues.map((issue) => `  ${formatIssue(issue)}`),
    ...report.failed.map(({ kind, subject, host, message }) =>
      colors.red(`  failed ${kind} of ${subject} on ${host}: ${message}`),
    ),
    ...(report.frozen ?? []).map((freeze) => colors.yellow(`  ${freeze}: changes wait`)),
    ...report.held.map(
      ({ kind, subject, host, because, reason }) =>
        `  held ${kind} of ${subject} on ${host} (${because}): ${reason}`,
    ),
    ...(report.unknownNames === undefined
      ? []
      : [colors.yellow(`  names are unknown, dnsmasq is left as it is: ${report.unknownNames}`)]),
    ...(report.warnings ?? []).map((warning) => colors.yellow(`  warning: ${warning}`)),
    ...(report.pendingRestart ?? []).map(({ host, vm, reason, restart }) =>
      colors.yellow(`  pending restart of ${vm} on ${host}: ${reason} (restart: ${restart})`),
    ),
    ...(report.error === undefined ? [] : [colors.red(`  ${report.error.code}: ${report.error.message}`)]),
    ...(report.confirmation === undefined
      ? []
      : [`  ${confirmationText(report.confirmation, report.error?.code)}`]),
  ].join('\n');
}

function hostText(host: HostView): string {
  if (host.kind === 'unknown') {
    const text = host.offline
      ? `offline (cluster.yaml): not asked, its VMs are left alone`
      : `unknown: ${host.reason}`;
    return `${colors.bold(host.name)}  ${colors.yellow(text)}`;
  }
  const rows = host.vms.flatMap((vm) => [vmRow(vm), ...(vm.keptVolumes ?? []).map(keptRow)]);
  return `${colors.bold(host.name)}\n${rows.length === 0 ? '  no VMs' : formatTable(rows)}`;
}

function keptRow({ name, target, purgeAfter }: NonNullable<VmView['keptVolumes']>[number]): string[] {
  return [`    ${name}`, target, 'detached', `kept until ${purgeAfter.slice(0, 10)}`];
}

/** `migrating to kvm-b` */
function stateText({ state, movesTo, movesFrom }: VmView): string {
  if (movesFrom !== undefined) return `${state} from ${movesFrom}`;
  if (movesTo === undefined) return state ?? '';
  return state === 'tombstone' ? `moved to ${movesTo}` : `${state} to ${movesTo}`;
}

function vmRow(vm: VmView): string[] {
  return [
    `  ${vm.name}`,
    vm.power === 'running' ? colors.green(vm.power) : `${vm.power}${vm.managedSave ? ', memory saved' : ''}`,
    vm.markError ?? (vm.ours ? stateText(vm) : colors.dim('not ours')),
    vm.purgeAfter === undefined ? '' : `purged after ${vm.purgeAfter.slice(0, 10)}`,
    vm.pendingRestart === undefined ? '' : colors.yellow(`pending restart: ${vm.pendingRestart}`),
  ];
}
