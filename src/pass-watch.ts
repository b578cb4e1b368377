import type { ObservedState } from './core/observed.ts';
import type { Report } from './core/report.ts';
import type { Step } from './core/step.ts';
import type { Metrics } from './http/metrics.ts';
import type { OnProgress, ProgressEvent } from './reconcile/progress.ts';
import type { Deps } from './reconcile/reconcile.ts';
import type { Look } from './review/last-look.ts';

/** What is known from the passes so far. */
export interface Seen {
  readonly lastReport?: Report;
  readonly observed?: ObservedState;
  /** What the hosts were asked last, and showed. */
  readonly look?: Look;
  /** The commit that was planned last. */
  readonly inForce?: string;
  readonly cluster?: string;
  /** When the pass that runs now began, by `performance.now()`. */
  readonly passBegan?: number;
  /** Steps that are being made now, with what was last said of each. */
  readonly work?: ReadonlyMap<Step, string>;
}

/** Watches the passes: counts them for Prometheus, and keeps what the status shows. */
export interface PassWatch {
  readonly onProgress: OnProgress;
  seen(): Seen;
  /** The dependencies of a pass, with what goes through them counted and kept. */
  through(deps: Deps): Deps;
  /** Runs a pass, and keeps its report. */
  during(pass: () => Promise<Report>): Promise<Report>;
}

export function createPassWatch(metrics: Metrics): PassWatch {
  let seen: Seen = {};
  return {
    seen: () => seen,
    onProgress(event) {
      metrics.onProgress(event);
      seen = { ...seen, ...learntFrom(event, seen) };
    },
    async during(pass) {
      seen = { ...seen, passBegan: performance.now() };
      try {
        const report = await pass();
        seen = { ...seen, lastReport: report };
        return report;
      } finally {
        const { passBegan: _, ...rest } = seen;
        seen = rest;
      }
    },
    through: (deps) => ({
      ...deps,
      source: { ...deps.source, fetch: (signal) => timed(metrics, () => deps.source.fetch(signal)) },
      hosts: {
        ...deps.hosts,
        async observe(question, signal) {
          const observed = await deps.hosts.observe(question, signal);
          seen = { ...seen, observed, look: { question, observed } };
          metrics.observed(observed);
          return observed;
        },
      },
    }),
  };
}

function learntFrom(event: ProgressEvent, { lastReport, work = new Map() }: Seen): Seen {
  if (event.kind === 'step-begun') return { work: new Map(work).set(event.step, '') };
  if (event.kind === 'step-progress') return { work: new Map(work).set(event.step, event.message) };
  if (event.kind === 'step-ended')
    return { work: new Map([...work].filter(([step]) => step !== event.step)) };
  if (event.kind === 'planned') return { inForce: event.revision.sha, cluster: event.cluster };
  if (event.kind === 'recorded' && !followsRefusal(lastReport, event.report))
    return { lastReport: event.report };
  return {};
}

/** After a refusal comes a pass for the commit in force: that all is well with that one must not hide the refusal. */
function followsRefusal(refused: Report | undefined, report: Report): boolean {
  return refused?.status === 'refused' && refused.inForce === report.revision.sha;
}

async function timed<T>(metrics: Metrics, fetch: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const end = (outcome: 'done' | 'failed') => metrics.gitFetched(performance.now() - began, outcome);
  try {
    const fetched = await fetch();
    end('done');
    return fetched;
  } catch (error) {
    end('failed');
    throw error;
  }
}
