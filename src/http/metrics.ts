import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import type { ObservedState, PowerState } from '../core/observed.ts';
import type { Report, Status } from '../core/report.ts';
import type { Held, Plan } from '../core/step.ts';
import type { OnProgress } from '../reconcile/progress.ts';

const PREFIX = 'kvm_gitops_';
const STATUSES: readonly Status[] = ['applied', 'partial', 'refused', 'superseded', 'failed'];
const REASONS: readonly Held['because'][] = [
  'guard',
  'unknown',
  'conflict',
  'capacity',
  'restarts',
  'dependency',
  'retry',
  'suspended',
  'frozen',
  'drift',
  'change',
];
const REFUSALS = ['manifests', 'rewind', 'signature'] as const;
const POWER_STATES: readonly PowerState[] = ['running', 'paused', 'shutoff', 'other'];
const PASS_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];
const FETCH_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What tells Prometheus of the operator. Labels are hosts, kinds and states: never a VM or a path, they would grow without end. */
export interface Metrics {
  /** Counts what a pass does; to be given every event. */
  readonly onProgress: OnProgress;
  /** Replaces what is said of the hosts. The VMs of an unknown host have no series: unknown is not zero. */
  readonly observed: (state: ObservedState) => void;
  readonly notesPending: (count: number) => void;
  readonly notesPushFailed: () => void;
  readonly gitFetched: (durationMs: number, outcome: 'done' | 'failed') => void;
}

/** Registers every metric, and those of the process, in `registry`. Once for each registry. */
export function createMetrics(registry: Registry): Metrics {
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const passes = passMetrics(registry);
  return {
    onProgress: (event) => {
      if (event.kind === 'planned') passes.planned(event.plan);
      if (event.kind === 'recorded') passes.recorded(event.report);
      if (event.kind === 'recorded' && event.isHead) passes.newest(event.report);
    },
    observed: hostMetrics(registry),
    ...gitMetrics(registry),
  };
}

function passMetrics(registry: Registry) {
  const registers = [registry];
  const duration = new Histogram({
    name: `${PREFIX}pass_duration_seconds`,
    help: 'How long passes took, by how they ended.',
    labelNames: ['status'],
    buckets: PASS_BUCKETS,
    registers,
  });
  const total = new Counter({
    name: `${PREFIX}passes_total`,
    help: 'Passes by how they ended; superseded counts commits that came and went between two passes too.',
    labelNames: ['status'],
    registers,
  });
  const steps = new Counter({
    name: `${PREFIX}steps_total`,
    help: 'Steps of plans by kind and outcome.',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const held = new Gauge({
    name: `${PREFIX}held`,
    help: 'Changes that the newest plan does not make, by why.',
    labelNames: ['because'],
    registers,
  });
  const lastSuccess = new Gauge({
    name: `${PREFIX}last_success_timestamp_seconds`,
    help: 'When a pass last left every host as git wants it; 0: not since the start.',
    registers,
  });
  const refused = new Gauge({
    name: `${PREFIX}refused`,
    help: '1: the newest commit is refused, by why: its manifests, the branch was rewritten or taken back, or a signature.',
    labelNames: ['because'],
    registers,
  });
  const newest = (report: Report) => {
    for (const because of REFUSALS) refused.set({ because }, because === refusalOf(report) ? 1 : 0);
  };
  for (const because of REFUSALS) refused.set({ because }, 0);
  for (const status of STATUSES) total.inc({ status }, 0);
  for (const because of REASONS) held.set({ because }, 0);

  const planned = (plan: Plan) => {
    for (const because of REASONS) {
      held.set({ because }, plan.held.filter((change) => change.because === because).length);
    }
  };
  const recorded = (report: Report) => {
    const { status, durationMs } = report;
    total.inc({ status });
    duration.observe({ status }, durationMs / 1000);
    for (const { kind, outcome } of report.steps) steps.inc({ kind, outcome });
    if (status === 'applied') lastSuccess.set((Date.parse(report.startedAt) + durationMs) / 1000);
  };
  return { planned, recorded, newest };
}

function refusalOf({ status, error }: Report): (typeof REFUSALS)[number] | undefined {
  if (status !== 'refused') return undefined;
  if (error?.code === 'E_GIT_SIGNATURE') return 'signature';
  return error?.code === 'E_GIT_REWIND' ? 'rewind' : 'manifests';
}

function hostMetrics(registry: Registry): Metrics['observed'] {
  const registers = [registry];
  const up = new Gauge({
    name: `${PREFIX}host_up`,
    help: '1: the host answered when it was last asked; 0: it is unknown.',
    labelNames: ['host'],
    registers,
  });
  const offline = new Gauge({
    name: `${PREFIX}host_offline`,
    help: '1: cluster.yaml says that the host is offline, so it is not asked; 0: it is to answer.',
    labelNames: ['host'],
    registers,
  });
  const vms = new Gauge({
    name: `${PREFIX}vms`,
    help: 'VMs on a host by power state, ours and others.',
    labelNames: ['host', 'state'],
    registers,
  });
  return ({ hosts }) => {
    up.reset();
    offline.reset();
    vms.reset();
    for (const host of hosts.values()) {
      up.set({ host: host.name }, host.kind === 'known' ? 1 : 0);
      offline.set({ host: host.name }, host.kind === 'unknown' && host.isOffline ? 1 : 0);
      if (host.kind === 'unknown') continue;
      for (const state of POWER_STATES) {
        vms.set({ host: host.name, state }, host.vms.filter(({ power }) => power === state).length);
      }
    }
  };
}

function gitMetrics(registry: Registry): Pick<Metrics, 'notesPending' | 'notesPushFailed' | 'gitFetched'> {
  const registers = [registry];
  const pending = new Gauge({
    name: `${PREFIX}notes_pending`,
    help: 'Git notes that are not on the remote yet.',
    registers,
  });
  const pushFailures = new Counter({
    name: `${PREFIX}notes_push_failures_total`,
    help: 'Pushes of git notes that failed; each is tried again.',
    registers,
  });
  const fetches = new Histogram({
    name: `${PREFIX}git_fetch_duration_seconds`,
    help: 'How long fetches from the git remote took.',
    labelNames: ['outcome'],
    buckets: FETCH_BUCKETS,
    registers,
  });
  return {
    notesPending: (count) => pending.set(count),
    notesPushFailed: () => pushFailures.inc(),
    gitFetched: (durationMs, outcome) => fetches.observe({ outcome }, durationMs / 1000),
  };
}
