import { assess } from '../core/assess.ts';
import type { Issue } from '../core/issue.ts';
import { leftAlone } from '../core/left-alone.ts';
import type { Judged } from '../core/review/plan-result.ts';
import { readFolder } from '../git/folder.ts';
import type { Operator } from '../operator.ts';
import type { Snapshot } from '../ports.ts';
import { type Admission, admit, admitByMarks, type Newcomer } from '../reconcile/admit.ts';
import { type Deps, questionFor } from '../reconcile/reconcile.ts';

/** Which manifests a command looks at: a folder, a revision, or else the newest commit of the branch. */
export interface Choice {
  readonly dir?: string | undefined;
  readonly revision?: string | undefined;
  /** Absent: as a pass does. */
  readonly build?: Deps['build'] | undefined;
}

/** What came of it, with the files that were read. */
export type JudgedFiles =
  | Extract<Judged, { ok: false }>
  | (Extract<Judged, { ok: true }> & { readonly snapshot: Snapshot });

/** Reads manifests, asks the hosts, and judges as a pass would; changes nothing. */
export async function assessNow(
  { deps, mirror }: Operator,
  choice: Choice,
  signal: AbortSignal,
): Promise<JudgedFiles> {
  const { snapshot, isNewest } = await readChoice(mirror, choice, signal);
  const { sha, subject } = snapshot.revision;
  const title = choice.dir ?? `${sha.slice(0, 12)} ${subject}`;
  const newcomer = isNewest ? await newcomerOf(deps, sha) : undefined;
  const refused = newcomer === undefined ? [] : issuesOf(await admit(deps, newcomer, signal), sha);
  const built = (choice.build ?? deps.build)(snapshot);
  if (!built.ok) return { ok: false, title, issues: [...refused, ...built.issues] };
  const { desired } = built;
  const observed = await deps.hosts.observe(questionFor(desired), signal);
  if (newcomer !== undefined)
    refused.push(...issuesOf(await admitByMarks(deps, newcomer, { desired, observed }), sha));
  const now = deps.clock.now();
  const pauses = leftAlone(desired, await deps.control.suspensions(), now);
  const assessment = assess(desired, observed, { now, commit: sha, pauses });
  return { ok: true, title, snapshot, desired, observed, assessment, refused };
}

/** Only the branch's newest commit is what a pass may not admit; one that is in force is. */
async function newcomerOf({ source }: Deps, sha: string): Promise<Newcomer | undefined> {
  const inForce = (await source.accepted())?.revision.sha;
  return inForce === sha ? undefined : { sha, ...(inForce !== undefined && { inForce }) };
}

function issuesOf(admission: Admission, sha: string): Issue[] {
  if (admission.kind === 'admitted') return [];
  const { error, confirmation } = admission.refusal;
  const hint = confirmation === undefined ? {} : { hint: `kvm-gitops confirm ${confirmation}` };
  return [{ file: sha.slice(0, 12), message: error.message, ...hint }];
}

async function readChoice(
  mirror: Operator['mirror'],
  { dir, revision }: Choice,
  signal: AbortSignal,
): Promise<{ readonly snapshot: Snapshot; readonly isNewest: boolean }> {
  if (dir !== undefined) {
    const revisionOfDir = { sha: 'working-copy', subject: dir, author: '', date: '' };
    return { snapshot: { ...(await readFolder(dir)), revision: revisionOfDir }, isNewest: false };
  }
  const newest = await mirror.fetch(signal);
  const snapshot = revision === undefined ? newest : await mirror.read(revision, signal);
  return { snapshot, isNewest: snapshot.revision.sha === newest.revision.sha };
}
