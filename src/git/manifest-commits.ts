import type { Revision } from '../core/report.ts';
import type { Mirror } from './mirror.ts';
import { parseRevisions, REVISION_FORMAT } from './revision.ts';
import { ROOTS } from './selection.ts';

/** How far back it is looked at most. */
const MAX_COMMITS = 1_000;

/** First-parent commits of the branch, as the mirror has it, that touch manifests; newest first. */
export async function manifestCommits(
  mirror: Mirror,
  folder: string,
  signal: AbortSignal,
): Promise<readonly Revision[]> {
  const git = await mirror.git();
  const prefix = folder === '' ? '' : `${folder}/`;
  const output = await git.text(
    [
      'log',
      '--first-parent',
      '--no-notes',
      `--max-count=${MAX_COMMITS}`,
      `--format=${REVISION_FORMAT}`,
      'HEAD',
      '--',
      ...ROOTS.map((root) => `:(top,literal)${prefix}${root}`),
    ],
    { signal },
  );
  return parseRevisions(output);
}
