import { renderNote } from '../core/note.ts';
import { OperatorError } from '../errors.ts';
import { matchRemoteNotes } from '../git/notes-push.ts';
import { type GlobalOptions, print } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

const PUSH_TIMEOUT_MS = 5 * 60_000;

/** Writes the note of every commit in the journal again, and pushes them. */
export function notesPush(options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ config, operator }) => {
    const { notes, journal, mirror } = operator;
    if (notes === undefined) throw new OperatorError('E_USAGE', 'operator.yaml has git.notes: false');
    const signal = AbortSignal.any([abortOnSignals(), AbortSignal.timeout(PUSH_TIMEOUT_MS)]);
    await matchRemoteNotes(mirror, config.git.notesRef, signal);
    const commits = await journal.commits();
    for (const sha of commits) notes.put(sha, renderNote(await journal.of(sha)));
    await notes.flush(signal);
    if (notes.pending === 0) {
      print(`${commits.length} notes are at the remote`);
      return 0;
    }
    print(
      `${notes.pending} of ${commits.length} notes are not at the remote: ${notes.problem?.message ?? 'out of time'}`,
    );
    return 1;
  });
}
