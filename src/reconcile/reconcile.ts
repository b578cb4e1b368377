import { type Assessment, assess, refusals } from '../core/assess.ts';
import { holdForCapacity } from '../core/capacity-check.ts';
import type { DesiredState } from '../core/desired.ts';
import { imageKey, isBrought } from '../core/images.ts';
import { leftAlone, nextChange, openFreezes } from '../core/left-alone.ts';
import { type ObservedState, volumeKey } from '../core/observed.ts';
import type { Report } from '../core/report.ts';
import type { Order, Suspension } from '../core/suspension.ts';
import type {
  Clock,
  Confirmations,
  Control,
  Hosts,
  ImageStore,
  Journal,
  Notes,
  Question,
  Snapshot,
  Source,
} from '../ports.ts';
import { ADMITTED, type Admission, admit, admitByMarks } from './admit.ts';
import { applyAll } from './apply-all.ts';
import type { AskedGuests } from './asked-guests.ts';
import type { Builder } from './builder.ts';
import type { OnProgress } from './progress.ts';
import { recordSkippedCommits, recordWithOrders } from './record.ts';
import {
  type Findings,
  type PassFacts,
  reportFailure,
  reportFindings,
  reportUnreadable,
  unreadableRevision,
} from './report-pass.ts';
import type { RestartLimiter } from './restart-limiter.ts';
import type { RetryPacer } from './retry-pacer.ts';
import { type Concurrency } from './slots.ts';
import { createStepGate } from './step-gate.ts';
import { supersededBy } from './superseded.ts';

export interface Deps {
  readonly source: Source;
  readonly hosts: Hosts;
  readonly journal: Journal;
  readonly notes: Notes;
  readonly images: ImageStore;
  readonly confirmations: Confirmations;
  /** A branch that was rewritten or taken back is followed without a confirmation. */
  readonly allowRewind: boolean;
  readonly control: Control;
  readonly restarts: RestartLimiter;
  readonly retries: RetryPacer;
  readonly asked: AskedGuests;
  readonly clock: Clock;
  readonly build: Builder;
  readonly concurrency: Concurrency;
  readonly onProgress: OnProgress;
}

export interface PassRequest {
  /** What asked for the pass: `poll`, `webhook`, `host event`, ... */
  readonly trigger: string;
  /** Aborted: no new step is begun and the pass ends. The reason `Superseded` means that a newer commit waits. */
  readonly signal: AbortSignal;
  /** Told which commit is the branch's newest, as soon as that is known. */
  readonly onHead?: (sha: string) => void;
  /** Told of each report: a pass has two where the newest commit is refused and another one is in force. */
  readonly onReport?: (report: Report) => void;
}

/**
 * One pass: fetch, build, observe, plan, apply, record. Safe to run again at any point. A commit is accepted or refused
 * whole; a refused one leaves the last accepted one in force, and the hosts are held to that.
 */
export async function reconcile(deps: Deps, asked: PassRequest): Promise<Report> {
  const request = { ...asked, orders: await deps.control.orders() };
  const inForce = await deps.source.accepted();
  let head: Snapshot;
  try {
    head = await deps.source.fetch(request.signal);
  } catch (error) {
    return withoutHead(deps, request, inForce, error);
  }
  request.onHead?.(head.revision.sha);
  await recordSkippedCommits(deps, head.revision);
  if (inForce?.revision.sha === head.revision.sha) {
    return pass(deps, request, { snapshot: head, accepted: true, isHead: true });
  }

  const candidate = {
    snapshot: head,
    accepted: false,
    isHead: true,
    ...(inForce && { inForce: inForce.revision.sha }),
  };
  let report: Report;
  try {
    report = await pass(deps, request, candidate);
  } catch (error) {
    if (!request.signal.aborted && (await isStillInForce(deps, inForce)))
      await holdTo(deps, withoutOrders(request), inForce);
    throw error;
  }
  if (report.status === 'refused') await holdTo(deps, withoutOrders(request), inForce);
  return report;
}

async function holdTo(deps: Deps, request: OrderedPass, inForce: Snapshot | undefined): Promise<void> {
  if (inForce !== undefined) await pass(deps, request, { snapshot: inForce, accepted: true, isHead: false });
}

/** The newest commit may have been accepted before its pass broke: nothing is to be taken back then. */
async function isStillInForce({ source }: Deps, inForce: Snapshot | undefined): Promise<boolean> {
  return (await source.accepted())?.revision.sha === inForce?.revision.sha;
}

/** A pass, with what people have told the operator before it began. */
interface OrderedPass extends PassRequest {
  readonly orders: ReadonlyMap<string, Order>;
}

/** The first report of a pass has told of them. */
function withoutOrders(request: OrderedPass): OrderedPass {
  return { ...request, orders: new Map() };
}

/**
 * A remote that is down, or a commit that cannot be read, stops new changes and nothing else: the hosts are held to the
 * commit in force all the same.
 */
async function withoutHead(
  deps: Deps,
  request: OrderedPass,
  inForce: Snapshot | undefined,
  error: unknown,
): Promise<Report> {
  const revision = unreadableRevision(error);
  const refused =
    revision &&
    (await recordWithOrders(
      deps,
      reportUnreadable({ ...request, revision, startedAt: deps.clock.now() }, error, inForce),
      { orders: request.orders, isHead: true },
    ));
  if (inForce !== undefined && !request.signal.aborted) {
    const rest = refused === undefined ? request : withoutOrders(request);
    await holdTo(deps, rest, inForce);
  }
  if (refused === undefined) {
    if (!request.signal.aborted) deps.onProgress({ kind: 'broken', error });
    throw error;
  }
  request.onHead?.(refused.revision.sha);
  return refused;
}

interface Candidate {
  readonly snapshot: Snapshot;
  /** It is in force: a host that has become too full since then holds back steps, and refuses nothing. */
  readonly accepted: boolean;
  /** It is the branch's newest commit, and not the one that is in force meanwhile. */
  readonly isHead: boolean;
  /** What stays in force when this one is refused. */
  readonly inForce?: string;
  /** What people have confirmed for it. */
  readonly confirmed?: readonly string[];
}

async function pass(deps: Deps, request: OrderedPass, candidate: Candidate): Promise<Report> {
  const facts: PassFacts = { ...request, revision: candidate.snapshot.revision, startedAt: deps.clock.now() };
  const told = { orders: request.orders, isHead: candidate.isHead };
  try {
    const findings = await admitAndApply(deps, request, candidate);
    const report = await recordWithOrders(deps, reportFindings(facts, findings, deps.clock.now()), told);
    request.onReport?.(report);
    return report;
  } catch (error) {
    // Told to stop before anything was begun: there is nothing to report.
    const isStopped = request.signal.aborted && supersededBy(request.signal) === undefined;
    if (!isStopped) await recordWithOrders(deps, reportFailure(facts, error, deps.clock.now()), told);
    throw error;
  }
}

/** What is in a commit counts only once it is clear that it may be the newest. */
async function admitAndApply(deps: Deps, request: PassRequest, candidate: Candidate): Promise<Findings> {
  if (candidate.accepted) return judgeAndApply(deps, request, candidate);
  const admission = await admit(deps, newcomer(candidate), request.signal);
  return admission.kind === 'refused'
    ? refusedBy(admission, candidate)
    : judgeAndApply(deps, request, withConfirmed(candidate, admission));
}

function newcomer({ snapshot, inForce }: Candidate) {
  return { sha: snapshot.revision.sha, ...(inForce !== undefined && { inForce }) };
}

function refusedBy({ refusal }: Extract<Admission, { kind: 'refused' }>, { inForce }: Candidate): Findings {
  return { kind: 'refused', issues: [], ...refusal, ...(inForce !== undefined && { inForce }) };
}

function withConfirmed(candidate: Candidate, { confirmed }: { readonly confirmed?: string }): Candidate {
  return confirmed === undefined
    ? candidate
    : { ...candidate, confirmed: [...(candidate.confirmed ?? []), confirmed] };
}

async function judgeAndApply(deps: Deps, request: PassRequest, candidate: Candidate): Promise<Findings> {
  const { snapshot, accepted, inForce } = candidate;
  const { revision } = snapshot;
  const built = deps.build(snapshot);
  if (!built.ok) return { kind: 'refused', issues: built.issues, ...(inForce && { inForce }) };
  const { desired } = built;

  deps.onProgress({ kind: 'observing', revision });
  const observed = await deps.hosts.observe(questionFor(desired), request.signal);
  const admission = accepted
    ? ADMITTED
    : await admitByMarks(deps, newcomer(candidate), { desired, observed });
  if (admission.kind === 'refused') return refusedBy(admission, candidate);
  const facts = { desired, observed, suspensions: await deps.control.suspensions() };
  const assessment = await judge(deps, withConfirmed(candidate, admission), facts);
  const issues = accepted ? [] : refusals(assessment, desired, observed);
  if (issues.length > 0) {
    const { confirmation } = assessment.plan;
    return {
      kind: 'refused',
      issues,
      ...(inForce && { inForce }),
      // Confirming the removals that wait may be what makes the room.
      ...(confirmation !== undefined && { confirmation }),
    };
  }
  if (!accepted) await deps.source.accept(revision.sha);
  return applyPlan(deps, request, { ...facts, assessment, candidate });
}

interface Judged extends Facts {
  readonly assessment: Assessment;
  readonly candidate: Candidate;
}

async function applyPlan(deps: Deps, { signal }: PassRequest, judged: Judged): Promise<Findings> {
  const { desired, observed, suspensions, assessment, candidate } = judged;
  const { plan, shortages, warnings } = assessment;
  const { revision } = candidate.snapshot;
  const now = deps.clock.now();
  const roomy = holdForCapacity(deps.asked.resume(plan), shortages);
  const todo = deps.retries.limit(deps.restarts.limit(roomy, now), revision.sha, now);
  const changesAt = nextChange(desired, suspensions, now);
  const planned = { cluster: desired.cluster, revision, plan: todo };
  deps.onProgress({ kind: 'planned', ...planned, ...(changesAt !== undefined && { changesAt }) });
  const { concurrency, onProgress, asked, control } = deps;
  const isPaused = createStepGate(todo.steps, { desired, observed, control, clock: deps.clock });
  const steps = await applyAll(deps.hosts, todo.steps, { concurrency, onProgress, asked, isPaused, signal });
  const made = todo.steps.filter((_, index) => steps[index]?.outcome === 'done');
  deps.restarts.remember(made, deps.clock.now());
  deps.retries.remember(revision.sha, steps, deps.clock.now());
  // Of the newest commit alone: while one is refused, its images are still wanted beside those of the one in force.
  if (candidate.isHead && !signal.aborted) await deps.images.keepNamed(desired);
  const frozen = openFreezes(desired, now);
  return { kind: 'applied', desired, observed, plan: todo, warnings, suspensions, frozen, steps };
}

interface Facts {
  readonly desired: DesiredState;
  readonly observed: ObservedState;
  readonly suspensions: readonly Suspension[];
}

/** Judges, and once more where a person has confirmed what the guards hold back. */
async function judge(
  deps: Deps,
  { snapshot, isHead, confirmed = [] }: Candidate,
  { desired, observed, suspensions }: Facts,
): Promise<Assessment> {
  const now = deps.clock.now();
  const pauses = leftAlone(desired, suspensions, now);
  const context = { now, commit: snapshot.revision.sha, pauses };
  const judged = assess(desired, observed, context);
  const { confirmation } = judged.plan;
  if (isHead) await deps.confirmations.keepOnly([...confirmed, ...(confirmation ? [confirmation] : [])]);
  if (confirmation === undefined || !(await deps.confirmations.has(confirmation))) return judged;
  return assess(desired, observed, { ...context, confirmed: confirmation });
}

/** What the hosts are asked for a revision: its images, and which hosts not to ask at all. */
export function questionFor(desired: DesiredState): Question {
  const offline = [...desired.hosts.values()].filter(({ state }) => state === 'offline');
  const images = [...desired.vms.values()].flatMap(({ bootDisk }) => bootDisk?.image ?? []);
  const volumes = images
    .filter(({ volume }) => volume !== '')
    .map((image) => ({ pool: image.pool, name: image.volume, isBrought: isBrought(image) }));
  return {
    offline: new Set(offline.map(({ name }) => name)),
    images: [...new Map(images.filter(isBrought).map((image) => [imageKey(image), image])).values()],
    volumes: [...new Map(volumes.map((volume) => [volumeKey(volume), volume])).values()],
  };
}
