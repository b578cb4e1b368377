import pLimit from 'p-limit';
import type { StepOutcome, StepResult } from '../core/report.ts';
import type { Step } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Hosts } from '../ports.ts';
import type { OnProgress } from './progress.ts';

export interface ApplyOptions {
  /** VMs of one host that are worked on at once. */
  readonly vmsPerHost: number;
  /** Aborted: steps that are not begun are skipped; a step that is begun is finished. */
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/**
 * Carries out a plan: hosts in parallel, on each host up to `vmsPerHost` VMs, the steps of one VM in order. A step that
 * fails ends its VM's steps and nothing else. Never throws for a step; results are in the order of `steps`.
 */
export async function applyAll(
  hosts: Hosts,
  steps: readonly Step[],
  options: ApplyOptions,
): Promise<StepResult[]> {
  const limits = new Map<string, ReturnType<typeof pLimit>>();
  const limitOf = (host: string) => {
    const limit = limits.get(host) ?? pLimit(options.vmsPerHost);
    limits.set(host, limit);
    return limit;
  };
  const groups = [...groupByVm(steps).values()];
  const results = await Promise.all(
    groups.map((group) => limitOf(group[0].host)(() => applyInOrder(hosts, group, options))),
  );
  const byStep = new Map(results.flat());
  return steps.flatMap((step) => byStep.get(step) ?? []);
}

type VmSteps = [Step, ...Step[]];

function groupByVm(steps: readonly Step[]): Map<string, VmSteps> {
  const groups = new Map<string, VmSteps>();
  for (const step of steps) {
    const key = `${step.host}/${step.uuid}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [step]);
    else group.push(step);
  }
  return groups;
}

async function applyInOrder(
  hosts: Hosts,
  steps: VmSteps,
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
  const started = performance.now();
  onProgress({ kind: 'step-begun', step });
  const end = (outcome: StepOutcome, error?: StepResult['error']): StepResult => {
    const durationMs = Math.round(performance.now() - started);
    const result: StepResult = { ...named(step), outcome, durationMs, ...(error && { error }) };
    onProgress({ kind: 'step-ended', step, result });
    return result;
  };
  try {
    await hosts.apply(step, (message) => onProgress({ kind: 'step-progress', step, message }));
    return end('done');
  } catch (error) {
    const code = error instanceof OperatorError ? error.code : 'E_UNEXPECTED';
    return end('failed', { code, message: errorMessage(error) });
  }
}

function skipped(step: Step): StepResult {
  return { ...named(step), outcome: 'skipped', durationMs: 0 };
}

function named({ host, vm, kind, reason }: Step): Pick<StepResult, 'host' | 'vm' | 'kind' | 'reason'> {
  return { host, vm, kind, reason };
}
