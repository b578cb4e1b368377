import type { Issue } from '../core/issue.ts';
import type { Mark, MarkState } from '../core/mark.ts';
import type { ObservedHost, ObservedState, ObservedVm, PowerState } from '../core/observed.ts';
import type { Report, Revision, Status, StepResult } from '../core/report.ts';
import type { Snapshot, SnapshotState } from '../core/snapshot.ts';
import { type Held, type Step, type StepKind, subjectOf } from '../core/step.ts';
import type { Suspension } from '../core/suspension.ts';
import { redactText } from '../redact.ts';
import { type ReceiverView, viewReceivers } from './receivers.ts';
import { type SuspensionView, viewSuspension } from './suspension-view.ts';

/** What `kvm-gitops status` prints and `/api/status` serves. Plain data; times are ISO 8601, UTC. */
export interface StatusView {
  readonly v: 1;
  readonly version: string;
  readonly startedAt: string;
  /** The cluster's name; absent until a commit was accepted. */
  readonly cluster?: string;
  readonly remote: string;
  readonly branch: string;
  /** The commit that the hosts are held to. */
  readonly inForce?: string;
  /** A pass runs now. */
  readonly running: boolean;
  readonly nextPassAt?: string;
  /** Git notes that are not on the remote yet. */
  readonly notesPending: number;
  /** Receivers of notifications that wait to be told; absent: everybody knows. */
  readonly notifications?: readonly ReceiverView[];
  /** Why passes break now: git cannot be read, or a bug. */
  readonly problem?: { readonly message: string; readonly since: string };
  readonly lastReport?: ReportView;
  /** Those that are planned, and why the forge cannot be asked; absent: operator.yaml asks for none. */
  readonly pullRequests?: PullRequestsView;
  /** What people have left alone for a while; absent: nothing. */
  readonly suspensions?: readonly SuspensionView[];
  /** What is being done at this moment; absent: nothing. */
  readonly work?: readonly WorkView[];
  /** By name; empty until a pass has asked the hosts. */
  readonly hosts: readonly HostView[];
}

interface PullRequestsView {
  readonly open: number;
  readonly problem?: string;
}

export interface ReportView {
  readonly revision: Revision;
  readonly status: Status;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly trigger: string;
  /** How many steps of each kind were done. */
  readonly done: Readonly<Partial<Record<StepKind, number>>>;
  /** Steps that were not begun. */
  readonly skipped: number;
  readonly failed: readonly FailedStepView[];
  readonly held: readonly Held[];
  readonly issues: readonly Issue[];
  readonly unknownHosts: Report['unknownHosts'];
  /** Why dnsmasq could not be read. */
  readonly unknownNames?: string;
  /** The freeze windows that are open, in words. */
  readonly frozen?: readonly string[];
  /** VMs that show a change only from their next start on. */
  readonly pendingRestart?: Report['pendingRestart'];
  readonly warnings?: readonly string[];
  readonly confirmation?: string;
  readonly supersededBy?: string;
  readonly inForce?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface WorkView {
  readonly host: string;
  readonly subject: string;
  readonly kind: StepKind;
  /** How far it is, in words: `copying vda: 40 % of 20 GiB, 110 MiB/s, 2 min left`. */
  readonly progress?: string;
}

interface FailedStepView {
  readonly host: string;
  /** What the step was about: a VM's name. */
  readonly subject: string;
  readonly kind: StepKind;
  readonly code: string;
  readonly message: string;
}

export type HostView =
  | { readonly kind: 'known'; readonly name: string; readonly vms: readonly VmView[] }
  | {
      readonly kind: 'unknown';
      readonly name: string;
      readonly reason: string;
      /** cluster.yaml says so: it is not asked. */
      readonly offline?: true;
      /** Our VMs when it last answered; absent: not remembered. */
      readonly lastSeen?: readonly string[];
    };

export interface VmView {
  readonly name: string;
  readonly power: PowerState;
  /** Its memory is saved on the host's disk: its next start goes on where it was. */
  readonly managedSave?: true;
  /** Of a VM that is ours: what it shows only from its next start on, as the last pass saw it. */
  readonly pendingRestart?: string;
  /** Carries this cluster's mark. Absent while the cluster's name is not known. */
  readonly ours?: boolean;
  /** Of a VM that is ours. */
  readonly state?: MarkState;
  /** Of a VM that moves, or has moved from here: the host that it goes to. */
  readonly movesTo?: string;
  /** Of one that is arriving: the host that has it. */
  readonly movesFrom?: string;
  /** Of its disks, oldest first; absent: none. */
  readonly snapshots?: readonly {
    readonly name: string;
    readonly at: string;
    readonly state: SnapshotState;
    /** Of one that was taken while the VM ran: `quiesced`, or `crash`: as a power cut would leave it. */
    readonly consistency?: NonNullable<Snapshot['consistency']>;
  }[];
  /** Volumes of disks that left the manifests, kept until their date; absent: none. */
  readonly keptVolumes?: readonly KeptVolumeView[];
  /** Of a tombstone: when it is deleted for good. */
  readonly purgeAfter?: string;
  /** Why a mark that is there does not count; the VM is never touched. */
  readonly markError?: string;
}

interface KeptVolumeView {
  readonly target: string;
  readonly pool: string;
  readonly name: string;
  readonly since: string;
  readonly purgeAfter: string;
}

/** What the operator knows of itself, as it stands in memory. */
export interface StatusFacts {
  readonly version: string;
  readonly startedAt: Date;
  readonly cluster?: string | undefined;
  readonly remote: string;
  readonly branch: string;
  readonly inForce?: string | undefined;
  readonly running: boolean;
  readonly nextPassAt?: Date | undefined;
  readonly notesPending: number;
  readonly problem?: { readonly message: string; readonly since: Date } | undefined;
  readonly lastReport?: Report | undefined;
  /** Undefined until a pass has asked the hosts. */
  readonly hosts?: ObservedState | undefined;
  readonly work?: ReadonlyMap<Step, string> | undefined;
  readonly suspensions?: readonly Suspension[];
  readonly receivers?: readonly ReceiverView[] | undefined;
  readonly pullRequests?: PullRequestsView | undefined;
}

/** Picks what people may see, field by field: what is new elsewhere is not shown until it is named here. Pure. */
export function statusView(facts: StatusFacts): StatusView {
  const { version, cluster, branch, inForce, running, nextPassAt, notesPending, problem, lastReport } = facts;
  const notifications = viewReceivers(facts.receivers ?? []);
  return {
    v: 1,
    version,
    startedAt: facts.startedAt.toISOString(),
    ...(cluster !== undefined && { cluster }),
    remote: redactText(facts.remote),
    branch,
    ...(inForce !== undefined && { inForce }),
    running,
    ...(nextPassAt !== undefined && { nextPassAt: nextPassAt.toISOString() }),
    notesPending,
    ...(notifications !== undefined && { notifications }),
    ...(problem !== undefined && {
      problem: { message: redactText(problem.message), since: problem.since.toISOString() },
    }),
    ...(lastReport !== undefined && { lastReport: viewReport(lastReport) }),
    ...(facts.pullRequests !== undefined && { pullRequests: viewPulls(facts.pullRequests) }),
    ...(facts.suspensions?.length && { suspensions: facts.suspensions.map(viewSuspension) }),
    ...(facts.work !== undefined && facts.work.size > 0 && { work: [...facts.work].map(viewWork) }),
    hosts: [...(facts.hosts?.hosts.values() ?? [])].toSorted(byName).map((host) => viewHost(host, facts)),
  };
}

function viewPulls({ open, problem }: PullRequestsView): PullRequestsView {
  return { open, ...(problem !== undefined && { problem: redactText(problem) }) };
}

function viewWork([step, progress]: readonly [Step, string]): WorkView {
  const { host, kind } = step;
  return { host, subject: subjectOf(step), kind, ...(progress !== '' && { progress: redactText(progress) }) };
}

function viewReport(report: Report): ReportView {
  const { status, startedAt, durationMs, trigger, confirmation, supersededBy, inForce, error } = report;
  const pendingRestart = report.pendingRestart?.map(({ host, vm, reason, restart }) => ({
    host,
    vm,
    reason,
    restart,
  }));
  const { sha, subject, author, date } = report.revision;
  return {
    revision: { sha, subject: redactText(subject), author, date },
    status,
    startedAt,
    durationMs,
    trigger,
    ...viewSteps(report.steps),
    held: report.held.map(viewHeld),
    issues: report.issues.map(viewIssue),
    unknownHosts: report.unknownHosts.map(({ host, reason }) => ({ host, reason: redactText(reason) })),
    ...(report.unknownNames !== undefined && { unknownNames: redactText(report.unknownNames) }),
    ...(pendingRestart !== undefined && { pendingRestart }),
    ...(report.frozen !== undefined && { frozen: report.frozen }),
    ...(report.warnings !== undefined && { warnings: report.warnings.map(redactText) }),
    ...(confirmation !== undefined && { confirmation }),
    ...(supersededBy !== undefined && { supersededBy }),
    ...(inForce !== undefined && { inForce }),
    ...(error !== undefined && { error: { code: error.code, message: redactText(error.message) } }),
  };
}

function viewHeld({ host, subject, because, kind, reason }: Held): Held {
  return { host, subject, because, kind, reason: redactText(reason) };
}

function viewSteps(steps: readonly StepResult[]): Pick<ReportView, 'done' | 'skipped' | 'failed'> {
  const done: Partial<Record<StepKind, number>> = {};
  for (const { kind, outcome } of steps) if (outcome === 'done') done[kind] = (done[kind] ?? 0) + 1;
  return {
    done,
    skipped: steps.filter(({ outcome }) => outcome === 'skipped').length,
    failed: steps
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ host, subject, kind, error }) => ({
        host,
        subject,
        kind,
        code: error?.code ?? 'E_UNEXPECTED',
        message: redactText(error?.message ?? ''),
      })),
  };
}

function viewIssue({ file, line, column, message, hint }: Issue): Issue {
  return {
    file,
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    message: redactText(message),
    ...(hint !== undefined && { hint: redactText(hint) }),
  };
}

function viewHost(host: ObservedHost, { cluster, lastReport }: StatusFacts): HostView {
  const { name } = host;
  if (host.kind === 'known') {
    const waiting = lastReport?.pendingRestart?.filter((one) => one.host === name) ?? [];
    const reasons = new Map(waiting.map(({ vm, reason }) => [vm, reason]));
    const vms = host.vms.toSorted(byName).map((vm) => viewVm(vm, cluster, reasons.get(vm.name)));
    return { kind: 'known', name, vms };
  }
  const { reason, isOffline, lastSeen } = host;
  return {
    kind: 'unknown',
    name,
    reason: redactText(reason),
    ...(isOffline && { offline: true }),
    ...(lastSeen !== undefined && { lastSeen: lastSeen.toSorted() }),
  };
}

function viewVm(vm: ObservedVm, cluster: string | undefined, pendingRestart: string | undefined): VmView {
  const { name, power, managedSave, mark, markError } = vm;
  const seen = {
    name,
    power,
    ...(managedSave && { managedSave }),
    ...(markError !== undefined && { markError: redactText(markError) }),
  };
  if (cluster === undefined) return seen;
  if (mark?.cluster !== cluster) return { ...seen, ours: false };
  const { state, snapshots, removed, from, to } = mark;
  const movesTo = to?.host ?? removed?.movedTo;
  const keptVolumes = viewKept(mark);
  return {
    ...seen,
    ours: true,
    state,
    ...(removed !== undefined && { purgeAfter: removed.purgeAfter }),
    ...(movesTo !== undefined && { movesTo }),
    ...(state === 'arriving' && from !== undefined && { movesFrom: from.host }),
    ...(pendingRestart !== undefined && { pendingRestart }),
    ...(keptVolumes.length > 0 && { keptVolumes }),
    ...(snapshots !== undefined && {
      snapshots: snapshots.map(viewSnapshot),
    }),
  };
}

function viewSnapshot({ name, at, state, consistency }: Snapshot) {
  return { name, at, state, ...(consistency !== undefined && { consistency }) };
}

function viewKept({ volumes }: Mark): KeptVolumeView[] {
  return volumes.flatMap(({ target, pool, name, retained }) =>
    retained === undefined
      ? []
      : [{ target, pool, name, since: retained.at, purgeAfter: retained.purgeAfter }],
  );
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
