import { formatIssue, type Issue } from '../core/issue.ts';
import type { Left, Move } from '../core/placing/place-movers.ts';
import { OperatorError } from '../errors.ts';
import { commitToNewBranch } from '../git/new-branch.ts';
import { assessNow, type Choice } from './assess-now.ts';
import { colorsFor } from './colors.ts';
import { type GlobalOptions, printJson } from './options.ts';
import { type Accepted, type ProposedChange, proposedChange } from './proposed-change.ts';
import { abortOnSignals, type Session, withOperator } from './session.ts';

/** Where the manifests are read from, and where their change goes. */
export interface ProposalOptions extends GlobalOptions {
  /** A folder instead of the newest commit. */
  readonly dir?: string;
  /** A new branch of a clone instead of a patch on stdout. */
  readonly branch?: string;
  readonly clone?: string;
}

/** Moves that a command proposes, with what people read of them. */
export interface Proposal {
  readonly moves: readonly Move[];
  readonly left: readonly Left[];
  /** Subject of a commit. */
  readonly subject: string;
  /** Lines before the change. */
  readonly text: readonly string[];
  /** What to do then. */
  readonly next: readonly string[];
  /** What `--json` shows beside the moves. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/**
 * Reads manifests, asks the hosts, and writes what `propose` makes of them: the patch to stdout, what is said of it to stderr; with
 * `branch` a commit. Nothing is pushed, and no host is changed. Exit code 1: some VMs stay, or the commit would be refused.
 */
export function propose(
  options: ProposalOptions,
  make: (judged: Accepted, session: Session) => Proposal,
  build?: (session: Session) => Choice['build'],
): Promise<number> {
  return withOperator(options, async (session) => {
    refuseWatchedBranch(options, session);
    const choice = { dir: options.dir, build: build?.(session) };
    const judged = await assessNow(session.operator, choice, abortOnSignals());
    if (!judged.ok) return refuse(judged.issues);
    // What nobody may apply is nothing to build upon.
    if (judged.refused !== undefined && judged.refused.length > 0) return refuse(judged.refused);
    const proposal = make(judged, session);
    const change = proposedChange(session, judged, { moves: proposal.moves, dir: options.dir });
    await deliver(withSigning(proposal, options, session), change, {
      options,
      parent: judged.snapshot.revision.sha,
    });
    return proposal.left.length === 0 && change.issues.length === 0 ? 0 : 1;
  });
}

function refuse(issues: readonly Issue[]): number {
  for (const issue of issues) process.stderr.write(`${formatIssue(issue)}\n`);
  return 1;
}

/** The commit of a new branch is made without anybody's key. */
function withSigning(
  proposal: Proposal,
  { branch }: ProposalOptions,
  { config: { git } }: Session,
): Proposal {
  if (branch === undefined || git.verify === undefined) return proposal;
  const sign = `sign it first, git.verify asks for it: git switch ${branch} && git commit --amend --no-edit -S`;
  return { ...proposal, next: [sign, ...proposal.next] };
}

function refuseWatchedBranch({ branch, dir }: ProposalOptions, { config }: Session): void {
  if (branch === undefined) return;
  if (dir !== undefined)
    throw new OperatorError('E_USAGE', '--dir reads files that may be no commit: take --branch without it');
  if (branch === config.git.branch)
    throw new OperatorError('E_USAGE', `${branch} is the branch that the operator watches: name another`);
}

async function deliver(
  { moves, left, subject, text, next, json }: Proposal,
  { files, patch, issues }: ProposedChange,
  { options, parent }: { readonly options: ProposalOptions; readonly parent: string },
): Promise<void> {
  const colors = colorsFor(process.stderr);
  const say = (line: string) => void (options.json || process.stderr.write(`${line}\n`));
  for (const line of text) say(line);
  for (const { vm, reasons } of left) say(colors.yellow(`${vm} stays: ${reasons.join('; ')}`));
  for (const issue of issues) say(colors.red(`the commit would be refused: ${formatIssue(issue)}`));
  if (options.json) printJson({ v: 1, moves, left, ...json, issues, patch });
  if (moves.length === 0) return;
  if (options.branch === undefined) {
    if (!options.json) process.stdout.write(patch);
  } else {
    const clone = options.clone ?? '.';
    const commit = { branch: options.branch, parent, files, message: messageOf(subject, moves) };
    const sha = await commitToNewBranch(clone, commit);
    say(`committed ${sha.slice(0, 12)} to the new branch ${options.branch} of ${clone}; nothing is pushed`);
  }
  for (const line of next) say(colors.dim(line));
}

function messageOf(subject: string, moves: readonly Move[]): string {
  return `${subject}\n\n${moves.map(({ vm, from, to }) => `${vm}: ${from} to ${to}`).join('\n')}`;
}
