import type { Revision } from '../core/report.ts';
import { asGitFailure } from './failures.ts';
import { type Git, GitFailure } from './git.ts';
import type { CommitTrust } from './key-files.ts';
import { readRevision, toRevision } from './revision.ts';

/** A commit, and the one that was in force before it. */
export interface Span {
  readonly sha: string;
  readonly from?: string;
}

export interface JudgeOptions extends Pick<CommitTrust, 'require'> {
  readonly signal?: AbortSignal | undefined;
}

const BATCH = 50;
const SHOWN = 3;
const FORMAT = '%H%x00%s%x00%an%x00%cI%x00%G?%x00%GK%x00';

/**
 * What is wrong with the signatures of a span, in words for people; undefined: nothing. The newest commit comes first and
 * alone: whoever has no key of ours gets no further, however many commits are pushed. A GitFailure where git cannot say.
 */
export async function judgeCommits(git: Git, span: Span, options: JudgeOptions): Promise<string | undefined> {
  const { require, signal } = options;
  const head = await badOnes(git, [span.sha], signal);
  if (head.length > 0 || require === 'head') return words(head, options);
  const rest = await restOf(git, span, signal);
  for (let start = 0; start < rest.length; start += BATCH) {
    const end = start + BATCH;
    const bad = await badOnes(git, rest.slice(start, end), signal);
    if (bad.length > 0) return words(bad, { require, hasMore: end < rest.length });
  }
  return undefined;
}

interface Worded extends Pick<CommitTrust, 'require'> {
  /** There are commits that were not looked at. */
  readonly hasMore?: boolean;
}

function words(bad: readonly Verified[], { require, hasMore = false }: Worded): string | undefined {
  if (bad.length === 0) return undefined;
  const named = bad
    .slice(0, SHOWN)
    .map(
      ({ revision, status, key }) =>
        `${revision.sha.slice(0, 12)} "${revision.subject}" by ${revision.author} ${reasonOf(status, key)}`,
    );
  const known = bad.length > SHOWN ? `; and ${bad.length - SHOWN} more` : '';
  const more = hasMore ? '; and maybe more: older ones were not looked at' : known;
  return `git.verify trusts ${require === 'every' ? 'no commit' : 'no newest commit'} like this (find out who made it before you sign it): ${named.join('; ')}${more}`;
}

/** Merges and what they bring are among them. What was in force and is not to be had any more bounds nothing. */
async function restOf(git: Git, { sha, from }: Span, signal?: AbortSignal): Promise<readonly string[]> {
  if (from === undefined) return [];
  try {
    const output = await git.text(['rev-list', sha, `^${from}`, '--'], callOf(signal));
    return output.split('\n').filter((line) => line !== '' && line !== sha);
  } catch (error) {
    if (asGitFailure(error).kind === 'exit') return [];
    throw error;
  }
}

interface Verified {
  readonly revision: Revision;
  /** As `git log` has it under `%G?`; `malformed` where git does not get that far. */
  readonly status: string;
  readonly key: string;
}

/** Those of a batch that are not signed as they should be. git ends at the first malformed one: then one is asked of at a time. */
async function badOnes(
  git: Git,
  commits: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Verified[]> {
  try {
    return (await verify(git, commits, signal)).filter(({ status }) => status !== 'G');
  } catch (error) {
    if (!isMalformed(asGitFailure(error))) throw error;
  }
  const [only] = commits;
  if (only !== undefined && commits.length === 1)
    return [{ revision: await readRevision(git, only, callOf(signal)), status: 'malformed', key: '' }];
  const bad: Verified[] = [];
  for (const sha of commits) bad.push(...(await badOnes(git, [sha], signal)));
  return bad;
}

function isMalformed({ kind, output }: GitFailure): boolean {
  return kind === 'exit' && output.includes('bad/incompatible signature');
}

async function verify(
  git: Git,
  commits: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Verified[]> {
  const args = ['log', '--no-walk=unsorted', '--no-notes', '--stdin', `--format=${FORMAT}`];
  const input = commits.map((sha) => `${sha}\n`).join('');
  const output = await git.text(args, { ...callOf(signal), input });
  const records = output.split('\0\n').filter((record) => record !== '');
  const found = records.map((record): Verified => {
    const [sha, subject, author, date, status = '', key = ''] = record.split('\0');
    return { revision: toRevision([sha, subject, author, date]), status, key };
  });
  const isComplete = found.every(({ revision }, index) => revision.sha === commits[index]);
  if (!isComplete || found.length !== commits.length)
    throw new GitFailure('corrupt', 'log', 'not every commit was told of');
  return found;
}

function callOf(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { signal };
}

function reasonOf(status: string, key: string): string {
  const by = key === '' ? '' : ` (${key})`;
  switch (status) {
    case 'B':
      return 'has a signature that does not hold';
    case 'malformed':
      return 'has a malformed signature';
    case 'U':
    case 'E':
      return `is signed by a key that is not among ours, or was not at its time${by}`;
    case 'X':
      return `has a signature that has expired${by}`;
    case 'Y':
      return `is signed by a key that has expired${by}`;
    case 'R':
      return `is signed by a key that was revoked${by}`;
    default:
      return 'is not signed';
  }
}
