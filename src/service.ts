import { mkdir } from 'node:fs/promises';
import { Registry } from 'prom-client';
import type { Config } from './config.ts';
import { controlApi } from './control-api.ts';
import { renderNote } from './core/note.ts';
import type { Suspension } from './core/suspension.ts';
import { errorMessage, OperatorError } from './errors.ts';
import { type FileWatch, watchFiles } from './file-watch.ts';
import { watchRemote } from './git/watch.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { registerReceivers } from './http/receivers.ts';
import { buildServer, type Readiness } from './http/server.ts';
import { type StatusView, statusView } from './http/status-view.ts';
import type { WebhookSettings } from './http/webhook.ts';
import type { Logger } from './log.ts';
import { createOperator, type Operator, writeResults } from './operator.ts';
import { createPassWatch, type PassWatch, type Seen } from './pass-watch.ts';
import { openPullReviews } from './pull-reviews.ts';
import { createAlarm } from './reconcile/alarm.ts';
import { type Controller, type ControllerState, createController } from './reconcile/controller.ts';
import { logProgress } from './reconcile/log-progress.ts';
import type { OnProgress } from './reconcile/progress.ts';
import { reconcile } from './reconcile/reconcile.ts';
import type { Sight } from './review/pull-plan.ts';
import type { PullRequestsState } from './review/pull-requests.ts';
import type { ControlStore } from './state/control.ts';
import { version } from './version.ts';

/** A pass that takes longer than this, with no end in sight, is reported as stuck. */
const STUCK_MS = 60 * 60_000;
const FLUSH_MS = 10_000;
const NOTES_AT_START = 50;

/** The operator at work: the loop, its triggers and its HTTP face. */
export interface Service {
  /** Asks for a pass. */
  ask(trigger: string): void;
  /** Where the HTTP server listens. */
  readonly address: string;
  status(): Promise<StatusView>;
  /** Finishes the steps that are begun, writes the notes that wait, and closes everything. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly log: Logger;
  readonly onProgress?: OnProgress;
}

/** Starts the loop, the watches and the HTTP server. Throws where the config cannot work at all. */
export async function startService(config: Config, options: ServiceOptions): Promise<Service> {
  const { log } = options;
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const watch = createPassWatch(metrics);
  const alarm = createAlarm(() => controller.ask('end of a wait'));
  const setAlarm: OnProgress = (event) => {
    if (event.kind === 'planned') alarm.set(event.changesAt);
  };
  const progress = [watch.onProgress, setAlarm, logProgress(log), options.onProgress ?? (() => {})];
  const operator = await createOperator(config, {
    log,
    onHostEvent: () => controller.ask('host event'),
    onProgress: (event) => progress.forEach((tell) => tell(event)),
  });
  registerReceivers(registry, () => operator.notifier?.receivers() ?? []);
  let newest: string | undefined;
  const pulls = openPullReviews(config, operator, {
    sight: () => sightOf(watch.seen(), newest),
    log,
  });
  const controller = controllerOf(config, {
    operator,
    watch,
    metrics,
    log,
    onHead: (sha) => {
      newest = sha;
    },
    onEnd: () => pulls?.passEnded(),
  });
  const startedAt = new Date();
  const status = async () => {
    const suspensions = await operator.control.suspensions();
    const pullRequests = pulls?.state();
    const facts = { ...watch.seen(), ...controller.state(), suspensions, pullRequests };
    return viewStatus(config, operator, startedAt, facts);
  };
  const server = buildServer({
    status,
    readiness: () => readiness(watch.seen(), controller.state()),
    ask: (trigger) => controller.ask(trigger),
    askPulls: pulls && (() => pulls.ask()),
    onComment: pulls && ((pull, comment) => pulls.hear(pull, comment)),
    metrics: registry,
    branch: config.git.branch,
    webhook: webhookOf(config),
    control: controlApi(config, operator),
    log,
  });
  const close = async () => {
    await server.close();
    await writeResults(operator, AbortSignal.timeout(FLUSH_MS));
    await operator.close();
  };
  try {
    const address = await listen(server, config);
    const triggers = await openTriggers(operator, controller);
    await putNotesAgain(operator);
    controller.start();
    pulls?.start();
    const stop = async () => {
      await triggers.close();
      alarm.stop();
      await pulls?.stop();
      await controller.stop();
      await close();
    };
    return { ask: (trigger) => controller.ask(trigger), address, status, stop };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly operator: Operator;
  readonly watch: PassWatch;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Told which commit is the newest, and that a pass has ended. */
  readonly onHead: (sha: string) => void;
  readonly onEnd: () => void;
}

function controllerOf(config: Config, { operator, watch, metrics, log, onHead, onEnd }: Parts): Controller {
  const deps = watch.through(operator.deps);
  return createController({
    async pass(request) {
      const heard = (sha: string) => {
        onHead(sha);
        request.onHead?.(sha);
      };
      try {
        return await watch.during(() => reconcile(deps, { ...request, onHead: heard }));
      } finally {
        metrics.notesPending(operator.notes?.pending ?? 0);
        onEnd();
      }
    },
    newestCommit: async (signal) => (await deps.source.fetch(signal)).revision.sha,
    pollMs: config.pollMs,
    driftMs: config.driftMs,
    log,
    random: Math.random,
  });
}

/** Undefined: no pass has looked yet. */
function sightOf({ look }: Seen, newest: string | undefined): Sight | undefined {
  return look === undefined || newest === undefined ? undefined : { base: newest, look };
}

/** What wakes the loop from outside: pushes to a local remote, and what people tell it by commands. */
async function openTriggers({ mirror, control }: Operator, controller: Controller): Promise<FileWatch> {
  const remote = await watchRemote(mirror.remote, (hint) =>
    hint === 'changed' ? controller.ask('commit') : controller.look(),
  );
  // A folder that is made later is not watched.
  await mkdir(control.folder, { recursive: true, mode: 0o700 });
  const ordered = await watchFiles(control.folder, () => void hear(control, controller));
  return {
    async close() {
      await remote?.close();
      await ordered.close();
    },
  };
}

const ORDER_TRIGGERS = {
  suspend: 'suspension',
  resume: 'resume',
  expire: 'end of a wait',
  confirm: 'confirmation',
  reconcile: 'by hand',
} as const;

/** That orders are told and forgotten is no news. */
async function hear(control: ControlStore, controller: Controller): Promise<void> {
  // What cannot be read is met by the pass too, and reported.
  const newest = await control.waiting().then(
    (orders) => [...orders.values()].at(-1)?.kind,
    () => 'confirm' as const,
  );
  if (newest !== undefined) controller.ask(ORDER_TRIGGERS[newest]);
}

function webhookOf({ webhook }: Config): WebhookSettings | undefined {
  return webhook && { forge: webhook.forge, secret: () => webhook.secret.reveal() };
}

async function listen(server: ReturnType<typeof buildServer>, { http }: Config): Promise<string> {
  const { host, port } = http.listen;
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    const message = `http.listen: cannot listen on ${host}:${port}: ${errorMessage(cause)}`;
    throw new OperatorError('E_CONFIG_INVALID', message, { cause });
  }
}

/** Notes that were not pushed when the operator ended; those that the remote has cost nothing. */
async function putNotesAgain({ journal, notes }: Operator): Promise<void> {
  for (const sha of (await journal.commits()).slice(-NOTES_AT_START))
    notes?.put(sha, renderNote(await journal.of(sha)));
}

function readiness({ passBegan }: Seen, { passes, lastError }: ControllerState): Readiness {
  if (passes === 0) return { ready: false, reason: 'the first pass has not ended yet' };
  if (passBegan !== undefined && performance.now() - passBegan > STUCK_MS) {
    return { ready: false, reason: 'a pass has been running for more than an hour' };
  }
  if (lastError !== undefined) return { ready: false, reason: 'the last pass failed; see the log' };
  return { ready: true, reason: 'passes end' };
}

function viewStatus(
  config: Config,
  operator: Operator,
  startedAt: Date,
  {
    cluster,
    inForce,
    lastReport,
    observed,
    running,
    nextPassAt,
    lastError,
    failingSince,
    work,
    suspensions,
    pullRequests,
  }: Seen &
    ControllerState & {
      readonly suspensions: readonly Suspension[];
      readonly pullRequests: PullRequestsState | undefined;
    },
): StatusView {
  return statusView({
    version,
    startedAt,
    remote: config.git.remote,
    branch: config.git.branch,
    cluster,
    inForce,
    running,
    nextPassAt,
    notesPending: operator.notes?.pending ?? 0,
    problem: failingSince && { message: errorMessage(lastError), since: failingSince },
    lastReport,
    hosts: observed,
    work,
    suspensions,
    receivers: operator.notifier?.receivers(),
    pullRequests,
  });
}
