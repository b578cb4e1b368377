import pLimit from 'p-limit';
import type { StepOutcome, StepResult } from '../core/report.ts';
import type { Step } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Hosts } from '../ports.ts';
import type { OnProgress } from './progress.ts';

/** How much is done at once. */
export interface Concurrency {
  readonly hosts: number;
  readonly vmsPerHost: number;
}

export interface ApplyOptions {
  readonly concurrency: Concurrency;
  /** Aborted: steps that are not begun are skipped; a step that is begun is finished. */
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/**
 * Carries out a plan: hosts in parallel, on each host a few VMs at once, the steps of one VM in order. A step that
 * fails ends its VM's steps and nothing else. Never throws for a step; results are in the order of `steps`.
 */
export async function applyAll(
  hosts: Hosts,
  steps: readonly Step[],
  options: ApplyOptions,
): Promise<StepResult[]> {
  const { concurrency } = options;
  const hostLimit = pLimit(concurrency.hosts);
  const onHost = (own: readonly Step[]) => {
    const vmLimit = pLimit(concurrency.vmsPerHost);
    const groups = [...groupBy(own, ({ uuid }) => uuid).values()];
    return Promise.all(groups.map((group) => vmLimit(() => applyInOrder(hosts, group, options))));
  };
  const perHost = [...groupBy(steps, ({ host }) => host).values()];
  const results = await Promise.all(perHost.map((own) => hostLimit(() => onHost(own))));
  const byStep = new Map(results.flat(2));
  return steps.flatMap((step) => byStep.get(step) ?? []);
}

function groupBy(steps: readonly Step[], key: (step: Step) => string): Map<string, Step[]> {
  const groups = new Map<string, Step[]>();
  for (const step of steps) {
    const group = groups.get(key(step));
    if (group === undefined) groups.set(key(step), [step]);
    else group.push(step);
  }
  return groups;
}

async function applyInOrder(
  hosts: Hosts,
  steps: readonly Step[],
  options: ApplyOptions,
): Promise<[Step, StepResult][]> {
  const results: [Step, StepResult][] = [];
  let blocked = false;
  for (const step of steps) {
    const result: StepResult =
      blocked || options.signal.aborted ? skipped(step) : await applyOne(hosts, step, options);
    blocked ||= result.outcome !== 'done';
    results.push([step, result]);
  }
  return results;
}

async function applyOne(hosts: Hosts, step: Step, { onProgress }: ApplyOptions): Promise<StepResult> {
  const began = performance.now();
  const result = (outcome: StepOutcome): StepResult => ({
    ...named(step),
    outcome,
    durationMs: Math.round(performance.now() - began),
  });
  onProgress({ kind: 'step-begun', step });
  try {
    await hosts.apply(step, (message) => onProgress({ kind: 'step-progress', step, message }));
    const done = result('done');
    onProgress({ kind: 'step-ended', step, result: done });
    return done;
  } catch (error) {
    const code = error instanceof OperatorError ? error.code : 'E_UNEXPECTED';
    const failed = { ...result('failed'), error: { code, message: errorMessage(error) } };
    onProgress({ kind: 'step-ended', step, result: failed, error });
    return failed;
  }
}

function skipped(step: Step): StepResult {
  return { ...named(step), outcome: 'skipped', durationMs: 0 };
}

function named({ host, vm, kind, reason }: Step): Pick<StepResult, 'host' | 'vm' | 'kind' | 'reason'> {
  return { host, vm, kind, reason };
}
