import { OperatorError } from '../errors.ts';
import { asGitFailure, ownWords } from './failures.ts';
import { FETCH_OPTIONS, type Git, GitFailure } from './git.ts';
import type { Mirror } from './mirror.ts';
import { redact } from './redact.ts';
import { updateRef } from './repository.ts';

/** Where our commit of notes stands until the remote has it. Never pushed under this name. */
const OUTBOX = 'refs/kvm-gitops/outbox';

const REFUSED =
  /hook declined|permission denied|authentication failed|could not read (?:username|password)|dubious ownership|returned error: 40[13]|service not enabled|access denied|read[- ]only|not allowed|protected|hidden ref|not permitted|write access/i;

/** Whether the remote does not let us write, as opposed to being away or another writer having been quicker. */
export function isRefused(error: unknown): boolean {
  return REFUSED.test(withoutNames(outputOf(error)));
}

/** A repository may be called `protected`, and so may a ref: `To ADDRESS`, `'ADDRESS'`, `! SOURCE:REF ...`. */
function withoutNames(output: string): string {
  return output
    .replace(/^To .*$/gm, '')
    .replace(/'[^'\n]*'/g, '')
    .replace(/^(.)\t\S+\t/gm, '$1 ');
}

/** Whether the remote answered and did not take it: as a rule because another writer was quicker. */
export function isRejected(error: unknown): boolean {
  return /^!\t/m.test(outputOf(error));
}

function outputOf(error: unknown): string {
  const cause = error instanceof OperatorError ? error.cause : error;
  return cause instanceof GitFailure && cause.kind === 'exit' ? cause.output : '';
}

export interface Batch {
  readonly ref: string;
  /** By commit. */
  readonly texts: ReadonlyMap<string, string>;
  /** The last try failed, so others may have written what the mirror does not have. */
  readonly isRetry: boolean;
}

/**
 * One try to put notes on top of what is at the remote, without force. Gives the commits that the mirror does not have:
 * they get none. Throws E_NOTES_PUSH where it failed.
 */
export async function pushNotes(
  mirror: Mirror,
  { ref, texts, isRetry }: Batch,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const git = await mirror.git();
    const { known, lost } = await splitKnown(git, texts, signal);
    if (known.size === 0) return lost;
    const here = isRetry ? undefined : await readTip(git, ref);
    // As late as can be: each moment between this and the push is one in which another writer may be quicker.
    const tip = here ?? (await fetchNotes(mirror, ref, signal));
    const commit = await writeCommit(git, known, tip, signal);
    if (commit !== undefined) await push(mirror, ref, commit, signal);
    return lost;
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    await mirror.unlock(error);
    const message = `git notes cannot be pushed to ${redact(mirror.remote.url)}, ${ref}: ${pushWords(error)}`;
    throw new OperatorError('E_NOTES_PUSH', message, { cause: error, context: { ref } });
  }
}

/** Brings the remote's notes into the mirror; gives their newest commit, undefined where there are none. */
export async function fetchNotes(
  mirror: Mirror,
  ref: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const git = await mirror.git();
  const args = ['fetch', ...FETCH_OPTIONS, '--end-of-options', mirror.remote.url, `+${ref}:${ref}`];
  try {
    await git.text(args, { access: 'read', ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    // Nobody has written a note yet, or somebody deleted them: what we know of them is pushed again.
    if (!/couldn't find remote ref/i.test(asGitFailure(error).output)) throw error;
  }
  return readTip(git, ref);
}

/**
 * Makes what the mirror holds of the notes the same as at the remote, so that a push of all of them misses none. Throws
 * E_GIT_REMOTE where the remote cannot be read.
 */
export async function matchRemoteNotes(mirror: Mirror, ref: string, signal: AbortSignal): Promise<void> {
  const git = await mirror.git();
  try {
    const args = ['ls-remote', '--quiet', '--end-of-options', mirror.remote.url, ref];
    const there = await git.text(args, { access: 'read', signal });
    if (there.trim() !== '') await fetchNotes(mirror, ref, signal);
    else await git.text(['update-ref', '-d', ref]);
  } catch (error) {
    throw error instanceof GitFailure ? mirror.explain(error) : error;
  }
}

async function readTip(git: Git, ref: string): Promise<string | undefined> {
  const output = await git.text(['for-each-ref', '--format=%(objectname)', ref]);
  return output.trim() || undefined;
}

/** A note hangs on a commit; one that the mirror has never seen, or lost, cannot carry it. */
async function splitKnown(git: Git, texts: ReadonlyMap<string, string>, signal: AbortSignal) {
  const input = [...texts.keys()].map((sha) => `${sha}\n`).join('');
  const output = await git.text(['cat-file', '--batch-check=%(objectname) %(objecttype)'], { input, signal });
  const commits = new Set(output.split('\n').flatMap((line) => /^([0-9a-f]+) commit$/.exec(line)?.[1] ?? []));
  const known = new Map([...texts].filter(([sha]) => commits.has(sha)));
  return { known, lost: [...texts.keys()].filter((sha) => !commits.has(sha)) };
}

/** Makes one commit with all the notes; undefined where the tip says all that already. */
async function writeCommit(
  git: Git,
  texts: ReadonlyMap<string, string>,
  tip: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const author = (await git.text(['var', 'GIT_COMMITTER_IDENT'])).trim();
  const input = [
    `commit ${OUTBOX}\n`,
    `committer ${author}\n`,
    data('Notes of kvm-gitops\n'),
    tip === undefined ? '' : `from ${tip}\n`,
    ...[...texts].map(([sha, text]) => `N inline ${sha}\n${data(text.endsWith('\n') ? text : `${text}\n`)}`),
  ].join('');
  // Force only lets our own outbox go back to another start; the push below never has it.
  await git.text(['fast-import', '--force', '--date-format=raw'], { input, signal });
  const names = [OUTBOX, `${OUTBOX}^{tree}`, ...(tip === undefined ? [] : [`${tip}^{tree}`])];
  const [commit, tree, before] = (await git.text(['rev-parse', ...names])).trim().split('\n');
  return tree === before ? undefined : commit;
}

/** With its length in front, so nothing in a text can be read as a command. */
function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

async function push(mirror: Mirror, ref: string, commit: string, signal: AbortSignal): Promise<void> {
  const git = await mirror.git();
  const args = ['push', '--porcelain', '--no-verify', '--end-of-options', mirror.remote.url];
  await git.text([...args, `${commit}:${ref}`], { access: 'write', signal });
  await updateRef(git, ref, commit);
}

/** `! REFSPEC [rejected] (reason)` says more than the last line. */
function pushWords(failure: GitFailure): string {
  const rejected = /^!\t\S+\t(.+)$/m.exec(failure.output)?.[1];
  return rejected ?? ownWords(failure);
}
