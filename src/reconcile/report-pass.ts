import type { DesiredState } from '../core/desired.ts';
import type { Issue } from '../core/issue.ts';
import type { ObservedState } from '../core/observed.ts';
import { pendingAddresses } from '../core/pending-addresses.ts';
import type { Report, Revision, Status, StepResult } from '../core/report.ts';
import { type PendingRestart, pendingRestarts } from '../core/size.ts';
import { endsRun, type Plan } from '../core/step.ts';
import type { Suspension } from '../core/suspension.ts';
import { ERRORS, errorMessage, OperatorError } from '../errors.ts';
import type { Snapshot } from '../ports.ts';
import { supersededBy } from './superseded.ts';

export interface PassFacts {
  readonly revision: Revision;
  readonly trigger: string;
  readonly signal: AbortSignal;
  readonly startedAt: Date;
}

/** How a pass that did not break ended. */
export type Findings =
  | {
      readonly kind: 'refused';
      readonly issues: readonly Issue[];
      readonly inForce?: string;
      readonly confirmation?: string;
      /** Why the commit is not looked into at all. */
      readonly error?: NonNullable<Report['error']>;
    }
  | Applied;

interface Applied {
  readonly kind: 'applied';
  readonly desired: DesiredState;
  readonly observed: ObservedState;
  readonly plan: Plan;
  readonly warnings: readonly string[];
  readonly suspensions: readonly Suspension[];
  /** The windows that are open, in words. */
  readonly frozen: readonly string[];
  readonly steps: readonly StepResult[];
}

/** The report of a pass that ran through. */
export function reportFindings(facts: PassFacts, findings: Findings, now: Date): Report {
  const empty = { ...base(facts, now), steps: [], held: [], issues: [], unknownHosts: [] };
  if (findings.kind === 'refused') {
    const { issues, inForce, confirmation, error } = findings;
    return {
      ...empty,
      status: 'refused',
      issues,
      ...(inForce !== undefined && { inForce }),
      ...(confirmation !== undefined && { confirmation }),
      ...(error !== undefined && { error }),
    };
  }
  const { plan, steps } = findings;
  const unknown = unknownHosts(findings.desired, findings.observed);
  const unknownNames =
    findings.observed.names?.kind === 'unknown' ? findings.observed.names.reason : undefined;
  const waiting = waitForRestart(findings);
  const newer = steps.some(({ outcome }) => outcome === 'skipped') ? supersededBy(facts.signal) : undefined;
  return {
    ...empty,
    status:
      newer === undefined
        ? appliedStatus(plan, steps, unknownNames !== undefined || unknown.some(({ matters }) => matters))
        : 'superseded',
    steps,
    held: plan.held,
    unknownHosts: unknown.map(({ host, reason, isOffline }) => ({
      host,
      reason,
      ...(isOffline && { isOffline }),
    })),
    ...(findings.frozen.length > 0 && { frozen: findings.frozen }),
    ...(findings.suspensions.length > 0 && { suspensions: findings.suspensions }),
    ...(findings.warnings.length > 0 && { warnings: findings.warnings }),
    ...(unknownNames !== undefined && { unknownNames }),
    ...(waiting.length > 0 && { pendingRestart: waiting }),
    ...(plan.confirmation !== undefined && { confirmation: plan.confirmation }),
    ...(newer !== undefined && { supersededBy: newer }),
  };
}

/** Of VMs that have ended their run since the hosts were looked at, and those whose definition is not right yet, nothing is said. */
function waitForRestart({ desired, observed, plan, steps }: Applied): PendingRestart[] {
  const ended = steps.filter((step) => step.outcome === 'done' && endsRun(step));
  const undone = [...steps.filter(({ outcome }) => outcome !== 'done'), ...plan.held];
  const silent = [...ended, ...undone.filter(({ kind }) => kind !== 'restart' && kind !== 'start')];
  const keys = new Set(silent.map(({ host, subject }) => `${host}/${subject}`));
  const pending = [...pendingRestarts(desired.vms, observed), ...pendingAddresses(desired.vms, observed)];
  return pending.filter(({ host, vm }) => !keys.has(`${host}/${vm}`));
}

/** The report of a pass that broke, or was stopped before it could plan. */
export function reportFailure(facts: PassFacts, error: unknown, now: Date): Report {
  const empty = { ...base(facts, now), steps: [], held: [], issues: [], unknownHosts: [] };
  const newer = supersededBy(facts.signal);
  if (newer !== undefined) return { ...empty, status: 'superseded', supersededBy: newer };
  const code = error instanceof OperatorError ? error.code : 'E_UNEXPECTED';
  return { ...empty, status: 'failed', error: { code, message: errorMessage(error) } };
}

/** The commit that an error of the source is about: it is there, and it is too large or is no text. */
export function unreadableRevision(error: unknown): Revision | undefined {
  if (!(error instanceof OperatorError) || ERRORS[error.code].reaction !== 'wait-for-commit')
    return undefined;
  const { sha, subject = '', author = '', date = '' } = error.context;
  return sha === undefined ? undefined : { sha, subject, author, date };
}

/** The report of a commit whose files cannot be read at all. */
export function reportUnreadable(facts: PassFacts, error: unknown, inForce: Snapshot | undefined): Report {
  const issue = { file: '.', message: errorMessage(error) };
  const findings: Findings = {
    kind: 'refused',
    issues: [issue],
    ...(inForce && { inForce: inForce.revision.sha }),
  };
  return reportFindings(facts, findings, facts.startedAt);
}

function base({ revision, trigger, startedAt }: PassFacts, now: Date) {
  const durationMs = now.getTime() - startedAt.getTime();
  return { v: 1, revision, trigger, startedAt: startedAt.toISOString(), durationMs } as const;
}

function appliedStatus(plan: Plan, steps: readonly StepResult[], blind: boolean): Status {
  // Drift that is only reported came after the commit was applied: nothing of it is left to do.
  const waits = plan.held.some(({ because }) => because !== 'drift');
  const complete = !waits && steps.every(({ outcome }) => outcome === 'done');
  return complete && !blind ? 'applied' : 'partial';
}

/** `matters`: git wants something of it or it may have what git dropped, and it was not declared offline. */
function unknownHosts(desired: DesiredState, observed: ObservedState) {
  const used = new Set([...desired.vms.values()].map(({ host }) => host));
  return [...observed.hosts.values()].flatMap((host) =>
    host.kind === 'unknown'
      ? [
          {
            host: host.name,
            reason: host.reason,
            isOffline: host.isOffline,
            matters:
              (used.has(host.name) || host.lastSeen?.length !== 0) &&
              desired.hosts.get(host.name)?.state !== 'offline',
          },
        ]
      : [],
  );
}
