import { WaitCutShort } from '../core/asked.ts';
import { orderSteps } from '../core/order-steps.ts';
import type { StepOutcome, StepResult } from '../core/report.ts';
import { type Step, stepId, subjectOf } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Hosts, Tell } from '../ports.ts';
import type { AskedGuests } from './asked-guests.ts';
import type { OnProgress } from './progress.ts';
import { type Concurrency, createSlots, type Slots } from './slots.ts';
import { whenSuperseded } from './superseded.ts';

export interface ApplyOptions {
  readonly concurrency: Concurrency;
  /**
   * Aborted: steps that are not begun are skipped; a step that is begun is finished. Where that is for a newer commit, one
   * that waits for a guest is skipped too, and goes on in the next pass.
   */
  readonly signal: AbortSignal;
  readonly asked: AskedGuests;
  /** Asked right before each step: whether it is left alone by now. */
  readonly isPaused: (step: Step) => Promise<boolean>;
  readonly onProgress: OnProgress;
}

/**
 * Carries out a plan: hosts in parallel, on each host a few subjects at once, the steps of one subject in order, and each
 * step after those that it names. A step that fails ends what comes after it and nothing else. Never throws for a step;
 * results are in the order of `steps`.
 */
export async function applyAll(
  hosts: Hosts,
  steps: readonly Step[],
  options: ApplyOptions,
): Promise<StepResult[]> {
  const slots = createSlots(options.concurrency);
  const superseded = whenSuperseded(options.signal);
  const results = new Map<Step, Promise<StepResult>>();
  for (const { step, before } of orderSteps(steps)) {
    const earlier = before.map((other) => outcomeOf(other, results.get(other)));
    results.set(step, applyAfter(earlier, step, { hosts, slots, superseded, options }));
  }
  return Promise.all(steps.flatMap((step) => results.get(step) ?? []));
}

interface Run {
  readonly hosts: Hosts;
  readonly slots: Slots;
  readonly superseded: AbortSignal;
  readonly options: ApplyOptions;
}

/** What a step waits for: the id of the one that was not done, or undefined. */
async function outcomeOf(step: Step, result: Promise<StepResult> | undefined): Promise<string | undefined> {
  const ended = await result;
  return ended?.outcome === 'done' ? undefined : (ended?.waitsFor ?? stepId(step));
}

async function applyAfter(
  earlier: readonly Promise<string | undefined>[],
  step: Step,
  run: Run,
): Promise<StepResult> {
  const { slots, options } = run;
  const missing = (await Promise.all(earlier)).find((id) => id !== undefined);
  if (missing !== undefined) return { ...skipped(step), waitsFor: missing };
  const work = async () =>
    options.signal.aborted || (await options.isPaused(step)) ? skipped(step) : applyOne(step, run);
  // It has had its place before, and only waits: others need not wait for that.
  if ('asked' in step) return work();
  return slots.run(step.host, { isNext: earlier.length > 0 }, work);
}

async function applyOne(step: Step, { hosts, superseded, options }: Run): Promise<StepResult> {
  const { onProgress, asked } = options;
  const began = performance.now();
  const result = (outcome: StepOutcome): StepResult => ({
    ...named(step),
    outcome,
    durationMs: Math.round(performance.now() - began),
  });
  onProgress({ kind: 'step-begun', step });
  try {
    // A copy may take hours, and goes on where it was: the end of the program need not wait for it.
    const isCopy = step.kind === 'receive' || step.kind === 'migrate';
    const enough = isCopy ? options.signal : superseded;
    let remark: string | undefined;
    const tell: Tell = (message, kind) => {
      if (kind === 'remark') remark = message;
      else onProgress({ kind: 'step-progress', step, message });
    };
    await hosts.apply(step, tell, enough);
    asked.over(step);
    const done = { ...result('done'), ...(remark !== undefined && { remark }) };
    onProgress({ kind: 'step-ended', step, result: done });
    return done;
  } catch (error) {
    if (error instanceof WaitCutShort) {
      if (error.asked !== undefined) asked.cutShort(step, error.asked);
      const later = result('skipped');
      onProgress({ kind: 'step-ended', step, result: later });
      return later;
    }
    asked.over(step);
    const code = error instanceof OperatorError ? error.code : 'E_UNEXPECTED';
    const failed = { ...result('failed'), error: { code, message: errorMessage(error) } };
    onProgress({ kind: 'step-ended', step, result: failed, error });
    return failed;
  }
}

function skipped(step: Step): StepResult {
  return { ...named(step), outcome: 'skipped', durationMs: 0 };
}

function named(step: Step): Pick<StepResult, 'host' | 'subject' | 'kind' | 'reason'> {
  return { host: step.host, subject: subjectOf(step), kind: step.kind, reason: step.reason };
}
