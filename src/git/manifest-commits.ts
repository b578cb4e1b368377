import type { Revision } from '../core/report.ts';
import type { Mirror } from './mirror.ts';
import { parseRevisions, REVISION_FORMAT } from './revision.ts';
import { ROOTS } from './selection.ts';

/** How far back it is looked at most. */
const MAX_COMMITS = 1_000;

export interface CommitRange {
  /** Of the manifests in the repository. */
  readonly folder: string;
  /** A full hash; absent: the newest commit of the branch, as the mirror has it. */
  readonly from?: string;
  /** Absent: far back. */
  readonly limit?: number;
}

/** First-parent commits that touch manifests, newest first. */
export async function manifestCommits(
  mirror: Mirror,
  { folder, from = 'HEAD', limit = MAX_COMMITS }: CommitRange,
  signal: AbortSignal,
): Promise<readonly Revision[]> {
  const git = await mirror.git();
  const prefix = folder === '' ? '' : `${folder}/`;
  const output = await git.text(
    [
      'log',
      '--first-parent',
      '--no-notes',
      `--max-count=${limit}`,
      `--format=${REVISION_FORMAT}`,
      from,
      '--',
      ...ROOTS.map((root) => `:(top,literal)${prefix}${root}`),
    ],
    { signal },
  );
  return parseRevisions(output);
}
