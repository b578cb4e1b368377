import { OperatorError } from '../errors.ts';
import { readNotes } from '../git/notes-read.ts';
import { colors } from './colors.ts';
import { historyText, vmHistory } from './log-vm.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';

interface LogOptions extends GlobalOptions {
  readonly limit: string;
}

/**
 * The newest commits with the operator's notes, as `git log --notes` would show them after fetching the notes; of one VM,
 * those that changed it or under which something was done to it.
 */
export function log(vm: string | undefined, options: LogOptions): Promise<number> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new OperatorError('E_USAGE', `--limit takes a whole number from 1, not ${options.limit}`);
  }
  return vm === undefined ? logCommits(limit, options) : logVm(vm, limit, options);
}

function logVm(vm: string, limit: number, options: LogOptions): Promise<number> {
  return withOperator(options, async (session) => {
    const entries = (await vmHistory(session, vm, abortOnSignals())).slice(0, limit);
    if (options.json) printJson(entries);
    else print(historyText(entries, colors));
    return 0;
  });
}

function logCommits(limit: number, options: LogOptions): Promise<number> {
  return withOperator(options, async ({ config, operator }) => {
    const signal = abortOnSignals();
    await operator.mirror.fetch(signal);
    const { entries, fetchError } = await readNotes(operator.mirror, config.git.notesRef, limit, signal);
    if (options.json) {
      printJson(
        entries.map(({ revision, note }) => ({
          ...revision,
          note: note === undefined ? null : machineLine(note),
        })),
      );
      return fetchError === undefined ? 0 : 1;
    }
    if (fetchError !== undefined)
      print(colors.yellow(`the notes could not be fetched, these may be old: ${fetchError.message}`));
    for (const { revision, note } of entries) {
      print(
        `${colors.yellow(revision.sha.slice(0, 12))} ${revision.subject}  ${colors.dim(`${revision.author}, ${revision.date}`)}`,
      );
      print(note === undefined ? colors.dim('    no note\n') : `${indent(humanLines(note))}\n`);
    }
    return fetchError === undefined ? 0 : 1;
  });
}

function humanLines(note: string): string {
  return note
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')
    .trimEnd();
}

/** The line of JSON that a note ends with; null where somebody else wrote the note. */
function machineLine(note: string): unknown {
  const line = note.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(line);
  } catch {
    // Not ours, or cut: there is nothing to show.
    return null;
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ').replace(/^ +$/gm, '');
}
