import type { Revision } from '../core/report.ts';
import type { Git, GitCall } from './git.ts';

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether it is a commit's full id. */
export function isSha(text: string): boolean {
  return SHA.test(text);
}

/** `git log --format` for one revision: fields end with NUL, records too. */
export const REVISION_FORMAT = '%H%x00%s%x00%an%x00%cI%x00';

/** The commit that a name means. Throws a GitFailure where there is none. */
export async function readRevision(git: Git, name: string, call: GitCall = {}): Promise<Revision> {
  const output = await git.text(
    ['log', '-1', '--no-notes', `--format=${REVISION_FORMAT}`, '--end-of-options', name, '--'],
    call,
  );
  return toRevision(output.split('\0'));
}

/** What `git log` says in REVISION_FORMAT, in its order. */
export function parseRevisions(output: string): Revision[] {
  return output
    .split('\0\n')
    .filter((record) => record !== '')
    .map((record) => toRevision(record.split('\0')));
}

/** From the fields of REVISION_FORMAT. Control characters in what people wrote become spaces. */
export function toRevision(fields: readonly (string | undefined)[]): Revision {
  const [sha = '', subject = '', author = '', date = ''] = fields.map((field) =>
    field
      ?.replace(/\p{Cc}/gu, ' ')
      .trim()
      .slice(0, 300),
  );
  return { sha, subject, author, date };
}
