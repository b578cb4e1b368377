import { loadConfig } from '../config.ts';
import { renderNote } from '../core/note.ts';
import { type Operator, writeResults } from '../operator.ts';
import { reconcile } from '../reconcile/reconcile.ts';
import { lockState } from '../state/lock.ts';
import { colorsFor } from './colors.ts';
import { liveProgress } from './live-progress.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

const WRITE_TIMEOUT_MS = 60_000;

/** One pass, then the note, then the end: for a timer, a CI job or a person. */
export async function reconcileOnce(options: GlobalOptions): Promise<number> {
  const lock = await lockState(loadConfig(options.config).stateDir);
  try {
    return await withOperator(
      options,
      async ({ operator }) => {
        const report = await reconcile(operator.deps, { trigger: 'by hand', signal: abortOnSignals() });
        if (options.json) printJson(report);
        else print(renderNote([report]).trimEnd().split('\n\n{')[0] ?? '');
        await writeResults(operator, AbortSignal.timeout(WRITE_TIMEOUT_MS));
        warnOfUnwrittenNotes(operator);
        warnOfUntoldStatuses(operator);
        return report.status === 'applied' ? 0 : 1;
      },
      { onProgress: liveProgress(process.stderr, colorsFor(process.stderr)) },
    );
  } finally {
    await lock.release();
  }
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
