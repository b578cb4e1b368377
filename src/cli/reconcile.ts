import { loadConfig } from '../config.ts';
import { renderNote } from '../core/note.ts';
import type { Report } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import { type Operator, writeResults } from '../operator.ts';
import { reconcile } from '../reconcile/reconcile.ts';
import { lockState, type StateLock } from '../state/lock.ts';
import { colorsFor } from './colors.ts';
import { liveProgress } from './live-progress.ts';
import { type GlobalOptions, numberOf, print, printJson } from './options.ts';
import { passOfOperator } from './pass-of-operator.ts';
import { abortOnSignals, withOperator } from './session.ts';

const WRITE_TIMEOUT_MS = 60_000;

interface ReconcileOptions extends GlobalOptions {
  readonly once?: boolean;
  /** Seconds. */
  readonly timeout: string;
}

/** A pass, by the operator that runs, else here; `once`: here, or not at all. */
export async function reconcileNow(options: ReconcileOptions): Promise<number> {
  const config = loadConfig(options.config);
  const timeoutMs = numberOf('--timeout', options.timeout) * 1000;
  const lock = await lockState(config.stateDir).catch((error: unknown) => {
    if (!options.once && error instanceof OperatorError && error.code === 'E_STATE_LOCKED') return undefined;
    throw error;
  });
  if (lock !== undefined) return reconcileHere(options, lock);
  const report = await passOfOperator(config, timeoutMs, abortOnSignals());
  return show(report, options);
}

/** One pass, then the note, then the end: for a timer, a CI job or a person. */
async function reconcileHere(options: GlobalOptions, lock: StateLock): Promise<number> {
  try {
    return await withOperator(
      options,
      async ({ operator }) => {
        const report = await reconcile(operator.deps, { trigger: 'by hand', signal: abortOnSignals() });
        const code = show(report, options);
        await writeResults(operator, AbortSignal.timeout(WRITE_TIMEOUT_MS));
        warnOfUnwrittenNotes(operator);
        warnOfUntoldStatuses(operator);
        warnOfUntoldReceivers(operator);
        return code;
      },
      { onProgress: liveProgress(process.stderr, colorsFor(process.stderr)) },
    );
  } finally {
    await lock.release();
  }
}

function show(report: Report, options: GlobalOptions): number {
  if (options.json) printJson(report);
  else print(renderNote([report]).trimEnd().split('\n\n{')[0] ?? '');
  return report.status === 'applied' ? 0 : 1;
}

/** Nobody tries again after this process. */
function warnOfUnwrittenNotes({ notes }: Operator): void {
  if (notes === undefined || notes.pending === 0) return;
  const why = notes.problem?.message ?? 'out of time';
  process.stderr.write(
    `kvm-gitops: ${notes.pending} notes are not at the remote: ${why}\nWrite them later with \`kvm-gitops notes push\`\n`,
  );
}

function warnOfUntoldStatuses({ statuses }: Operator): void {
  if (statuses === undefined || statuses.pending === 0) return;
  const why = statuses.problem ?? 'out of time';
  process.stderr.write(`kvm-gitops: the forge was not told how ${statuses.pending} commits stand: ${why}\n`);
}

function warnOfUntoldReceivers({ notifier }: Operator): void {
  for (const { name, pending, problem = 'out of time' } of notifier?.receivers() ?? [])
    if (pending > 0)
      process.stderr.write(
        `kvm-gitops: ${name} was not notified of ${pending} things: ${problem}\nIt hears of them with the next pass\n`,
      );
}
