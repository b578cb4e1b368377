import { randomUUID } from 'node:crypto';
import type { Revision } from '../core/report.ts';
import type { OperatorError } from '../errors.ts';
import { asGitFailure } from './failures.ts';
import type { Mirror } from './mirror.ts';
import { fetchNotes } from './notes-push.ts';
import { REVISION_FORMAT, toRevision } from './revision.ts';

export interface NotedRevision {
  readonly revision: Revision;
  /** Absent: the commit has no note. */
  readonly note?: string;
}

export interface NotesLog {
  /** Newest first. */
  readonly entries: readonly NotedRevision[];
  /** The notes could not be fetched: what is here may be old, and a missing note means nothing. */
  readonly fetchError?: OperatorError;
}

const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** The last `limit` first-parent commits of the branch, as the mirror has it, with their notes as the remote has them. */
export async function readNotes(
  mirror: Mirror,
  ref: string,
  limit: number,
  signal?: AbortSignal,
): Promise<NotesLog> {
  const call = signal === undefined ? {} : { signal };
  const git = await mirror.git();
  const fetchError = await fetchNotes(mirror, ref, signal).then(
    () => undefined,
    (error: unknown) => mirror.explain(asGitFailure(error)),
  );
  // Notes are other people's text: only a line that nobody can guess parts the records.
  const divider = randomUUID();
  const format = `--format=${divider}${REVISION_FORMAT}%N`;
  const args = [
    'log',
    '--first-parent',
    `--max-count=${Math.trunc(limit)}`,
    '--no-notes',
    `--notes=${ref}`,
    format,
  ];
  const output = await git.text([...args, 'HEAD', '--'], { ...call, maxOutputBytes: MAX_LOG_BYTES });
  const entries = output.split(divider).slice(1).map(parseRecord);
  return { entries, ...(fetchError === undefined ? {} : { fetchError }) };
}

function parseRecord(record: string): NotedRevision {
  const fields = record.split('\0');
  const note = fields.slice(4).join(' ').trimEnd();
  return { revision: toRevision(fields), ...(note === '' ? {} : { note }) };
}
