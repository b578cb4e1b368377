import { setTimeout as delay } from 'node:timers/promises';
import type { DesiredState } from '../core/desired.ts';
import { arrangeFleet, type OwnedVm } from '../core/fleet.ts';
import type { KnownHost } from '../core/observed.ts';
import type { Report } from '../core/report.ts';
import type { SnapshotAction, SnapshotRequest } from '../core/snapshot.ts';
import { snapshotStep } from '../core/snapshot-command.ts';
import type { RequestStep } from '../core/step.ts';
import { OperatorError } from '../errors.ts';
import type { Operator } from '../operator.ts';
import { questionFor } from '../reconcile/reconcile.ts';
import { lockState, type StateLock } from '../state/lock.ts';
import { asksAndHears } from './ask.ts';
import { type GlobalOptions, numberOf, print, printJson } from './options.ts';
import { abortOnSignals, type Session, withOperator } from './session.ts';
import { snapshotLines, snapshotRows } from './snapshot-text.ts';

interface SnapshotOptions extends GlobalOptions {
  readonly yes?: boolean;
  readonly stop?: boolean;
  readonly discardNewer?: boolean;
  /** Seconds. */
  readonly timeout: string;
}

const LOOK_EVERY_MS = 500;

/** `snapshot VM list|create|delete|revert [NAME]` */
export function runSnapshotCommand(
  args: { readonly vm: string; readonly action: string; readonly name: string | undefined },
  options: SnapshotOptions,
): Promise<number> {
  const { vm, action, name } = args;
  if (action === 'list') return listSnapshots(vm, options);
  if (name === undefined)
    throw new OperatorError('E_USAGE', `say which snapshot: snapshot ${vm} ${action} NAME`);
  if (action === 'create' || action === 'delete' || action === 'revert')
    return changeSnapshot(action, { vm, name }, options);
  throw new OperatorError('E_USAGE', `${action} is nothing that is done with a snapshot`);
}

function listSnapshots(vm: string, options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const signal = abortOnSignals();
    const desired = await desiredOf(operator, signal);
    const owned = await findVm(operator, desired, vm, signal);
    const host = await withVolumes(operator, desired, owned, signal);
    const rows = snapshotRows(owned, host);
    if (options.json) printJson(rows);
    else for (const line of snapshotLines(owned, rows)) print(line);
    return 0;
  });
}

/**
 * Takes, merges, or goes back to a snapshot. A running operator is asked to, through the VM's metadata, and waited for;
 * where none runs, it is done here, and what is cut short a later pass finishes.
 */
function changeSnapshot(
  action: SnapshotAction,
  { vm, name }: { readonly vm: string; readonly name: string },
  options: SnapshotOptions,
): Promise<number> {
  return withOperator(options, async (session) => {
    const signal = abortOnSignals();
    const timeoutMs = numberOf('--timeout', options.timeout) * 1000;
    const { operator } = session;
    const desired = await desiredOf(operator, signal);
    const owned = await findVm(operator, desired, vm, signal);
    const request = requestFor({ action, snapshot: name }, owned, operator);
    const declared = desired.vms.get(vm)?.snapshots ?? [];
    const step = snapshotStep(owned, request.request, { ...options, declared });
    if (action === 'revert') {
      print(
        `${vm} on ${owned.host} goes back to ${name} of ${at(owned, name)}: what was written since is lost for good`,
      );
      if (options.yes !== true && !(await asksAndHears(vm, `go back to ${name}`))) {
        print('nothing was changed');
        return 1;
      }
    }
    const lock = await lockIfFree(session.config.stateDir);
    if (lock === undefined) return await askOperator(session, { desired, request, timeoutMs, signal });
    try {
      await operator.deps.hosts.apply(step, (message) => process.stderr.write(`${message}\n`));
    } finally {
      await lock.release();
    }
    print(outcome(request));
    return 0;
  });
}

function at({ mark }: OwnedVm, name: string): string {
  return mark.snapshots?.find((snapshot) => snapshot.name === name)?.at ?? 'an unknown time';
}

async function lockIfFree(dir: string): Promise<StateLock | undefined> {
  try {
    return await lockState(dir);
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'E_STATE_LOCKED') return undefined;
    throw error;
  }
}

interface Waiting {
  readonly desired: DesiredState;
  readonly request: RequestStep;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Done when the operator has struck the request off; what fails or waits it tries again by itself. */
async function askOperator({ operator }: Session, waiting: Waiting): Promise<number> {
  const { desired, request, timeoutMs, signal } = waiting;
  const { hosts, journal } = operator.deps;
  await hosts.apply(request, () => undefined);
  process.stderr.write('asked the running operator\n');
  const until = performance.now() + timeoutMs;
  let told: string | undefined;
  for (;;) {
    await delay(LOOK_EVERY_MS, undefined, { signal });
    const { vm } = await findVm(operator, desired, request.vm, signal);
    if (vm.request?.at !== request.request.at) {
      print(outcome(request));
      return 0;
    }
    const { failure, hold } = sinceAsked(await journal.last(), request);
    if (failure !== undefined) {
      print(`${failure}\nthe operator tries again by itself`);
      return 1;
    }
    if (hold !== undefined && hold !== told) process.stderr.write(`it waits: ${hold}\n`);
    told = hold;
    if (performance.now() < until) continue;
    print(
      `${request.reason} of ${request.vm} is not done within ${timeoutMs / 1000} s${hold === undefined ? '' : `: ${hold}`}\n` +
        'it stays asked for: the operator does it as soon as it can',
    );
    return 1;
  }
}

/** What came of the request, and what holds its VM back; passes that come to the same as the one before are not written. */
function sinceAsked(
  last: Report | undefined,
  { host, vm, request }: RequestStep,
): { readonly failure?: string | undefined; readonly hold?: string | undefined } {
  if (last === undefined) return {};
  const failed = last.steps.find(({ subject, outcome: how }) => subject === vm && how === 'failed');
  return {
    failure:
      failed && last.startedAt >= request.at
        ? `${failed.kind} of ${vm} failed: ${failed.error?.message}`
        : undefined,
    hold: last.held.find((held) => held.host === host && held.subject === vm)?.reason,
  };
}

function outcome({ vm, request: { action, snapshot } }: RequestStep): string {
  if (action === 'create') return `${snapshot} of ${vm} is taken`;
  if (action === 'delete') return `${snapshot} of ${vm} is merged into the disks, and gone`;
  return `${vm} is back at ${snapshot}, and shut off: with power on in git, a running operator starts it`;
}

function requestFor(
  wanted: Pick<SnapshotRequest, 'action' | 'snapshot'>,
  owned: OwnedVm,
  { deps }: Operator,
): RequestStep {
  const { host, vm, mark } = owned;
  const { uuid } = vm;
  return {
    kind: 'request',
    host,
    vm: vm.name,
    uuid,
    cluster: mark.cluster,
    reason: `${wanted.action} ${wanted.snapshot}`,
    request: { uuid, ...wanted, at: deps.clock.now().toISOString() },
  };
}

async function desiredOf({ deps }: Operator, signal: AbortSignal): Promise<DesiredState> {
  const built = deps.build((await deps.source.accepted()) ?? (await deps.source.fetch(signal)));
  if (built.ok) return built.desired;
  throw new OperatorError('E_USAGE', 'no commit has been accepted yet: no VM is known');
}

async function findVm(
  { deps }: Operator,
  desired: DesiredState,
  name: string,
  signal: AbortSignal,
): Promise<OwnedVm> {
  const observed = await deps.hosts.observe(questionFor(desired), signal);
  const copies = arrangeFleet(desired.cluster, observed).owned.filter(({ vm }) => vm.name === name);
  const [owned, ...others] = copies;
  if (owned !== undefined && others.length === 0) return owned;
  const why = owned === undefined ? 'no known host has it as ours' : 'it is on several hosts';
  throw new OperatorError('E_USAGE', `${name}: ${why}`);
}

/** The VM's host, asked for what its snapshots take up. */
async function withVolumes(
  { deps }: Operator,
  desired: DesiredState,
  { host, mark }: OwnedVm,
  signal: AbortSignal,
): Promise<KnownHost | undefined> {
  const overlays = (mark.snapshots ?? []).flatMap(({ disks }) => disks);
  const volumes = overlays.map(({ pool, overlay }) => ({ pool, name: overlay }));
  const observed = await deps.hosts.observe({ ...questionFor(desired), volumes }, signal);
  const found = observed.hosts.get(host);
  return found?.kind === 'known' ? found : undefined;
}
