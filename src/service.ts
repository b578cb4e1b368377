import { mkdir } from 'node:fs/promises';
import { Registry } from 'prom-client';
import type { Config } from './config.ts';
import { renderNote } from './core/note.ts';
import type { ObservedState } from './core/observed.ts';
import type { Report } from './core/report.ts';
import { errorMessage, OperatorError } from './errors.ts';
import { type FileWatch, watchFiles } from './file-watch.ts';
import { watchRemote } from './git/watch.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { buildServer, type Readiness } from './http/server.ts';
import { type StatusView, statusView } from './http/status-view.ts';
import type { Logger } from './log.ts';
import { createOperator, type Operator } from './operator.ts';
import { type Controller, createController } from './reconcile/controller.ts';
import { logProgress } from './reconcile/log-progress.ts';
import type { OnProgress } from './reconcile/progress.ts';
import { type Deps, reconcile } from './reconcile/reconcile.ts';
import { version } from './version.ts';

/** A pass that takes longer than this, with no end in sight, is reported as stuck. */
const STUCK_MS = 60 * 60_000;
const NOTES_FLUSH_MS = 10_000;
const NOTES_AT_START = 50;

/** The operator at work: the loop, its triggers and its HTTP face. */
export interface Service {
  /** Asks for a pass. */
  ask(trigger: string): void;
  /** Where the HTTP server listens. */
  readonly address: string;
  status(): StatusView;
  /** Finishes the steps that are begun, writes the notes that wait, and closes everything. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly log: Logger;
  readonly onProgress?: OnProgress;
}

/** What the status shows, as the events bring it. */
interface Memory {
  lastReport?: Report;
  observed?: ObservedState;
  inForce?: string;
  cluster?: string;
  passBegan?: number;
}

/** Starts the loop, the watches and the HTTP server. Throws where the config cannot work at all. */
export async function startService(config: Config, options: ServiceOptions): Promise<Service> {
  const { log } = options;
  const startedAt = new Date();
  const memory: Memory = {};
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const progress = logProgress(log);
  let controller: Controller | undefined;
  const ask = (trigger: string) => controller?.ask(trigger);

  const operator = await createOperator(config, {
    log,
    onHostEvent: () => ask('host event'),
    onProgress: (event) => {
      remember(memory, event);
      metrics.onProgress(event);
      progress(event);
      options.onProgress?.(event);
    },
  });
  const deps = observedBy(operator, metrics, memory);
  controller = createController({
    pass: async (request) => {
      memory.passBegan = performance.now();
      try {
        const report = await reconcile(deps, request);
        memory.lastReport = report;
        return report;
      } finally {
        delete memory.passBegan;
        metrics.notesPending(operator.notes?.pending ?? 0);
      }
    },
    newestCommit: async (signal) => (await deps.source.fetch(signal)).revision.sha,
    pollMs: config.pollMs,
    driftMs: config.driftMs,
    log,
    random: Math.random,
  });

  const status = () => viewStatus(config, operator, memory, { startedAt, controller });
  const server = buildServer({
    status,
    readiness: () => readiness(memory, controller),
    ask,
    metrics: registry,
    branch: config.git.branch,
    webhookSecret: config.http.webhookSecret && (() => config.http.webhookSecret?.reveal() ?? ''),
    log,
  });
  let address: string;
  const watches: (FileWatch | undefined)[] = [];
  try {
    address = await listen(server, config);
    watches.push(
      await watchRemote(operator.mirror.remote, (hint) =>
        hint === 'changed' ? ask('commit') : controller?.look(),
      ),
    );
    // A folder that is made later is not watched.
    await mkdir(operator.confirmations.folder, { recursive: true, mode: 0o700 });
    watches.push(await watchFiles(operator.confirmations.folder, () => ask('confirmation')));
    await putNotesAgain(operator);
  } catch (error) {
    for (const watch of watches) await watch?.close();
    await server.close();
    await operator.close();
    throw error;
  }
  controller.start();

  return {
    ask,
    address,
    status,
    async stop() {
      for (const watch of watches) await watch?.close();
      await controller.stop();
      await server.close();
      await operator.notes?.flush(AbortSignal.timeout(NOTES_FLUSH_MS));
      await operator.close();
    },
  };
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

function remember(memory: Memory, event: Parameters<OnProgress>[0]): void {
  if (event.kind === 'recorded' && !holdsTheLine(memory.lastReport, event.report)) {
    memory.lastReport = event.report;
  }
  if (event.kind === 'planned') {
    memory.inForce = event.revision.sha;
    memory.cluster = event.cluster;
  }
}

/** The pass that follows a refusal, for the commit in force: that all is well with that one must not hide the refusal. */
function holdsTheLine(refused: Report | undefined, report: Report): boolean {
  return refused?.status === 'refused' && refused.inForce === report.revision.sha;
}

/** The operator's dependencies, with what goes through them counted and kept for the status. */
function observedBy({ deps }: Operator, metrics: Metrics, memory: Memory): Deps {
  return {
    ...deps,
    source: {
      ...deps.source,
      async fetch(signal) {
        const began = performance.now();
        const outcome = (result: 'done' | 'failed') => metrics.gitFetched(performance.now() - began, result);
        try {
          const snapshot = await deps.source.fetch(signal);
          outcome('done');
          return snapshot;
        } catch (error) {
          outcome('failed');
          throw error;
        }
      },
    },
    hosts: {
      ...deps.hosts,
      async observe(question, signal) {
        const observed = await deps.hosts.observe(question, signal);
        memory.observed = observed;
        metrics.observed(observed);
        return observed;
      },
    },
  };
}

function readiness(memory: Memory, controller: Controller): Readiness {
  const { passes, lastError } = controller.state();
  if (passes === 0) return { ready: false, reason: 'the first pass has not ended yet' };
  if (memory.passBegan !== undefined && performance.now() - memory.passBegan > STUCK_MS) {
    return { ready: false, reason: 'a pass has been running for more than an hour' };
  }
  if (lastError !== undefined) return { ready: false, reason: 'the last pass failed; see the log' };
  return { ready: true, reason: 'passes end' };
}

function viewStatus(
  config: Config,
  operator: Operator,
  memory: Memory,
  { startedAt, controller }: { readonly startedAt: Date; readonly controller: Controller },
): StatusView {
  const { running, nextPassAt } = controller.state();
  return statusView({
    version,
    startedAt,
    remote: config.git.remote,
    branch: config.git.branch,
    cluster: memory.cluster,
    inForce: memory.inForce,
    running,
    nextPassAt,
    notesPending: operator.notes?.pending ?? 0,
    lastReport: memory.lastReport,
    hosts: memory.observed,
  });
}
