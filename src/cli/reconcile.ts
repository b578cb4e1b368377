import colors from 'picocolors';
import { loadConfig } from '../config.ts';
import { renderNote } from '../core/note.ts';
import { reconcile } from '../reconcile/reconcile.ts';
import { lockState } from '../state-lock.ts';
import { liveProgress } from './live-progress.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

const NOTES_TIMEOUT_MS = 60_000;

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
        await operator.notes?.flush(AbortSignal.timeout(NOTES_TIMEOUT_MS));
        return report.status === 'applied' ? 0 : 1;
      },
      { onProgress: liveProgress(process.stderr, colors) },
    );
  } finally {
    await lock.release();
  }
}
