import type { Config } from '../../src/config.ts';
import type { Report } from '../../src/core/report.ts';
import { createLogger } from '../../src/log.ts';
import type { ProgressEvent } from '../../src/reconcile/progress.ts';
import { type Service, startService } from '../../src/service.ts';
import { waitFor } from '../lab/wait.ts';

/** When what happened in one pass; of `Date.now()`, which files' times can be compared with. */
export interface PassTimes {
  readonly sha: string;
  readonly observingAt: number;
  /** From the question to the hosts to the plan. */
  readonly judgedMs: number;
  readonly recordedAt: number;
  readonly report: Report;
}

/** The operator, in this process, with a stop-watch at its own progress events. */
export interface WatchedOperator {
  readonly service: Service;
  /** Passes that have ended, in order. */
  readonly passes: readonly PassTimes[];
  /** Waits until a pass over that commit has ended `applied`. */
  applied(sha: string, timeoutMs?: number): Promise<PassTimes>;
  /** Waits until no pass runs and every note is at the remote. */
  idle(): Promise<void>;
  /** Asks for a pass, and waits until one that began after that has ended. */
  pass(): Promise<PassTimes>;
}

const TIMEOUT_MS = 120_000;

/** Starts it; `onObserving` is told of each pass just before the hosts are asked. */
export async function startWatched(
  config: Config,
  onObserving: (sha: string) => void = () => {},
): Promise<WatchedOperator> {
  const watch = watchPasses(onObserving);
  const service = await startService(config, {
    log: createLogger({ level: config.logLevel }),
    onProgress: watch.onProgress,
  });
  const { passes } = watch;
  const applied = (sha: string, timeoutMs = TIMEOUT_MS) =>
    waitFor(`${sha} to be applied`, () => passes.find((pass) => pass.sha === sha && isApplied(pass)), {
      timeoutMs,
      intervalMs: 2,
    });
  const isIdle = async () => {
    const { running, notesPending } = await service.status();
    return !running && notesPending === 0;
  };
  return {
    service,
    passes,
    applied,
    idle: async () =>
      void (await waitFor('the operator to be idle', isIdle, { timeoutMs: TIMEOUT_MS, intervalMs: 2 })),
    pass: () => {
      const before = passes.length;
      service.ask('bench');
      return waitFor('a pass', () => passes[before], { timeoutMs: TIMEOUT_MS, intervalMs: 2 });
    },
  };
}

function isApplied({ report: { status, steps } }: PassTimes): boolean {
  const failed = steps.find(({ outcome }) => outcome === 'failed');
  if (failed !== undefined || status === 'refused')
    throw new Error(`the commit is ${status}: ${failed?.error?.message ?? ''}`);
  return status === 'applied';
}

/** Puts an operator's progress events together to passes. */
export function watchPasses(onObserving: (sha: string) => void = () => {}) {
  const passes: PassTimes[] = [];
  let observingAt = 0;
  let began = 0;
  let judgedMs = 0;
  const onProgress = (event: ProgressEvent): void => {
    if (event.kind === 'observing') {
      observingAt = Date.now();
      began = performance.now();
      onObserving(event.revision.sha);
    }
    if (event.kind === 'planned') judgedMs = performance.now() - began;
    if (event.kind === 'recorded') {
      const { report } = event;
      passes.push({ sha: report.revision.sha, observingAt, judgedMs, recordedAt: Date.now(), report });
    }
  };
  return { passes, onProgress };
}
