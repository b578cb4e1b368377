import type { Step, StepKind } from './step.ts';

/**
 * What a step means to those who use the VM.
 *   none      it goes on running, or is new
 *   restart   it is shut down and started again
 *   outage    it is shut down
 *   removal   what it takes away is kept until the date, and comes back by a revert of the commit
 *   deletion  what it takes away is gone for good
 */
export interface Impact {
  readonly kind: 'none' | 'restart' | 'outage' | 'removal' | 'deletion';
  /** Of a removal: ISO 8601, UTC; what it took is deleted after that. */
  readonly until?: string;
}

/** Every kind of step has its row. */
const IMPACTS: Readonly<Record<StepKind, Impact['kind']>> = {
  create: 'none',
  adopt: 'none',
  start: 'none',
  restart: 'restart',
  stop: 'outage',
  autostart: 'none',
  resize: 'none',
  grow: 'none',
  attach: 'none',
  detach: 'removal',
  reclaim: 'deletion',
  rewire: 'none',
  describe: 'none',
  seed: 'none',
  hostname: 'none',
  mark: 'none',
  remove: 'removal',
  restore: 'none',
  pool: 'none',
  image: 'none',
  purge: 'deletion',
  snapshot: 'none',
  merge: 'none',
  revert: 'deletion',
  request: 'none',
  // It is off while its disks are copied.
  depart: 'outage',
  receive: 'none',
  migrate: 'none',
  retire: 'none',
  abandon: 'none',
  recall: 'none',
  publish: 'none',
  release: 'none',
};

export function impactOf(step: Step): Impact {
  const kind = IMPACTS[step.kind];
  const until =
    step.kind === 'remove'
      ? step.mark.removed?.purgeAfter
      : step.kind === 'detach'
        ? step.retention.purgeAfter
        : undefined;
  return { kind, ...(until !== undefined && { until }) };
}
